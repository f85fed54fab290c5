"""What a merge is given that it cannot use: one diagnostic, nothing half written, nothing overwritten."""

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from merge_dsl.cli import main
from tests.vlm.conftest import save_language_model
from tests.vlm.test_stream import RECIPE
from vlm.weights import target
from vlm.weights.checkpoint import INDEX, SINGLE, open_checkpoint
from vlm.weights.source import open_source

UP = "model.layers.1.mlp.up_proj.weight"
Change = Callable[[Path], None]


def own(place: Path, name: str) -> Path:
    """A copy of a parent that a test may spoil, in its place."""
    folder = (place / name).resolve()
    (place / name).unlink()
    return Path(shutil.copytree(folder, place / name))


def changed(change: Callable[[dict[str, torch.Tensor]], None]) -> Change:
    def spoil(folder: Path) -> None:
        for file in folder.glob("*.safetensors"):
            tensors = load_file(file)
            change(tensors)
            save_file(tensors, file, metadata={"format": "pt"})

    return spoil


def reheaded(change: Callable[[dict[str, Any]], None]) -> Change:
    def spoil(folder: Path) -> None:
        file = folder / SINGLE
        data = file.read_bytes()
        length = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + length])
        change(table)
        header = json.dumps(table).encode()
        file.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])

    return spoil


def indexed(name: str) -> Change:
    def spoil(folder: Path) -> None:
        index = json.loads((folder / INDEX).read_text())
        index["weight_map"]["another"] = name
        (folder / INDEX).write_text(json.dumps(index))

    return spoil


def without(name: str) -> Change:
    def drop(folder: Path) -> None:
        def pop(tensors: dict[str, torch.Tensor]) -> None:
            tensors.pop(name, None)

        changed(pop)(folder)
        if (folder / INDEX).exists():
            index = json.loads((folder / INDEX).read_text())
            del index["weight_map"][name]
            (folder / INDEX).write_text(json.dumps(index))

    return drop


def pickled(folder: Path) -> None:
    tensors = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    torch.save(tensors, folder / "pytorch_model.bin")


def holed(tensors: dict[str, torch.Tensor]) -> None:
    for name in tensors:
        if name.endswith("embed_tokens.weight"):
            tensors[name][5, 6] = float("nan")


CASES: dict[str, tuple[str, Change, str]] = {
    "a tensor too few": ("tongue", without(UP), "tongue"),
    "a tensor too few in the host": (
        "eyes", without("multi_modal_projector.linear_2.bias"), "eyes has no tensor for projector"
    ),
    "a tensor too many": (
        "tongue", changed(lambda t: t.update({"model.strange": torch.zeros(3)})),
        "'model.strange' is no part of a llama model",
    ),
    "a layer too many": (
        "tongue", changed(lambda t: t.update({UP.replace("1", "7"): torch.zeros(48, 32)})), "weights have 8"
    ),
    "another shape": ("tongue", changed(lambda t: t.update({UP: torch.zeros(50, 32)})), "50 by 32"),
    "whole numbers": (
        "tongue", changed(lambda t: t.update({UP: torch.zeros(48, 32, dtype=torch.int8)})), "I8 in tongue"
    ),
    "NaN in what is kept": ("eyes", changed(holed), "would hold infinities or NaN"),
    "truncated": (
        "tongue", lambda f: os.truncate(f / SINGLE, (f / SINGLE).stat().st_size - 100), "cut off"
    ),
    "empty": ("tongue", lambda f: os.truncate(f / SINGLE, 0), "cut off"),
    "a header that lies of a size": (
        "tongue", reheaded(lambda t: t[UP].update(shape=[48, 31])), "does not fit its shape"
    ),
    "a header that lies of a place": (
        "tongue", reheaded(lambda t: t[UP].update(data_offsets=[0, 48 * 32 * 4])), "what cannot be"
    ),
    "a type that nobody knows": (
        "tongue", reheaded(lambda t: t[UP].update(dtype="F4")), UP
    ),
    "an index that leads outside": (
        "eyes", indexed("../tongue/model.safetensors"), "names a file outside its folder"
    ),
    "an index of a file that is not there": ("eyes", indexed("model-9.safetensors"), "is missing"),
    "a pickle": ("tongue", pickled, "`{ pickle = read }`"),
}  # fmt: skip


