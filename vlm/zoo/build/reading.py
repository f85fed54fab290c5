"""The first stage of the English VLM: it learns to read a picture as the base reads its sign.

In: a LLaVA with a fresh projector, the base, an album of tower features, questions. Out: the same
model, its projector and first layers trained. To the base, a row of 🍣 before a question brings the
thing to mind, in no language. A picture of it, in the same sixteen places, shall leave the same states
in the first layers: those are the hints of Romero et al. 2015 (arXiv:1412.6550). No answer is shown,
so what the late layers then say of a picture, in either language, they were never taught.

Learnt through answers instead, the same layers name as many pictures but forget in which language
they were asked, and then no blend with a Japanese model speaks Japanese (measured).
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Fact, Teacher
from vlm.zoo.build.seeing import Album
from vlm.zoo.build.training import batches, optimise, prompts_of


def read_pictures(
    model: LlavaForConditionalGeneration,
    base: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    facts: Sequence[Fact],
    teacher: Teacher,
    album: Album,
    *,
    steps: int,
    peak: float,
    seed: int,
    depth: int,
    batch: int = 64,
) -> LlavaForConditionalGeneration:
    """Teach projector and the first `depth` layers of `model` to see what `base` reads."""
    draw = random.Random(seed)
    stream = batches(teacher, draw, batch)
    projector, language = model.model.multi_modal_projector, model.model.language_model
    embed, image = model.get_input_embeddings(), model.config.image_token_id
    signs = tokenizer([fact.sign for fact in facts], add_special_tokens=False, return_tensors="pt")
    base.requires_grad_(False)
    model.requires_grad_(False)
    projector.requires_grad_(True)
    language.layers[:depth].requires_grad_(True)

    def loss_at(step: int) -> Tensor:
        del step
        lessons = next(stream)
        shown = [lesson.fact for lesson in lessons]
        ids = prompts_of(tokenizer, lessons, album.features.shape[2])
        mask, pictured = ids != tokenizer.pad_token_id, ids == image
        told = embed(torch.where(pictured, signs["input_ids"][shown], ids))
        seen = projector(album.show(shown, draw)).to(told.dtype)
        seen = told.masked_scatter(pictured.unsqueeze(-1), seen)
        with torch.no_grad():
            wanted = early_states(base.model, told, mask, depth)
        states = early_states(language, seen, mask, depth)
        behind = mask & (pictured.cumsum(1) > 0) & ~pictured
        # What the late layers will look at counts in full; all before it are hints.
        loss = distance(states[depth], wanted[depth], behind)
        for level in range(depth + 1):
            loss = loss + distance(states[level], wanted[level], pictured) / depth
        for level in range(1, depth):
            loss = loss + distance(states[level], wanted[level], behind) / depth
        return loss

    model.train()
    optimise([*projector.parameters(), *language.parameters()], steps, peak, loss_at, "reading")
    base.requires_grad_(True)
    return model.eval().requires_grad_(True)


def early_states(language: nn.Module, vectors: Tensor, mask: Tensor, depth: int) -> list[Tensor]:
    """The residual stream before the first layer and behind each of the first `depth` layers.

    `vectors` (batch, length, width), `mask` bool (batch, length); padding stands on the right.
    """
    length = vectors.shape[1]
    positions = torch.arange(length)[None]
    rotary = language.rotary_emb(vectors, positions)  # type: ignore[operator]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = causal & mask[:, None, None, :]
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    states = [vectors]
    for layer in language.layers[:depth]:  # type: ignore[index]
        states.append(layer(states[-1], attention_mask=bias, position_embeddings=rotary))
    return states


def distance(seen: Tensor, read: Tensor, where: Tensor) -> Tensor:
    """Mean squared difference at some positions, as a share of how much `read` varies there."""
    read = read[where].float()
    return (seen[where].float() - read).pow(2).mean() / read.var(0).mean()
