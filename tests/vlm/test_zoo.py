"""The embedded world keeps its promises: sizes, fences between splits, words that are CLDR's."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from merge_dsl.cli import main
from vlm.evaluator import is_seeing
from vlm.weights.source import open_source
from vlm.zoo.build import lessons, tasks
from vlm.zoo.build.language import train_base
from vlm.zoo.build.lessons import Fact
from vlm.zoo.build.tokenizer import train_tokenizer
from vlm.zoo.build.tower import train_tower

ZOO = Path(__file__).parents[2] / "vlm" / "zoo"
MODELS = ("emoji-llm-base", "emoji-llm-ja", "emoji-vlm-en")
TASKS = ("emoji-ja", "emoji-en", "emoji-vqa-ja")


def rows(name: str) -> list[dict[str, Any]]:
    table = datasets.Dataset.from_parquet(str(ZOO / "data" / f"{name}.parquet"))
    return list(table.cast_column("image", datasets.Image(decode=False)))


@pytest.fixture(scope="module")
def tables() -> Mapping[str, Sequence[dict[str, Any]]]:
    return {name: rows(name) for name in ("emoji-drawings", *TASKS)}


def test_models_are_small_enough_to_ship() -> None:
    sizes = [
        sum(f.stat().st_size for f in (ZOO / "models" / name).glob("*.safetensors"))
        for name in MODELS
    ]
    assert max(sizes) <= 15e6 and sum(sizes) <= 45e6


def test_search_and_report_share_no_thing(tables) -> None:
    for name in TASKS:
        sides = {"search": set(), "report": set()}
        for row in tables[name]:
            sides[row["split"]].add(row["picture"])
        assert sides["search"] and sides["report"]
        assert not sides["search"] & sides["report"]
    assert {r["picture"] for r in tables["emoji-ja"]} == {r["picture"] for r in tables["emoji-en"]}


def test_tasks_show_a_hand_that_no_parent_learnt_from(tables) -> None:
    learnt = {row["image"]["bytes"] for row in tables["emoji-drawings"]}
    assert {row["hand"] for row in tables["emoji-drawings"]} == {"noto", "noto-v1", "fluent"}
    assert not learnt & {row["image"]["bytes"] for name in TASKS for row in tables[name]}


def test_there_are_enough_things_and_enough_of_japan(tables) -> None:
    assert 700 <= len(tables["emoji-ja"]) <= 1000
    assert sum(row["culture"] for row in tables["emoji-ja"]) >= 70


def test_pictures_are_64_pixels_square_on_white(tables) -> None:
    for row in tables["emoji-ja"][::50]:
        picture = Image.open(io.BytesIO(row["image"]["bytes"]))
        assert picture.size == (64, 64) and picture.mode == "RGB"


def test_no_word_is_invented_and_choices_are_of_one_kind(tables) -> None:
    names = {row["code"]: row["name_ja"] for row in tables["emoji-drawings"]}
    keywords = {row["code"]: set(row["keywords_ja"]) for row in tables["emoji-drawings"]}
    groups = {row["code"]: row["group"] for row in tables["emoji-drawings"]}
    said = {g: set() for g in groups.values()}
    for code, group in groups.items():
        said[group] |= keywords[code] | {names[code]}
    for row in tables["emoji-vqa-ja"]:
        code = row["picture"]
        if row["kind"] == "kind":
            assert not row["choices"]
            continue
        (answer,) = row["answers"]
        assert answer in keywords[code] | {names[code]}
        assert len(set(row["choices"])) == 4 and answer in row["choices"]
        for wrong in set(row["choices"]) - {answer}:
            assert wrong in said[groups[code]] and wrong not in keywords[code]


def test_parents_share_one_decoder_and_one_vocabulary() -> None:
    sources = {name: open_source(name, ZOO / "models" / name) for name in MODELS}
    base, tongue, eyes = (sources[name] for name in MODELS)
    assert is_seeing(eyes.folder) and not is_seeing(base.folder)
    language = {role for role in eyes.names if role.unit.startswith("language.")}
    assert language == set(base.names) == set(tongue.names)
    for role in language:
        if role.unit in ("language.embed", "language.head"):
            for source in (tongue, eyes):
                assert torch.equal(source.tensor(role), base.tensor(role))


def test_the_shipped_recipe_is_clean_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(ZOO.parents[1] / "recipes" / "emoji_ja.merge")
    assert main(["lint", recipe]) == 0, capsys.readouterr().out
    assert main(["plan", recipe]) == 0
    assert "16 dimensions" in capsys.readouterr().out


# ---- the builder: the same seed, the same bytes -----------------------------


@pytest.fixture(scope="module")
def facts(tables) -> list[Fact]:
    found = []
    kept = [r for r in tables["emoji-drawings"] if r["hand"] == "noto"][:40]
    for index, row in enumerate(kept):
        found.append(
            Fact(
                names={"en": row["name_en"], "ja": row["name_ja"]},
                keywords={"en": tuple(row["keywords_en"]), "ja": tuple(row["keywords_ja"])},
                groups={"en": row["group"], "ja": row["group"]},
                culture=row["culture"],
                peers=tuple(i for i in range(len(kept)) if i != index),
            )
        )
    return found


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_the_tower_is_the_same_twice(tables) -> None:
    some = tables["emoji-drawings"][:30]
    arrays = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in some]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    towers = [train_tower(pixels, torch.arange(30), steps=3, seed=s, batch=8) for s in (1, 1, 2)]
    assert same(towers[0], towers[1]) and not same(towers[0], towers[2])


def test_tokenizer_and_language_model_are_the_same_twice(facts: list[Fact]) -> None:
    texts = [fact.names[language] for fact in facts for language in ("en", "ja")]
    tokenizers = [train_tokenizer(texts) for _ in range(2)]
    assert tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
    teacher = lessons.bilingual(facts)
    models = [train_base(tokenizers[0], teacher, steps=2, seed=s) for s in (1, 1, 2)]
    assert same(models[0], models[1]) and not same(models[0], models[2])


def test_choices_do_not_depend_on_the_order_of_the_rows() -> None:
    assert tasks.pick(["b", "a", "c", "d"], 3, "key") == tasks.pick(["d", "c", "b", "a"], 3, "key")
