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
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Fact, Lesson, Teacher
from vlm.zoo.build.seeing import Album, picture_loss
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
    hinted = Hints(model, base, tokenizer, facts, album, depth)

    def loss_at(step: int) -> Tensor:
        del step
        return hinted.loss(next(stream), draw)

    optimise(readers(model, base, depth), steps, peak, loss_at, "reading")
    return done(model, base)


def name_pictures(
    model: LlavaForConditionalGeneration,
    base: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    facts: Sequence[Fact],
    teachers: tuple[Teacher, Teacher],
    album: Album,
    *,
    steps: int,
    peak: float,
    seed: int,
    depth: int,
    batch: int = 48,
) -> LlavaForConditionalGeneration:
    """Sharpen what the first `depth` layers read by English answers, which the late layers, held
    still, draw from it; hints go on beside them. `teachers` give the answers and the hints.

    Hints weigh every difference alike; answers tell which of them make one thing another. Answers
    alone would sharpen what is asked in English: hints, for the other language, weigh twice.
    """
    draw = random.Random(seed)
    asked, looked = batches(teachers[0], draw, batch), batches(teachers[1], draw, batch // 2)
    hinted = Hints(model, base, tokenizer, facts, album, depth)

    def loss_at(step: int) -> Tensor:
        del step
        answers = picture_loss(model, tokenizer, next(asked), album, draw)
        return answers + 2 * hinted.loss(next(looked), draw)

    optimise(readers(model, base, depth), steps, peak, loss_at, "naming")
    return done(model, base)


def readers(
    model: LlavaForConditionalGeneration, base: LlamaForCausalLM, depth: int
) -> list[nn.Parameter]:
    """Hold everything still but the projector and the first `depth` layers, which are given back."""
    base.requires_grad_(False)
    model.train().requires_grad_(False)
    projector, language = model.model.multi_modal_projector, model.model.language_model
    projector.requires_grad_(True)
    language.layers[:depth].requires_grad_(True)
    return [*projector.parameters(), *language.parameters()]


def done(
    model: LlavaForConditionalGeneration, base: LlamaForCausalLM
) -> LlavaForConditionalGeneration:
    """Undo what `readers` did to models that others will use."""
    base.requires_grad_(True)
    return model.eval().requires_grad_(True)


@dataclass(frozen=True)
class Hints:
    """How far what the first layers see in a picture is from what the base's read in its sign."""

    model: LlavaForConditionalGeneration
    base: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    facts: Sequence[Fact]
    album: Album
    depth: int

    def loss(self, lessons: Sequence[Lesson], draw: random.Random) -> Tensor:
        """Scalar; `draw` chooses the drawings."""
        language, depth = self.model.model.language_model, self.depth
        shown = [lesson.fact for lesson in lessons]
        ids = prompts_of(self.tokenizer, lessons, self.album.features.shape[2])
        mask, pictured = ids != self.tokenizer.pad_token_id, ids == self.model.config.image_token_id
        signs = self.tokenizer.convert_tokens_to_ids([self.facts[fact].sign for fact in shown])
        told = torch.where(pictured, torch.tensor(signs)[:, None], ids)
        told = self.model.get_input_embeddings()(told)
        seen = self.model.model.multi_modal_projector(self.album.show(shown, draw)).to(told.dtype)
        seen = told.masked_scatter(pictured.unsqueeze(-1), seen)
        with torch.no_grad():
            wanted = early_states(self.base.model, told, mask, depth)
        states = early_states(language, seen, mask, depth)
        behind = mask & (pictured.cumsum(1) > 0) & ~pictured
        # What the late layers will look at counts in full; all before it are hints.
        loss = distance(states[depth], wanted[depth], behind)
        for level in range(depth + 1):
            loss = loss + distance(states[level], wanted[level], pictured) / depth
        for level in range(1, depth):
            loss = loss + distance(states[level], wanted[level], behind) / depth
        return loss


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