def told(place: Path, capsys: pytest.CaptureFixture[str], text: str = RECIPE) -> str:
    """What is said of a merge that must not be."""
    (place / "one.merge").write_text(text, encoding="utf-8")
    before = {f: f.read_bytes() for f in place.rglob("*.safetensors")}
    capsys.readouterr()
    assert main(["merge", "../one.merge", "--quiet"]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said and said.count("awase merge:") == 1, said
    assert len(re.findall(r": [A-Z][0-9]{3} ", said)) <= 1, said  # where a lint has seen it
    assert not [f for f in Path().iterdir() if f.name != "out"]  # and nothing beside it
    assert {f: f.read_bytes() for f in place.rglob("*.safetensors")} == before
    return said


@pytest.mark.parametrize("case", CASES)
def test_it_is_told_and_nothing_is_written(
    case: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, change, wanted = CASES[case]
    change(own(place, name))
    assert wanted in told(place, capsys)
    assert not Path("out").exists()


def test_what_stands_is_not_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("ten years")
    assert "awase did not write it" in told(place, capsys)
    assert Path("out/thesis.txt").read_text() == "ten years"


def test_a_full_disk_is_told(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(place)._replace(free=1000)
    monkeypatch.setattr(target.shutil, "disk_usage", lambda path: usage)
    assert "make room" in told(place, capsys)
    assert not Path("out").exists()


def test_wider_and_narrower_numbers_are_blended(place: Path) -> None:
    """Each in its own dtype; what is written has the host's."""
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["merge", "../one.merge", "--quiet", "--out", "plain"]) == 0
    kinds = {"up_proj": torch.float64, "down_proj": torch.bfloat16, "q_proj": torch.float16}

    def cast(tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            kind = next((kinds[word] for word in kinds if word in name), torch.float32)
            tensors[name] = tensor.to(kind)

    changed(cast)(own(place, "tongue"))
    assert main(["merge", "../one.merge", "--quiet", "--out", "mixed"]) == 0
    plain, mixed = open_checkpoint(Path("plain")), open_checkpoint(Path("mixed"))
    for name, entry in plain.entries.items():
        assert mixed.entries[name].dtype == entry.dtype == "F32"
        np.testing.assert_allclose(mixed.tensor(name), plain.tensor(name), atol=1e-3)
    up = "language_model.model.layers.1.mlp.up_proj.weight"
    assert torch.equal(mixed.tensor(up), plain.tensor(up))


ALLOWED = RECIPE.replace('"file:tongue"', '"file:tongue" { pickle = read }')


@pytest.mark.parametrize("sharded", [False, True])
def test_a_pickle_that_is_allowed_is_read_as_tensors(
    sharded: bool, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["merge", "../one.merge", "--quiet", "--out", "plain"]) == 0
    folder = own(place, "tongue")
    if sharded:
        tensors = load_file(folder / SINGLE)
        (folder / SINGLE).unlink()
        table = {name: f"pytorch_model-{i % 2}.bin" for i, name in enumerate(tensors)}
        for file in set(table.values()):
            some = {n: t for n, t in tensors.items() if table[n] == file}
            torch.save(some, folder / file)
        index = folder / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"weight_map": table}))
    else:
        pickled(folder)
    (place / "one.merge").write_text(ALLOWED, encoding="utf-8")
    assert main(["merge", "../one.merge", "--quiet"]) == 0, capsys.readouterr().err
    assert (Path("out") / SINGLE).read_bytes() == (Path("plain") / SINGLE).read_bytes()
    (kept,) = (place / "cache" / "awase" / "pickled").iterdir()
    assert open_source("tongue", kept).anatomy.speaks and (kept / "tokenizer.json").exists()
    assert not list(folder.glob("*.safetensors"))


class Bomb:
    """An object whose unpickling leaves a file behind."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("content", ["code", "more", "damaged", "outside"])
def test_a_pickle_of_more_than_tensors_is_refused(
    content: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    folder = own(place, "tongue")
    pickled(folder)
    file = folder / "pytorch_model.bin"
    if content == "code":
        file.write_bytes(pickle.dumps(Bomb(), protocol=2))
    elif content == "more":
        torch.save({"step": 7}, file)
    elif content == "damaged":
        os.truncate(file, 1000)
    else:
        index = folder / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"weight_map": {UP: "../secret.bin"}}))
    said = told(place, capsys, ALLOWED)
    wanted = {"more": "more than tensors", "outside": "points outside its folder"}
    assert wanted.get(content, "cannot be read as tensors alone") in said
    assert not Path("exploded").exists() and not Path("out").exists()
    assert not list((place / "cache" / "awase" / "pickled").glob("*"))


def test_a_wider_parent_is_told_before_it_is_opened(
    place: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "tongue").unlink()
    save_language_model(place / "tongue", tokenizer, seed=9, intermediate_size=64)
    assert "M401" in told(place, capsys)
