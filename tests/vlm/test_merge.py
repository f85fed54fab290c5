"""Candidate -> weights: equal to a float64 reference, whole, the same in memory and on disk."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from merge_dsl.space.candidate import Keep, Origin
from tests.vlm.conftest import KEPT, UNITS, save_language_model, student
from vlm.anatomy.parts import memory_roles
from vlm.errors import MergeError, ModelError
from vlm.resident import Resident, load_model
from vlm.weights.checkpoint import open_checkpoint
from vlm.weights.source import Source, open_source
from vlm.weights.writer import PROVENANCE, check_target, write_model


@pytest.fixture(scope="module")
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


def test_parts_are_found_by_role(sources: dict[str, Source]) -> None:
    assert set(sources["eyes"].anatomy.units) == {*KEPT, *UNITS}
    assert sources["eyes"].anatomy.sees and not sources["base"].anatomy.sees
    eyes = {role for role in sources["eyes"].names if role.unit.startswith("language.")}
    assert eyes == set(sources["tongue"].names)  # one decoder, one set of names


def test_layers_are_blended_and_all_else_kept(
    sources: dict[str, Source], parents: Mapping[str, Path], tmp_path: Path
) -> None:
    write_model(student(host=0.3, guest=0.6), sources, tmp_path / "out", recipe="recipe x\n")
    merged, eyes = open_checkpoint(tmp_path / "out"), open_checkpoint(parents["eyes"])
    assert merged.entries.keys() == eyes.entries.keys()
    for name, role in sources["eyes"].anatomy.roles.items():
        found = merged.tensor(name)
        if role.unit in UNITS:
            a, b = (sources[k].tensor(role).double().numpy() for k in ("eyes", "tongue"))
            np.testing.assert_allclose(found, (0.3 * a + 0.6 * b) / 0.9, atol=1e-6, rtol=1e-6)
        else:
            assert torch.equal(found, eyes.tensor(name)), name


@pytest.mark.parametrize(
    "candidate",
    [
        student("linear", 0.2, 0.8),
        student("task_arithmetic", 1.0, 0.7, base=True, scale=1.0),
        student("ties", 1.0, 1.0, base=True, density=0.4, scale=1.0, normalize=1.0),
        student("dare_ties", 1.0, 0.5, base=True, density=0.5, scale=1.0, normalize=0.0, seed=7),
    ],
    ids=lambda c: c.blends[0].method,
)
def test_memory_and_disk_agree_bit_for_bit(
    candidate, sources: dict[str, Source], tmp_path: Path
) -> None:
    resident = Resident(student(), sources).put(candidate)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    written = load_model(tmp_path / "out", sees=True).state_dict()
    for name, tensor in resident.state_dict().items():
        assert torch.equal(tensor, written[name]), name


def test_an_earlier_candidate_leaves_no_trace(sources: dict[str, Source]) -> None:
    resident = Resident(student(), sources)
    first = {
        k: v.clone() for k, v in resident.put(student(host=1.0, guest=0.0)).state_dict().items()
    }
    resident.put(student(host=-3.0, guest=9.0))
    for name, tensor in resident.put(student(host=1.0, guest=0.0)).state_dict().items():
        assert torch.equal(tensor, first[name]), name


def test_shards_hold_what_one_file_would(sources: dict[str, Source], tmp_path: Path) -> None:
    write_model(student(), sources, tmp_path / "one", recipe="r\n")
    write_model(student(), sources, tmp_path / "many", recipe="r\n", shard_bytes=20_000)
    one, many = open_checkpoint(tmp_path / "one"), open_checkpoint(tmp_path / "many")
    assert len({entry.file for entry in many.entries.values()}) > 2
    for name in one.entries:
        assert torch.equal(one.tensor(name), many.tensor(name))


def test_written_models_load_as_any_other(sources: dict[str, Source], tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    write_model(student(), sources, tmp_path / "out", recipe="recipe x\n", dtype="bf16")
    model, info = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert model.dtype == torch.bfloat16
    assert AutoProcessor.from_pretrained(tmp_path / "out", backend="pil").image_token == "<image>"
    assert (tmp_path / "out" / PROVENANCE).read_text() == "recipe x\n"


def test_a_part_without_origin_is_an_error(sources: dict[str, Source]) -> None:
    with pytest.raises(MergeError, match=r"language\.norm comes from"):
        Resident(student(kept=tuple(u for u in KEPT if u != "language.norm")), sources)


def test_other_shapes_are_an_error(sources, tokenizer, tmp_path: Path) -> None:
    other = save_language_model(tmp_path / "wide", tokenizer, seed=5, intermediate_size=64)
    with pytest.raises(MergeError, match="64 by 32 in tongue and 48 by 32 in eyes"):
        Resident(student(), {**sources, "tongue": open_source("tongue", other)})


def test_a_tensor_that_a_parent_lacks_is_an_error(sources, tokenizer, tmp_path: Path) -> None:
    short = save_language_model(tmp_path / "short", tokenizer, seed=5, num_hidden_layers=2)
    with pytest.raises(MergeError, match=r"tongue has no tensor for language\.layers\.2"):
        Resident(student(), {**sources, "tongue": open_source("tongue", short)})


def test_what_others_wrote_is_never_replaced(sources: dict[str, Source], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("ten years")
    with pytest.raises(MergeError, match="awase did not write it"):
        write_model(student(), sources, tmp_path / "out", recipe="r\n")
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_target(tmp_path / "out")
    (tmp_path / "out" / ".hidden").touch()
    with pytest.raises(MergeError, match="awase did not write it"):
        check_target(tmp_path / "out")


def test_a_failed_write_leaves_nothing(sources: dict[str, Source], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="infinities or NaN"):
        absurd = student("task_arithmetic", 1e30, 1.0, base=True, scale=1e30)
        write_model(absurd, sources, tmp_path / "out", recipe="r\n")
    assert list(tmp_path.iterdir()) == []


def test_memory_roles_cover_every_tensor(parents: Mapping[str, Path]) -> None:
    model = load_model(parents["eyes"], sees=True)
    assert memory_roles(model).keys() == model.state_dict().keys()


def test_a_model_that_lacks_a_weight_does_not_load(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "holed"
    shutil.copytree(parents["tongue"], folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(folder, sees=False)


def test_a_start_without_a_blend_opens_and_only_its_trial_fails(sources: dict[str, Source]) -> None:
    nothing = student(host=0.0, guest=0.0)  # normalised weights that sum to zero
    resident = Resident(nothing, sources)
    with pytest.raises(MergeError):
        resident.put(nothing)
    resident.put(student())


def test_a_tied_host_has_one_origin_for_embed_and_head(
    sources: dict[str, Source], parents: Mapping[str, Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(parents["eyes"])
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tmp_path / "tied")
    AutoProcessor.from_pretrained(parents["eyes"], backend="pil").save_pretrained(tmp_path / "tied")
    tied = {**sources, "eyes": open_source("eyes", tmp_path / "tied")}
    Resident(student(), tied)
    without = student(kept=tuple(unit for unit in KEPT if unit != "language.head"))
    head = Keep(("language.head",), Origin("tongue"))
    with pytest.raises(MergeError, match="eyes ties head to embed"):
        Resident(without._replace(keeps=(*without.keeps, head)), tied)


def test_generation_settings_of_a_parent_are_left_behind(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(parents["tongue"], folder)
    (folder / "generation_config.json").write_text('{"num_beams": 2, "min_new_tokens": 5}')
    found = load_model(folder, sees=False).generation_config
    assert found.min_new_tokens is None and found.num_beams in (None, 1)


@pytest.mark.parametrize("out", ["parents/eyes", "parents", "parents/eyes/child"])
def test_a_parent_is_never_written_over(
    out: str, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    for name, folder in parents.items():
        shutil.copytree(folder, tmp_path / "parents" / name)
        (tmp_path / "parents" / name / PROVENANCE).write_text("recipe r\n")  # awase wrote them
    (tmp_path / "parents" / PROVENANCE).write_text("recipe r\n")
    own = {name: open_source(name, tmp_path / "parents" / name) for name in parents}
    with pytest.raises(MergeError, match="a parent is never written over"):
        write_model(student(), own, tmp_path / out, recipe="r\n")
    for name, folder in parents.items():
        for file in folder.iterdir():
            assert (tmp_path / "parents" / name / file.name).read_bytes() == file.read_bytes()


def test_a_link_to_another_disk_stays_a_link(sources: dict[str, Source], tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "big" / "model")
    for recipe in ("one\n", "two\n"):
        write_model(student(), sources, tmp_path / "out", recipe=recipe)
        assert (tmp_path / "big" / "model" / PROVENANCE).read_text() == recipe
    assert (tmp_path / "out").is_symlink() and len(list((tmp_path / "big").iterdir())) == 1


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_comes_between_two_renames_brings_the_old_model_back(
    error: type[BaseException],
    sources: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_model(student(), sources, tmp_path / "out", recipe="old\n")
    real = Path.rename

    def broken(self: Path, target: Path) -> Path:
        if ".part-" in self.name:
            raise error
        return real(self, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(error):
        write_model(student(), sources, tmp_path / "out", recipe="new\n")
    assert (tmp_path / "out" / PROVENANCE).read_text() == "old\n"
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_model_cannot_lie_in_a_file(sources: dict[str, Source], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(MergeError, match="out is a file"):
        write_model(student(), sources, tmp_path / "out" / "deep" / "model", recipe="r\n")
