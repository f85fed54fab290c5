"""Answers and likelihoods: the fast path says what the plain path says."""

import io
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image

from vlm.answer import answers, likelihoods, open_reader, prepare
from vlm.resident import load_model
from vlm.tasks.questions import Question


def picture(color: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 16), color).save(out, "PNG")
    return out.getvalue()


QUESTIONS = tuple(
    Question(f"q{i}", color_name, picture(color), question, references)
    for i, (color_name, color, question, references) in enumerate(
        [
            ("red", (255, 0, 0), "これは何？", ("赤いリンゴ",)),
            ("red", (255, 0, 0), "What is it? Say it in a few words.", ("a red apple", "apple")),
            ("blue", (0, 0, 255), "これは何？", ("青",)),
            ("green", (0, 255, 0), "?", ("a green apple, not quite ripe",)),
        ]
    )
)


@pytest.fixture(scope="module")
def eyes(parents: Mapping[str, Path]):
    return load_model(parents["eyes"], sees=True), open_reader(parents["eyes"], sees=True)


def test_answers_are_those_of_the_model_asked_alone(eyes) -> None:
    model, reader = eyes
    prepared = prepare(model, reader, QUESTIONS)
    assert len(prepared.features) == 3  # one a picture, not one a question
    said = answers(model, prepared)
    for question, text in zip(QUESTIONS, said, strict=True):
        inputs = reader.processor(
            images=Image.open(io.BytesIO(question.image)),
            text=reader.prompt(question.question),
            return_tensors="pt",
            add_special_tokens=False,
        )
        out = model.generate(
            **inputs,
            max_new_tokens=prepared.longest,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=reader.tokenizer.eos_token_id,
        )
        new = out[0, inputs["input_ids"].shape[1] :]
        assert text == reader.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_likelihoods_are_those_of_a_plain_forward_pass(eyes) -> None:
    model, reader = eyes
    found = likelihoods(model, prepare(model, reader, QUESTIONS))
    for question, value in zip(QUESTIONS, found, strict=True):
        means = []
        for reference in question.references:
            inputs = reader.processor(
                images=Image.open(io.BytesIO(question.image)),
                text=reader.prompt(question.question) + reference + "</s>",
                return_tensors="pt",
                add_special_tokens=False,
            )
            count = len(reader.tokenizer(reference, add_special_tokens=False)["input_ids"]) + 1
            with torch.inference_mode():
                logits = model(**inputs).logits[0].double().log_softmax(-1)
            wanted = inputs["input_ids"][0, -count:]
            means.append(logits[-count - 1 : -1].gather(-1, wanted[:, None]).mean().item())
        assert value == pytest.approx(sum(means) / len(means), abs=1e-5)


def test_batches_change_nothing(eyes) -> None:
    model, reader = eyes
    one = prepare(model, reader, QUESTIONS, batch=1)
    four = prepare(model, reader, QUESTIONS, batch=4)
    assert answers(model, one) == answers(model, four)
    for a, b in zip(likelihoods(model, one), likelihoods(model, four), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_a_blind_model_is_asked_without_pictures_and_each_question_once(
    parents: Mapping[str, Path],
) -> None:
    model = load_model(parents["tongue"], sees=False)
    prepared = prepare(model, open_reader(parents["tongue"], sees=False), QUESTIONS)
    assert not prepared.features
    assert sum(len(batch.rows) for batch in prepared.asking) == 3  # one question is asked twice
    said = answers(model, prepared)
    assert said[0] == said[2]
    assert all(math.isfinite(value) for value in likelihoods(model, prepared))
