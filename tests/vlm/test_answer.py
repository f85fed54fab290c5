"""Answers and log-likelihoods: the fast path says what the plain path says."""

import io
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers.processors import TemplateProcessing

from vlm.answer import answers, log_likelihoods, open_reader, prepare
from vlm.errors import DataError, ModelError
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


def test_log_likelihoods_are_those_of_a_plain_forward_pass(eyes) -> None:
    model, reader = eyes
    found = log_likelihoods(model, prepare(model, reader, QUESTIONS))
    for question, value in zip(QUESTIONS, found, strict=True):
        assert len(value) == len(question.references)
        for reference, mean in zip(question.references, value, strict=True):
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
            alone = logits[-count - 1 : -1].gather(-1, wanted[:, None]).mean().item()
            assert mean == pytest.approx(alone, abs=1e-5)


def test_batches_change_nothing(eyes) -> None:
    model, reader = eyes
    one = prepare(model, reader, QUESTIONS, batch=1)
    four = prepare(model, reader, QUESTIONS, batch=4)
    assert answers(model, one) == answers(model, four)
    for a, b in zip(log_likelihoods(model, one), log_likelihoods(model, four), strict=True):
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
    assert all(math.isfinite(mean) for means in log_likelihoods(model, prepared) for mean in means)


def with_post_processor(folder: Path, single: str) -> None:
    table = json.loads((folder / "tokenizer.json").read_text())
    made = TemplateProcessing(single=single, special_tokens=[("<s>", 1), ("</s>", 2)])
    table["post_processor"] = json.loads(made.__getstate__())
    (folder / "tokenizer.json").write_text(json.dumps(table))


def test_a_prompt_begins_once_and_never_ends(parents: Mapping[str, Path], tmp_path: Path) -> None:
    plain = open_reader(parents["eyes"], sees=True).ids_of_prompts(["What is it?"])[0]
    for number, single in enumerate(("<s> $A", "<s> $A </s>")):
        folder = tmp_path / str(number)
        shutil.copytree(parents["eyes"], folder)
        with_post_processor(folder, single)
        reader = open_reader(folder, sees=True)
        assert reader.ids_of_prompts(["What is it?", "<s>What is it?"]) == [[1, *plain]] * 2
        assert reader.ids_of_answers(["What is it?"]) == [[*plain, 2]]


def test_questions_that_a_model_cannot_be_asked(parents: Mapping[str, Path]) -> None:
    reader = open_reader(parents["eyes"], sees=True)
    with pytest.raises(DataError, match="q0: it holds <image>"):
        reader.prompts([replace(QUESTIONS[0], question="<image>\nこれは何？")])
    unseen = replace(QUESTIONS[0], image=None)
    with pytest.raises(DataError, match=r"q0: it has no picture.*add a column `image`"):
        reader.prompts([unseen])
    assert open_reader(parents["tongue"], sees=False).prompts([unseen])


def test_tokenizers_and_templates_that_do_not_serve(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "eyes"
    shutil.copytree(parents["eyes"], folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['role'] }}")
    with pytest.raises(ModelError, match="gives 0 places to one picture"):
        open_reader(folder, sees=True).prompts(QUESTIONS)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system here') }}")
    with pytest.raises(ModelError, match="its chat template fails: no system here"):
        open_reader(folder, sees=True).prompts(QUESTIONS)
    table = json.loads((folder / "tokenizer_config.json").read_text())
    del table["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(table))
    with pytest.raises(ModelError, match="has no end token"):
        open_reader(folder, sees=True)
