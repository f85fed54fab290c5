"""Asks a model about pictures: answers by batched greedy decoding, and likelihoods of references.

In: a model, its processor, questions. Out: one answer a question, or a log-likelihood a reference.

What does not change between candidates is done once, in `prepare`: prompts are tokenised, batches of
like length are formed, and, while tower and projector stand still, every picture is encoded once and
its features reused (`mm_encoder_outputs`, transformers 5.18 and later).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vlm.batches import IGNORED, Batch, as_it_fits, batched
from vlm.errors import DataError
from vlm.reader import Reader, open_reader
from vlm.tasks.pictures import open_picture
from vlm.tasks.questions import Question

from transformers.modeling_outputs import BaseModelOutputWithPooling  # isort: skip

__all__ = [
    "Prepared",
    "Reader",
    "answers",
    "log_likelihoods",
    "open_reader",
    "prepare",
    "seen_anew",
]

BATCH = 128  # rows decoded together
SPARE = 4  # tokens an answer may be longer than the longest reference


@dataclass(frozen=True)
class Prepared:
    """Questions, ready to be asked of any candidate that keeps tower and projector."""

    questions: tuple[Question, ...]
    reader: Reader
    asking: tuple[Batch, ...]  # prompts alone, each (prompt, picture) once
    asked: tuple[int, ...]  # question -> row of `asking`
    reading: tuple[Batch, ...]  # prompts with a reference behind each
    owners: tuple[int, ...]  # reading row -> question
    longest: int  # new tokens that an answer may have
    features: dict[str, Tensor]  # picture -> (patches, width); empty for a blind model


def prepare(
    model: Any, reader: Reader, questions: Sequence[Question], batch: int = BATCH
) -> Prepared:
    """Tokenise, batch, and encode the pictures with the model as it stands now.

    Raises DataError for a question that this model cannot be asked.
    """
    texts = reader.prompts(questions)
    features = encode_pictures(model, reader, questions) if reader.sees else {}
    if reader.sees:
        token = reader.processor.image_token
        texts = [
            text.replace(token, token * len(features[question.picture]))
            for text, question in zip(texts, questions, strict=True)
        ]
    prompts = reader.ids_of_prompts(texts)
    pairs = [(i, text) for i, question in enumerate(questions) for text in question.references]
    answers = reader.ids_of_answers([text for _, text in pairs])
    owners = tuple(i for i, _ in pairs)
    pictures = [question.picture for question in questions]
    pad = reader.tokenizer.pad_token_id or 0
    # A blind model hears the same question again and again, and greedy answers do not change.
    shown = [question.picture if reader.sees else "" for question in questions]
    once = {key: i for i, key in reversed(list(enumerate(zip(texts, shown, strict=True))))}
    firsts = sorted(once.values())
    place = {first: row for row, first in enumerate(firsts)}
    return Prepared(
        questions=tuple(questions),
        reader=reader,
        asking=batched(
            [prompts[i] for i in firsts], None, [pictures[i] for i in firsts], pad, batch
        ),
        asked=tuple(place[once[key]] for key in zip(texts, shown, strict=True)),
        reading=batched(
            [prompts[i] for i in owners], answers, [pictures[i] for i in owners], pad, batch
        ),
        owners=owners,
        longest=max(map(len, answers)) + SPARE,
        features=features,
    )


def seen_anew(model: Any, prepared: Prepared) -> Prepared:
    """The same questions with their pictures encoded by the model as it stands now."""
    if not prepared.features:
        return prepared
    return replace(prepared, features=encode_pictures(model, prepared.reader, prepared.questions))


@torch.inference_mode()
def encode_pictures(model: Any, reader: Reader, questions: Sequence[Question]) -> dict[str, Tensor]:
    """Picture key -> what the projector hands to the language model: (patches, width)."""
    return see(model, reader, questions)


def see(model: Any, reader: Reader, questions: Sequence[Question]) -> dict[str, Tensor]:
    """The same, with the gradients that the caller asks torch for."""
    images = {q.picture: q.image for q in questions if q.image is not None}
    features: dict[str, Tensor] = {}
    keys = list(images)
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        pictures = [open_picture(images[key]) for key in some]
        try:
            pixels = reader.processor.image_processor(pictures, return_tensors="pt")
        except ValueError as error:  # a strip a pixel high has no size that fits
            what = (
                f"a picture among {', '.join(some[:3])}… is of no shape that can be seen: {error}"
            )
            raise DataError(what, "leave it out, or make it less narrow") from error
        pixels = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for name, value in pixels.items()
        }
        out = model.get_image_features(**pixels, return_dict=True).pooler_output
        # In memory: those of a few hundred pictures can be more than a device has beside its model.
        features |= {key: vectors.cpu().clone() for key, vectors in zip(some, out, strict=True)}
    return features


def _seen(model: Any, prepared: Prepared, batch: Batch) -> dict[str, Any]:
    if not prepared.features:
        return {}
    vectors = [prepared.features[picture].to(model.device) for picture in batch.pictures]
    image = BaseModelOutputWithPooling(pooler_output=vectors)
    return {"mm_encoder_outputs": {"image": image}}


@torch.inference_mode()
def log_likelihoods(
    model: Any, prepared: Prepared, tick: Callable[[], None] = lambda: None
) -> tuple[tuple[float, ...], ...]:
    """Mean log-probability of a reference's tokens, in nats: for each question, one a reference.

    One teacher-forced pass a batch; the end of the answer counts as a token, so that a model that
    would go on talking is told apart from one that stops. What is no finite number is -inf.
    """
    found = [-math.inf] * len(prepared.owners)

    def score(batch: Batch) -> None:
        rows, chosen = read(model, prepared, batch)
        means = (rows.sum(1) / chosen.sum(1)).tolist()
        for row, mean in zip(batch.rows, means, strict=True):
            found[row] = mean if math.isfinite(mean) else -math.inf

    for batch in prepared.reading:
        as_it_fits(model, batch, score)
        tick()
    by_question: list[list[float]] = [[] for _ in prepared.questions]
    for owner, mean in zip(prepared.owners, found, strict=True):
        by_question[owner].append(mean)
    return tuple(map(tuple, by_question))


def read(model: Any, prepared: Prepared, batch: Batch) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the references of one batch, in nats: (rows, longest), 0 where padded; and
    which are of a token. One teacher-forced pass, with the gradients that the caller asks torch for."""
    assert batch.targets is not None
    logits = model(
        input_ids=batch.ids.to(model.device),
        attention_mask=batch.mask.to(model.device),
        logits_to_keep=batch.targets.shape[1],
        use_cache=False,
        **_seen(model, prepared, batch),
    ).logits
    targets = batch.targets.to(model.device)
    chosen = targets != IGNORED
    # Chosen first and widened then: of a large vocabulary, padding alone can be gigabytes.
    logits = logits[chosen].float()
    log_probability = torch.log_softmax(logits, -1).gather(-1, targets[chosen][:, None])
    rows = torch.zeros(targets.shape, device=model.device)
    rows[chosen] = log_probability[:, 0]
    return rows, chosen


@torch.inference_mode()
def answers(
    model: Any, prepared: Prepared, tick: Callable[[], None] = lambda: None
) -> tuple[str, ...]:
    """What the model says to each question: greedy, cached, cut a little above the longest reference."""
    said = [""] * (1 + max(prepared.asked))
    tokenizer = prepared.reader.tokenizer

    def ask(batch: Batch) -> None:
        out = model.generate(
            input_ids=batch.ids.to(model.device),
            attention_mask=batch.mask.to(model.device),
            max_new_tokens=prepared.longest,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or 0,
            eos_token_id=tokenizer.eos_token_id,
            **_seen(model, prepared, batch),
        )
        new = out[:, batch.ids.shape[1] :]
        for row, text in zip(
            batch.rows, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True
        ):
            said[row] = text.strip()

    for batch in prepared.asking:
        as_it_fits(model, batch, ask)
        tick()
    return tuple(said[row] for row in prepared.asked)
