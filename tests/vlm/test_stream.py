"""A merge on its way to disk: the same bytes whatever the threads and the order, and whole or not at all."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from merge_dsl.cli import main
from merge_dsl.space.candidate import Place
from tests.vlm.conftest import student
from vlm.errors import MergeError
from vlm.methods import trim
from vlm.parents import FromFiles
from vlm.resident import Resident
from vlm.weights import check, stream, target, writer
from vlm.weights.checkpoint import SINGLE
from vlm.weights.raw import Raw
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

CANDIDATES = [
    student("linear", 0.2, 0.8),
    student("ties", 1.0, 0.7, base=True, density=0.4),
    student("della", 1.0, 0.5, base=True, density=0.5, epsilon=0.1, seed=7),
    student("sce", base=True, select_topk=0.5),
]
RECIPE = """recipe one

model eyes from "file:eyes"
model tongue from "file:tongue"

merge student {
  keep vision, projector, embed, head from eyes

  language.layers by linear {
    take eyes.language
    take tongue
  }
}

write student to "out"
"""


@pytest.fixture(scope="module")
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


def numbers_of(folder: Path) -> dict[str, str]:
    """What a model says of the numbers that were read of its parents."""
    told = json.loads((folder / "merge_origins.json").read_text())
    return {name: model["read"] for name, model in told["models"].items()}


def read(folder: Path) -> dict[str, bytes]:
    """Every file of a model, but for fingerprints of its parents."""
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name != "merge_origins.json"}


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: c.blends[0].method)
def test_threads_and_the_order_of_tensors_change_no_byte(
    candidate, sources: dict[str, Source], parents: Mapping[str, Path], tmp_path: Path
) -> None:
    turned = {}
    for name, folder in parents.items():
        shutil.copytree(folder, tmp_path / name)
        for file in (tmp_path / name).glob("*.safetensors"):
            lying = load_file(file)
            backwards = {f"{n}": lying[n] for n in sorted(lying, reverse=True)}
            _save_in_order(backwards, file)
        turned[name] = open_source(name, tmp_path / name)
    assert list(turned["base"].checkpoint.entries) != list(sources["base"].checkpoint.entries)
    places = {name: Place("zoo", name) for name in ("eyes", "tongue")}
    candidate = candidate._replace(models=places)
    write_model(candidate, sources, tmp_path / "one", recipe="r\n")
    torch.set_num_threads(2)
    try:
        write_model(candidate, turned, tmp_path / "other", recipe="r\n")
    finally:
        torch.set_num_threads(1)
    assert read(tmp_path / "one") == read(tmp_path / "other")
    assert numbers_of(tmp_path / "one") == numbers_of(tmp_path / "other")


def _save_in_order(tensors: dict[str, torch.Tensor], file: Path) -> None:
    """safetensors writes by its own order; this by that of `tensors`."""
    table, data = {}, b""
    for name, tensor in tensors.items():
        held = tensor.numpy().tobytes()
        offsets = [len(data), len(data) + len(held)]
        table[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += held
    header = json.dumps(table).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)


@pytest.mark.parametrize("method", ["linear", "ties", "della"])
def test_no_more_than_a_piece_is_looked_at_at_once(
    method: str, sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = next(one for one in CANDIDATES if one.blends[0].method == method)
    write_model(candidate, sources, tmp_path / "whole", recipe="r\n")
    seen = []
    real = Raw.widened

    def widened(self: Raw, part: slice) -> np.ndarray:
        found = real(self, part)
        if part.step is None:  # a sample is small, but not here
            seen.append(len(found))
        return found

    monkeypatch.setattr(Raw, "widened", widened)
    monkeypatch.setattr(FromFiles, "size", 100)
    monkeypatch.setattr(trim, "SHORT", 200)
    monkeypatch.setattr(trim, "SAMPLE", 20)
    write_model(candidate, sources, tmp_path / "pieces", recipe="r\n")
    assert max(seen) <= 100
    assert read(tmp_path / "whole") == read(tmp_path / "pieces")


KILLED = """
import os, signal, sys
from vlm.weights import stream
left = 3

def wrote(self, count):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

