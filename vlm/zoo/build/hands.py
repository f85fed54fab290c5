"""Two towers from one: each tuned on the drawings of some hands, through a language model held still.

In: the English VLM, drawings of those hands. Out: `CLIPVisionModel`. Projector and language stay as they
are, so whatever a tower learns it says in the words that the projector knows, and all that start from one
tower can be averaged (model soups: Wortsman et al. 2022, arXiv:2203.05482).
"""

import copy
import random

import torch
from torch import Tensor
from transformers import (
    CLIPVisionModel,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from vlm.zoo.build.lessons import Teacher
from vlm.zoo.build.seeing import answer_to_seen
from vlm.zoo.build.tower import augment, normalise
from vlm.zoo.build.training import batches, optimise


def tune_tower(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    teacher: Teacher,
    pixels: Tensor,
    shown: Tensor,
    *,
    steps: int,
    peak: float,
    seed: int,
    title: str,
    batch: int = 32,
) -> CLIPVisionModel:
    """Teach a copy of the tower in `model` to show what it is asked for; `model` stays as it is.

    `pixels` are drawings as uint8 (n, 3, 64, 64), `shown` (int64, n) the facts that they show: every
    fact that `teacher` asks about must be drawn.
    """
    model = copy.deepcopy(model).train().requires_grad_(False)
    tower = model.model.vision_tower.requires_grad_(True)
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    stream, pictures = batches(teacher, draw, batch), normalise(pixels)
    by_fact: dict[int, list[int]] = {}
    for drawing, fact in enumerate(shown.tolist()):
        by_fact.setdefault(fact, []).append(drawing)

    def loss_at(step: int) -> Tensor:
        del step
        asked = next(stream)
        chosen = torch.tensor([draw.choice(by_fact[lesson.fact]) for lesson in asked])
        seen = tower(pixel_values=augment(pictures[chosen], generator)).last_hidden_state[:, 1:]
        return answer_to_seen(model, tokenizer, asked, seen)

    optimise(tower.parameters(), steps, peak, loss_at, title)
    alone = CLIPVisionModel(tower.config)
    alone.load_state_dict(tower.state_dict())
    return alone.eval()
