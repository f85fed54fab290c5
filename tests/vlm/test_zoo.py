"""The embedded world keeps its promises: sizes, fences between splits, words that are CLDR's."""

import copy
import io
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionModel, LlamaForCausalLM

from merge_dsl.cli import main
from vlm.evaluator import Evaluator, Table, is_seeing
from vlm.score import Ask
from vlm.weights.source import open_source
from vlm.zoo.build import lessons, tasks
from vlm.zoo.build.hands import tune_tower
from vlm.zoo.build.language import language_config, train_base
from vlm.zoo.build.lessons import Fact
from vlm.zoo.build.reading import early_states, read_pictures
from vlm.zoo.build.seeing import Album, assemble, teach_pictures
from vlm.zoo.build.tokenizer import train_tokenizer
from vlm.zoo.build.tower import tower_config, train_tower

ZOO = Path(__file__).parents[2] / "vlm" / "zoo"
RECIPES = ZOO.parents[1] / "recipes"
MODELS = ("emoji-llm-base", "emoji-llm-ja", "emoji-vlm-en")
TOWERS = ("tower-noto", "tower-fluent")
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
        for name in (*MODELS, *TOWERS)
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


@pytest.mark.parametrize(("name", "dimensions"), [("emoji_ja", 16), ("two_hands", 4)])
def test_a_shipped_recipe_is_clean_and_counted(
    name: str, dimensions: int, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(RECIPES / f"{name}.merge")
    assert main(["lint", recipe]) == 0, capsys.readouterr().out
    assert main(["plan", recipe]) == 0
    assert f"{dimensions} dimensions" in capsys.readouterr().out


def test_towers_are_of_one_shape_and_go_on_from_one() -> None:
    eyes = open_source("eyes", ZOO / "models" / "emoji-vlm-en")
    towers = [open_source(name, ZOO / "models" / name) for name in TOWERS]
    for tower in towers:
        model, info = CLIPVisionModel.from_pretrained(tower.folder, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"]
        own, shared = model.config.to_dict(), eyes.vision.to_dict()
        assert all(
            own[key] == shared[key] for key in shared if key not in ("_name_or_path", "dtype")
        )
    for role in (role for role in eyes.names if role.unit.startswith("vision.layers.")):
        first, noto, fluent = (source.tensor(role).float() for source in (eyes, *towers))
        way = (noto - first, fluent - first)
        assert all(0 < step.norm() < first.norm() for step in way), role
        assert not torch.equal(noto, fluent)


def test_a_soup_of_two_hands_knows_a_third(tmp_path: Path) -> None:
    """Better than either of its towers, as the README says."""
    text = (RECIPES / "two_hands.merge").read_text(encoding="utf-8").partition("search seer")[0]
    ask = Ask("likelihood", "naming")
    table = {"naming": Table(ZOO / "data" / "emoji-en.parquet", split="report")}
    evaluator = Evaluator({"eyes": ZOO / "models" / "emoji-vlm-en"}, table)
    likelihoods = []
    for name, weights in {"soup": (1, 1), "noto": (1, 0), "fluent": (0, 1)}.items():
        shares = iter(weights)
        filled, count = re.subn(
            r"weight = .*(?= })", lambda _, shares=shares: f"weight = {next(shares)}.0", text
        )
        assert count == 2
        recipe = tmp_path / f"{name}.merge"
        recipe.write_text(filled, encoding="utf-8")
        assert main(["merge", str(recipe), "--out", str(tmp_path / name), "--quiet"]) == 0
        likelihoods.append(evaluator.taste_checkpoint(tmp_path / name, [ask]).mean(ask))
    assert likelihoods[0] > max(likelihoods[1:]) > 0.1


# ---- the builder: the same seed, the same bytes -----------------------------


def sign_of(code: str) -> str:
    return "".join(chr(int(point, 16)) for point in code.split("-"))


@pytest.fixture(scope="module")
def facts(tables) -> list[Fact]:
    found = []
    kept = [r for r in tables["emoji-drawings"] if r["hand"] == "noto"][:40]
    for index, row in enumerate(kept):
        found.append(
            Fact(
                sign=sign_of(row["code"]),
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
    signs = [fact.sign for fact in facts]
    tokenizers = [train_tokenizer(texts, signs) for _ in range(2)]
    assert tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
    assert all(len(ids) == 3 for ids in tokenizers[0]([sign * 3 for sign in signs])["input_ids"])
    teacher = lessons.bilingual(facts)
    models = [train_base(tokenizers[0], teacher, steps=2, seed=s) for s in (1, 1, 2)]
    assert same(models[0], models[1]) and not same(models[0], models[2])


@pytest.fixture(scope="module")
def world(tables, facts: list[Fact]):
    """A tower, a base and its tokenizer, all of random weights, and an album of ten drawings."""
    tokenizer = train_tokenizer(["what is it"], [fact.sign for fact in facts])
    torch.manual_seed(0)
    base = LlamaForCausalLM(language_config(tokenizer)).eval()
    tower = CLIPVisionModel(tower_config()).eval()
    model = assemble(tower, base, tokenizer, seed=1)
    arrays = [np.asarray(Image.open(io.BytesIO(r["image"]["bytes"]))) for r in tables["emoji-ja"]]
    pixels = torch.from_numpy(np.stack(arrays[:10])).permute(0, 3, 1, 2).contiguous()
    album = Album(model, views=2, seed=1).fill(pixels, torch.arange(10))
    return tokenizer, base, model, album


def test_early_states_are_those_of_the_model_itself(world) -> None:
    tokenizer, base, _, _ = world
    ids = torch.randint(6, len(tokenizer), (2, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 6:] = False  # padding on the right
    with torch.no_grad():
        seen = early_states(base.model, base.get_input_embeddings()(ids), mask, 3)
        wanted = base(ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    for ours, theirs in zip(seen, wanted[:4], strict=True):
        assert torch.allclose(ours[mask], theirs[mask], atol=1e-5)


def test_each_stage_of_the_english_vlm_moves_its_own_layers(world, facts: list[Fact]) -> None:
    tokenizer, base, model, album = world
    few = [
        replace(f, peers=tuple(i for i in range(10) if i != n)) for n, f in enumerate(facts[:10])
    ]
    first = copy.deepcopy(model.state_dict())
    teacher = lessons.looking(few)
    few_steps = {"steps": 2, "peak": 1e-3, "seed": 1, "batch": 4}
    read_pictures(model, base, tokenizer, few, teacher, album, depth=3, **few_steps)
    second = copy.deepcopy(model.state_dict())
    moved = {key for key in first if not torch.equal(first[key], second[key])}
    assert {part_of(key) for key in moved} == {"projector", "0", "1", "2"}
    teach_pictures(
        model, tokenizer, lessons.english_eyes(few), album, layers=slice(3, None), **few_steps
    )
    moved = {
        key for key, value in model.state_dict().items() if not torch.equal(second[key], value)
    }
    assert {part_of(key) for key in moved} == {"3", "4", "5", "6", "7"}


def test_a_tower_goes_on_alone_and_the_same_twice(world, tables, facts: list[Fact]) -> None:
    tokenizer, _, model, _ = world
    few = [
        replace(f, peers=tuple(i for i in range(10) if i != n)) for n, f in enumerate(facts[:10])
    ]
    arrays = [np.asarray(Image.open(io.BytesIO(r["image"]["bytes"]))) for r in tables["emoji-ja"]]
    pixels = torch.from_numpy(np.stack(arrays[:10])).permute(0, 3, 1, 2).contiguous()
    first = copy.deepcopy(model.state_dict())
    teacher = lessons.english_names(few, lessons.PLAIN)
    settings = {"steps": 2, "peak": 1e-3, "title": "hand", "batch": 4}
    towers = [
        tune_tower(model, tokenizer, teacher, pixels, torch.arange(10), seed=s, **settings)
        for s in (1, 1, 2)
    ]
    assert same(towers[0], towers[1]) and not same(towers[0], towers[2])
    assert not same(towers[0], model.model.vision_tower)
    assert all(torch.equal(first[key], value) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def part_of(key: str) -> str:
    """The number of a language layer, or "projector", or the whole name."""
    if "projector" in key:
        return "projector"
    return key.split("layers.")[1].split(".")[0] if "language_model.layers" in key else key


def test_no_answer_is_shown_while_pictures_are_learnt_to_be_read(facts: list[Fact]) -> None:
    draw = random.Random(1)
    shown = [lessons.looking(facts)(draw) for _ in range(50)]
    assert all(lesson.answer == "" and lesson.context == "" for lesson in shown)
    assert len({lesson.question[0].isascii() for lesson in shown}) == 2  # both languages


def test_choices_do_not_depend_on_the_order_of_the_rows() -> None:
    assert tasks.pick(["b", "a", "c", "d"], 3, "key") == tasks.pick(["d", "c", "b", "a"], 3, "key")
