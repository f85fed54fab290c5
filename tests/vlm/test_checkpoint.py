"""Broken checkpoints are named before a byte of them is used."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from vlm.errors import ModelError
from vlm.weights.checkpoint import INDEX, SINGLE, open_checkpoint
from vlm.weights.source import open_source


@pytest.fixture
def single(parents: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(parents["tongue"], tmp_path / "model"))


@pytest.fixture
def sharded(parents: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(parents["eyes"], tmp_path / "model"))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        open_checkpoint(tmp_path / "nowhere")


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no safetensors"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 8, 100, 5000, -1])
def test_truncated(single: Path, kept: int) -> None:
    file = single / SINGLE
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"truncated|cannot be read"):
        open_checkpoint(single)


def test_a_header_that_is_no_json(single: Path) -> None:
    file = single / SINGLE
    file.write_bytes(file.read_bytes()[:8] + b"x" + file.read_bytes()[9:])
    with pytest.raises(ModelError, match="header cannot be read"):
        open_checkpoint(single)


def test_a_missing_shard(sharded: Path) -> None:
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(ModelError, match=f"lacks the shard {shard.name}"):
        open_checkpoint(sharded)


def test_a_tensor_in_two_shards(sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    first, *_ = sorted(sharded.glob("model-*.safetensors"))
    shutil.copy(first, sharded / "model-extra.safetensors")
    index["weight_map"]["another"] = "model-extra.safetensors"
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="keep one of them"):
        open_checkpoint(sharded)


def test_an_index_that_points_outside(sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    index["weight_map"]["another"] = "../secret.safetensors"
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="points outside its folder"):
        open_checkpoint(sharded)


def test_an_index_of_tensors_that_are_not_there(sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    index["weight_map"]["ghost"] = next(iter(index["weight_map"].values()))
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="lists ghost, which no shard holds"):
        open_checkpoint(sharded)


def test_an_index_that_points_elsewhere(sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    files = list(index["weight_map"].values())
    home = max(files, key=files.count)  # it holds others too, so it is still read
    other = next(file for file in files if file != home)
    name = next(n for n, file in index["weight_map"].items() if file == home)
    index["weight_map"][name] = other
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match=f"is in {other}, and it is in {home}"):
        open_checkpoint(sharded)


def test_a_config_of_another_family(parents: Mapping[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(parents["eyes"], tmp_path / "model"))
    shutil.copy(parents["tongue"] / "config.json", folder / "config.json")
    with pytest.raises(ModelError, match="is no part of a llama model"):
        open_source("eyes", folder)


def test_no_config(single: Path) -> None:
    (single / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        open_source("tongue", single)


def lying(file: Path, change: Callable[[dict[str, dict[str, Any]]], None]) -> None:
    """The same file with another header, and its data as it was."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    change(table)
    header = json.dumps(table).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


NORM = "model.norm.weight"
LIES = {
    "another shape": lambda table: table[NORM].update(shape=[31]),
    "another dtype": lambda table: table[NORM].update(dtype="F64"),
    "a side below zero": lambda table: table[NORM].update(shape=[-4, -8]),
    "bytes of another tensor": lambda table: table[NORM].update(data_offsets=[0, 128]),
    "bytes before the data": lambda table: table[NORM].update(data_offsets=[-128, 0]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies(lie: str, single: Path) -> None:
    lying(single / SINGLE, LIES[lie])
    with pytest.raises(ModelError, match=r"its header (says of .* what cannot be|speaks of)"):
        open_checkpoint(single)


@pytest.mark.parametrize("broken", [{"shape": [32]}, {"dtype": "F32", "shape": "x"}, 7, None])
def test_a_header_that_lacks_something(broken: object, single: Path) -> None:
    lying(single / SINGLE, lambda table: table.update({NORM: broken}))
    with pytest.raises(ModelError, match="header cannot be read"):
        open_checkpoint(single)


def test_pickles_are_refused_by_name(single: Path) -> None:
    (single / SINGLE).unlink()
    (single / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(
        ModelError, match=r"as a pickle, pytorch_model\.bin, which can run any code"
    ):
        open_checkpoint(single)


def test_an_anatomy_is_kept_and_a_damaged_one_made_anew(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vlm.anatomy.known.plain_anatomy", lambda *said: None)  # of a rarer model
    first = open_source("tongue", single)
    (kept,) = (tmp_path / "cache" / "awase" / "anatomy").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("vlm.anatomy.parts.skeleton", None)  # nothing can be taken apart
        again = open_source("tongue", single)
    assert again.anatomy == first.anatomy
    assert list(again.anatomy.shapes) == list(first.anatomy.shapes)
    for damage in ("", "{}", "[1]", '{"roles": {"a": 1}, "shapes": [], "sees": 0, "speaks": 1}'):
        kept.write_text(damage)
        assert open_source("tongue", single).anatomy == first.anatomy
    config = json.loads((single / "config.json").read_text())
    (single / "config.json").write_text(json.dumps(config | {"torch_dtype": "bfloat16"}))
    open_source("tongue", single)
    assert len(list(kept.parent.iterdir())) == 1  # how it is stored is no matter of anatomy
    (single / "config.json").write_text(json.dumps(config | {"vocab_size": 999}))
    assert open_source("tongue", single).anatomy != first.anatomy