stream._Flush.wrote = wrote
from merge_dsl.cli import main
main(["merge", sys.argv[1], "--out", sys.argv[2]])
"""


def test_killed_in_the_middle_it_leaves_no_model(place: Path) -> None:
    (place / "one.merge").write_text(RECIPE)
    done = subprocess.run([sys.executable, "-c", KILLED, str(place / "one.merge"), "out"])
    assert done.returncode == -signal.SIGKILL
    assert not Path("out").exists()
    (left,) = Path().iterdir()
    assert left.name.startswith(".out.part-")
    assert main(["merge", str(place / "one.merge"), "--out", "out"]) == 0
    assert (Path("out") / SINGLE).exists()
    assert [f.name for f in Path().iterdir()] == ["out"]  # and what was left is gone


def test_a_disk_without_room_is_told_before(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(target.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MergeError, match=r"takes 0\.00 GB, and its disk has 0\.00 GB left"):
        write_model(student(), sources, tmp_path / "deep" / "out", recipe="r\n")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, count: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stream._Flush, "wrote", full)
    with pytest.raises(MergeError, match="make room"):
        write_model(student(), sources, tmp_path / "out", recipe="r\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_disk_changed_never_takes_the_place(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(host: Path, part: Path, *rest: object) -> None:
        file = part / SINGLE
        data = bytearray(file.read_bytes())
        data[-8:] = np.full(2, np.nan, np.float32).tobytes()
        file.write_bytes(data)

    write_model(student(), sources, tmp_path / "out", recipe="old\n")
    monkeypatch.setattr(writer, "copy_beside", spoilt)
    with pytest.raises(MergeError, match=r"what was written cannot be read.*infinities or NaN"):
        write_model(student(), sources, tmp_path / "out", recipe="new\n")
    assert (tmp_path / "out" / target.PROVENANCE).read_text() == "old\n"
    monkeypatch.setattr(
        writer, "copy_beside", lambda host, part, *rest: os.truncate(part / SINGLE, 999)
    )
    with pytest.raises(MergeError, match=r"what was written cannot be read.*truncated"):
        write_model(student(), sources, tmp_path / "out", recipe="new\n")
    assert [f.name for f in tmp_path.iterdir()] == ["out"]
    assert check.WAY_OUT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["ties", "linear", "nearswap", "sce"])
def test_a_parent_with_nan_is_named(
    dtype: torch.dtype,
    method: str,
    sources: dict[str, Source],
    parents: Mapping[str, Path],
    tmp_path: Path,
) -> None:
    """Also by a method that drops small differences, and what is none with them."""
    name = "model.layers.1.mlp.up_proj.weight"
    shutil.copytree(parents["tongue"], tmp_path / "tongue")
    tensors = load_file(tmp_path / "tongue" / SINGLE)
    tensors[name][3, 4] = float("inf" if method == "nearswap" else "nan")
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "tongue" / SINGLE, metadata={"format": "pt"})
    own = {**sources, "tongue": open_source("tongue", tmp_path / "tongue")}
    density = 0.1 if method == "ties" else None
    candidate = student(method, base=method != "linear", density=density)
    if method == "nearswap":  # which takes one, and would go no further than `t`
        (blend,) = candidate.blends
        candidate = candidate._replace(blends=(blend._replace(ingredients=blend.ingredients[1:]),))
    for build in (
        lambda: write_model(candidate, own, tmp_path / "out", recipe="r\n"),
        lambda: Resident(candidate, own).put(candidate),
    ):
        with pytest.raises(MergeError, match=f"{name} of tongue holds infinities or NaN"):
            build()
    assert not (tmp_path / "out").exists()


def test_the_numbers_of_its_parents_have_a_fingerprint(
    sources: dict[str, Source], parents: Mapping[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(parents["tongue"], tmp_path / "tongue")
    tensors = load_file(tmp_path / "tongue" / SINGLE)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] += 1e-6
    save_file(tensors, tmp_path / "tongue" / SINGLE, metadata={"format": "pt"})
    own = {**sources, "tongue": open_source("tongue", tmp_path / "tongue")}
    candidate = student()._replace(models={n: Place("zoo", n) for n in ("eyes", "tongue")})
    for name, parents_ in (("one", sources), ("other", own)):
        write_model(candidate, parents_, tmp_path / name, recipe="r\n")
    one, other = numbers_of(tmp_path / "one"), numbers_of(tmp_path / "other")
    assert one["eyes"] == other["eyes"] and one["tongue"] != other["tongue"]
    assert one["tongue"].startswith("xxh3-128:") and one["tongue"].endswith(" 27 tensors")


def test_a_model_says_where_it_comes_from(place: Path) -> None:
    (place / "one.merge").write_text(RECIPE)
    assert main(["merge", str(place / "one.merge"), "--out", "out"]) == 0
    kept = Path("out") / "merge_recipe.merge"
    assert kept.read_text() == RECIPE.replace('"file:', '"file:../../')
    assert main(["lint", "--deep", str(kept)]) == 0  # it means the same where it lies
    assert RECIPE in (Path("out") / "README.md").read_text()
    told = json.loads((Path("out") / "merge_origins.json").read_text())
    assert told["tensors"].keys() >= {"language_model.model.layers.1.mlp.up_proj.weight"}
    layer = told["tensors"]["language_model.model.layers.1.mlp.up_proj.weight"]
    assert layer["by"] == "linear" and layer["of"][1] == {"take": "tongue", "weight": 1.0}
    assert told["tensors"]["language_model.model.embed_tokens.weight"] == {"kept": "eyes"}
    prints = told["models"]["tongue"]["files"]
    assert (
        prints[SINGLE].startswith("sha256:") and told["models"]["tongue"]["from"] == "file:tongue"
    )
    card = (Path("out") / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: image-text-to-text\n")
    assert RECIPE in card and str(place) not in card
    # A child of the child has a card of its own.
    again = RECIPE.replace("file:eyes", f"file:{Path('out').absolute()}")
    (place / "two.merge").write_text(again)
    assert main(["merge", str(place / "two.merge"), "--out", "grandchild"]) == 0
    assert (Path("grandchild") / "README.md").read_text().count("# student") == 1
