"""Two VLMs of one family: parts of each, blends of both, other vocabularies and other towers."""

from pathlib import Path

import pytest
import torch
import transformers

from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.families import FAMILIES, Family
from tests.vlm.making import build, prompt, save
from tests.vlm.test_families import reopened
from vlm.errors import MergeError
from vlm.weights.checkpoint import open_checkpoint
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

BOTH = ("llava", "qwen2_5_vl", "mllama")


def pair(tmp_path: Path, family: Family, rows: int = 0, tower: int = 0) -> dict[str, Source]:
    """`one` as hub files spell it, `two` as 5.x holds it, with more rows or a taller tower."""
    other = family.config()
    if rows:
        other.get_text_config().vocab_size += rows
    if tower:
        other.vision_config.num_hidden_layers += tower
    save(build(family.config(), seed=1), tmp_path / "one", family, "hub")
    save(build(other, seed=2), tmp_path / "two", family, "memory")
    return {name: open_source(name, tmp_path / name) for name in ("one", "two")}


def halves(units: tuple[str, ...], kept: dict[str, str]) -> Candidate:
    """Units blended half and half, the others kept from whom `kept` says for their part."""
    mixed = tuple(u for u in units if not any(u.startswith(part) for part in kept))
    keeps = [
        Keep(tuple(u for u in units if u.startswith(part)), Origin(model))
        for part, model in kept.items()
    ]
    each = {"weight": (0.5,) * len(mixed)}
    takes = (Ingredient(Origin("one"), each), Ingredient(Origin("two"), each))
    blend = Blend(mixed, "linear", None, takes, {"normalize": (1.0,) * len(mixed)})
    return Candidate("child", {}, tuple(keeps), (blend,) if mixed else ())


@pytest.mark.parametrize("name", BOTH)
def test_all_of_two_is_blended(name: str, tmp_path: Path) -> None:
    sources = pair(tmp_path, FAMILIES[name])
    one, two = sources["one"], sources["two"]
    write_model(halves(one.anatomy.units, {}), sources, tmp_path / "child", recipe="r\n")
    child = open_checkpoint(tmp_path / "child")
    assert child.entries.keys() == one.checkpoint.entries.keys()
    for spelt, role in one.anatomy.roles.items():
        mean = (one.tensor(role).double() + two.tensor(role).double()) / 2
        torch.testing.assert_close(child.tensor(spelt).double(), mean, atol=1e-7, rtol=1e-6)
    model = reopened(tmp_path / "child")
    assert model(**prompt(model, FAMILIES[name])).logits.isfinite().all()


@pytest.mark.parametrize("name", BOTH)
def test_parts_are_taken_from_different_models(name: str, tmp_path: Path) -> None:
    """The eyes of one with their projector, the voice of the other."""
    sources = pair(tmp_path, FAMILIES[name])
    one = sources["one"]
    kept = {"vision": "one", "projector": "one", "language": "two"}
    write_model(halves(one.anatomy.units, kept), sources, tmp_path / "child", recipe="r\n")
    child = open_source("child", tmp_path / "child")
    for role in one.anatomy.shapes:
        giver = sources[kept[role.unit.partition(".")[0]]]
        assert torch.equal(child.tensor(role), giver.tensor(role)), role
    reopened(tmp_path / "child")


def test_two_vocabularies_keep_one_and_blend_the_rest(tmp_path: Path) -> None:
    sources = pair(tmp_path, FAMILIES["llava"], rows=7)
    units = sources["one"].anatomy.units
    kept = {"language.embed": "one", "language.head": "one"}
    write_model(halves(units, kept), sources, tmp_path / "child", recipe="r\n")
    assert reopened(tmp_path / "child").config.get_text_config().vocab_size == 96
    with pytest.raises(MergeError, match=r"language\.embed weight is 103 by 32 in two"):
        write_model(halves(units, {}), sources, tmp_path / "other", recipe="r\n")


def test_two_towers_keep_one_and_blend_the_rest(tmp_path: Path) -> None:
    sources = pair(tmp_path, FAMILIES["llava"], tower=1)
    units = sources["one"].anatomy.units
    write_model(halves(units, {"vision": "one"}), sources, tmp_path / "child", recipe="r\n")
    assert reopened(tmp_path / "child").config.vision_config.num_hidden_layers == 2
    tall = {"vision": "two", "projector": "one", "language": "one"}
    candidate = halves(sources["two"].anatomy.units, tall)
    with pytest.raises(
        MergeError, match=r"two gives vision\.layers\.2, for which one has no place"
    ):
        write_model(candidate, sources, tmp_path / "other", recipe="r\n")


def test_the_projector_decides_whose_config_it_is(tmp_path: Path) -> None:
    sources = pair(tmp_path, FAMILIES["llava"], tower=1)
    kept = {"vision": "two", "projector": "two", "language": "one"}
    units = sources["two"].anatomy.units
    write_model(halves(units, kept), sources, tmp_path / "child", recipe="r\n")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "child")
    assert config.vision_config.num_hidden_layers == 3
    assert (
        open_checkpoint(tmp_path / "child").entries.keys()
        == sources["two"].checkpoint.entries.keys()
    )
