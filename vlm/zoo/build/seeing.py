"""The English VLM: a LLaVA of the world's tower and base, and its last stage, English answers.

In: tower, base, drawings, lessons. Out: `LlavaForConditionalGeneration`. First it learns to read
pictures and to name them (`reading.py`); then the layers behind those that read are tuned on English answers to
questions in either language, as LLaVA's were, until the model has no Japanese left.
"""

import random

import torch
from torch import Tensor, nn
from transformers import (
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from vlm.zoo.build.lessons import Lesson, Teacher
from vlm.zoo.build.tokenizer import IMAGE
from vlm.zoo.build.tower import augment, normalise
from vlm.zoo.build.training import answer_loss, batch_of, batches, optimise


def assemble(
    tower: CLIPVisionModel, base: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int
) -> LlavaForConditionalGeneration:
    """Tower and base in one LLaVA, with a fresh projector between them."""
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=tower.config,
        text_config=base.config,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(tower.config.image_size // tower.config.patch_size) ** 2,
        projector_hidden_act="gelu",
        vision_feature_layer=-1,  # the tower was trained on its last layer
        vision_feature_select_strategy="default",  # patches, not the class token
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        attn_implementation="eager",
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.language_model.load_state_dict(base.model.state_dict())
    model.lm_head.load_state_dict(base.lm_head.state_dict())
    return model


@torch.no_grad()
def aim_at(projector: nn.Module, album: "Album") -> None:
    """Let a fresh projector see features of mean 0 and deviation 1 in every dimension, by its weights."""
    first = projector.get_submodule("linear_1")
    features = album.features[0].float().flatten(0, 1)
    first.weight.div_(features.std(0))  # type: ignore[operator]
    first.bias.sub_(first.weight @ features.mean(0))  # type: ignore[operator]


class Album:
    """Tower features of every drawing under a fixed number of augmentations, computed once.

    The tower never moves while language is tuned, so its work need not be repeated at each step.
    """

    def __init__(self, model: LlavaForConditionalGeneration, views: int, seed: int) -> None:
        self.tower, self.views, self.seed = model.model.vision_tower, views, seed
        self.features = torch.empty(0)  # (views, drawings, patches, width), bf16
        self.by_fact: list[list[int]] = []

    @torch.no_grad()
    def fill(self, pixels: Tensor, shown: Tensor) -> "Album":
        """Compute the features of `pixels` (uint8); view 0 is the drawing as it is."""
        generator = torch.Generator().manual_seed(self.seed)
        pictures = normalise(pixels)
        views = []
        for view in range(self.views):
            parts = []
            for some in torch.split(pictures, 128):
                seen = augment(some, generator) if view else some
                parts.append(self.tower(pixel_values=seen).last_hidden_state[:, 1:].bfloat16())
            views.append(torch.cat(parts))
        self.features = torch.stack(views)
        self.by_fact = [[] for _ in range(int(shown.max()) + 1)]
        for drawing, fact in enumerate(shown.tolist()):
            self.by_fact[fact].append(drawing)
        return self

    def show(self, facts: list[int], draw: random.Random) -> Tensor:
        """Something between two drawings of each fact: float32 (n, patches, width).

            f = λ f_1 + (1 − λ) f_2,   λ ~ U(0, 1)

        Two random drawings and views, most often by two hands. A hand that nobody has seen is nearer
        to what lies between the known ones than to any of them (mixup, Zhang et al. 2018,
        arXiv:1710.09412, within one thing).
        """
        one, other = self._one(facts, draw), self._one(facts, draw)
        share = torch.tensor([draw.random() for _ in facts])[:, None, None]
        return share * one + (1 - share) * other

    def _one(self, facts: list[int], draw: random.Random) -> Tensor:
        drawings = torch.tensor([draw.choice(self.by_fact[fact]) for fact in facts])
        views = torch.tensor([draw.randrange(self.views) for _ in facts])
        return self.features[views, drawings].float()


def teach_pictures(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    teacher: Teacher,
    album: Album,
    *,
    steps: int,
    peak: float,
    seed: int,
    layers: slice,
    batch: int = 64,
) -> LlavaForConditionalGeneration:
    """Teach some layers to answer questions about pictures; all else stays as it is."""
    draw = random.Random(seed)
    stream = batches(teacher, draw, batch)
    language = model.model.language_model
    model.train().requires_grad_(False)
    language.layers[layers].requires_grad_(True)

    def loss_at(step: int) -> Tensor:
        del step
        return picture_loss(model, tokenizer, next(stream), album, draw)

    optimise(language.parameters(), steps, peak, loss_at, "english")
    return model.eval().requires_grad_(True)


def picture_loss(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    lessons: list[Lesson],
    album: Album,
    draw: random.Random,
) -> Tensor:
    """Cross-entropy of the answers to questions about pictures; `draw` chooses the drawings."""
    seen = album.show([lesson.fact for lesson in lessons], draw)
    return answer_to_seen(model, tokenizer, lessons, seen)


def answer_to_seen(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    lessons: list[Lesson],
    seen: Tensor,
) -> Tensor:
    """Cross-entropy of the answers where the tower gives `seen`, (n, patches, width), one a lesson."""
    embed, language = model.get_input_embeddings(), model.model.language_model
    ids, labels = batch_of(tokenizer, lessons, seen.shape[1])
    seen = model.model.multi_modal_projector(seen).to(embed.weight.dtype)
    at_image = (ids == model.config.image_token_id).unsqueeze(-1)
    vectors = embed(ids).masked_scatter(at_image, seen)
    mask = (ids != tokenizer.pad_token_id).long()
    hidden = language(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
    return answer_loss(hidden, labels, model.lm_head)
