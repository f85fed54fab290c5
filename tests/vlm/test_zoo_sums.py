"""Word problems: sides that share no story and no numbers, and models that learn some layers of them."""

import random
from fractions import Fraction
from typing import Any

import datasets
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from tests.vlm.test_zoo import ZOO
from vlm.metrics.numbers import last_number
from vlm.weights.source import open_source
from vlm.zoo.build import sums
from vlm.zoo.build.numbers import SIGNS, others_than, tune_numbers
from vlm.zoo.build.stories import STORIES

SIDES = ("learnt", "search", "report")


@pytest.fixture(scope="module")
def problems() -> list[dict[str, Any]]:
    return list(datasets.Dataset.from_parquet(str(ZOO / "data" / "math-ja.parquet")))


def test_no_report_asks_for_numbers_that_a_search_or_a_parent_has_seen(
    problems: list[dict[str, Any]],
) -> None:
    assert {row["split"] for row in problems} == {"search", "report"}
    for row in problems:
        first, *rest = row["picture"].replace("+", " +").replace("-", " -").split()
        changes = tuple((word[0], int(word[1:])) for word in rest)
        told = sums.Sum(int(first), changes)  # type: ignore[arg-type]
        assert told.side == row["split"]
        assert last_number(row["answers"][0]) == Fraction(told.value)
    draw = random.Random(0)
    learnt = {sums.draw_sum(draw, "learnt").text for _ in range(3000)}
    assert not learnt & {row["picture"] for row in problems}


def test_no_thing_name_place_or_sentence_stands_on_two_sides() -> None:
    for one in SIDES:
        for other in SIDES[: SIDES.index(one)]:
            mine, theirs = STORIES[one], STORIES[other]  # type: ignore[index]
            things = [set("".join(side.things.values())) for side in (mine, theirs)]
            assert not things[0] & things[1], (one, other)
            for field in ("who", "where", "opening", "come", "go", "question"):
                texts = [set(getattr(side, field)["ja"]) for side in (mine, theirs)]
                assert not texts[0] & texts[1], (one, other, field)
            when = [set(side.when["ja"]) - {""} for side in (mine, theirs)]
            assert not when[0] & when[1], (one, other)


def test_sums_stay_in_their_range_and_are_worked_out() -> None:
    draw = random.Random(1)
    for _ in range(500):
        found = sums.draw_sum(draw, "learnt")
        steps = [int(part.partition("=")[2]) for part in found.worked.split(", ")]
        assert steps[-1] == found.value == eval(found.text)
        assert all(0 <= step <= sums.HIGHEST for step in steps)


@pytest.mark.parametrize(
    ("name", "plural"), [("box", "boxes"), ("cherry", "cherries"), ("key", "keys"), ("owl", "owls")]
)
def test_more_than_one(name: str, plural: str) -> None:
    assert sums.plural(name) == plural


def test_the_arithmetic_model_is_the_base_but_for_its_layers_and_its_digits() -> None:
    base, math = (open_source(n, ZOO / "models" / n) for n in ("emoji-llm-base", "emoji-llm-math"))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base.folder)
    others = others_than(tokenizer, SIGNS)
    assert int((~others).sum()) == len(SIGNS)
    for role in base.names:
        one, other = base.tensor(role), math.tensor(role)
        if role.unit in ("language.embed", "language.head"):
            assert torch.equal(one[others], other[others]) and not torch.equal(one, other)
        elif role.unit == "language.norm":
            assert torch.equal(one, other)


def test_only_the_layers_that_are_told_learn() -> None:
    folder = ZOO / "models" / "emoji-llm-base"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    base = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = dict(base.state_dict())

    def taught(layers: slice, rows: bool) -> dict[str, torch.Tensor]:
        teacher = sums.arithmetic([], bare=1.0, english=0.5)
        settings: dict[str, Any] = {
            "steps": 2,
            "peak": 1e-2,
            "seed": 3,
            "title": "sums",
            "batch": 2,
        }
        model = tune_numbers(base, tokenizer, teacher, layers=layers, rows=rows, **settings)
        return dict(model.state_dict())

    first, again = taught(slice(2), True), taught(slice(2), True)
    assert all(torch.equal(first[name], again[name]) for name in first)
    moved = {name for name in before if not torch.equal(before[name], first[name])}
    layers = {name.split(".")[2] for name in moved if ".layers." in name}
    assert layers == {"0", "1"} and {n for n in moved if ".layers." not in n} == {
        "model.embed_tokens.weight", "lm_head.weight",
    }  # fmt: skip
    last = taught(slice(7, None), False)
    moved = {name for name in before if not torch.equal(before[name], last[name])}
    assert moved and all(".layers.7." in name for name in moved)
