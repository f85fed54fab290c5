"""Broken checkpoints are named before a byte of them is used."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

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


def test_a_config_of_another_family(parents: Mapping[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(parents["eyes"], tmp_path / "model"))
    shutil.copy(parents["tongue"] / "config.json", folder / "config.json")
    with pytest.raises(ModelError, match="is no part of a llama model"):
        open_source("eyes", folder)


def test_no_config(single: Path) -> None:
    (single / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        open_source("tongue", single)
