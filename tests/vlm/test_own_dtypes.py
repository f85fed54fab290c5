"""Where `write` names no dtype, what is kept stays as its parent has it, byte for byte."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merge_dsl.space.candidate import Candidate, Keep, Origin
from tests.vlm.conftest import KEPT, read_json, save_llava, student
from vlm.resident import Resident, load_model
from vlm.weights.checkpoint import open_checkpoint
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

TOWER = tuple(unit for unit in KEPT if unit.startswith("vision."))
Dtypes = Mapping[str, torch.dtype]  # by a word in the names of tensors; the last that fits holds


def retyped(folder: Path, main: torch.dtype, others: Dtypes) -> Path:
    """The same model with its tensors in other dtypes."""
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        fitting = [dtype for word, dtype in others.items() if word in name]
        tensors[name] = tensor.to([main, *fitting][-1])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def mixed(
    parents: Mapping[str, Path], tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    """A host in bf16 with norms in fp32, a tower in fp16, and language models in fp32."""
    root = tmp_path_factory.mktemp("mixed")
    eyes = retyped(
        save_llava(root / "eyes", tokenizer, seed=3), torch.bfloat16, {"norm": torch.float32}
    )
    tower = retyped(save_llava(root / "tower", tokenizer, seed=6), torch.float16, {})
    folders = {**parents, "eyes": eyes, "tower": tower}
    return {name: open_source(name, folder) for name, folder in folders.items()}


def towered() -> Candidate:
    """The layers blended, the tower kept from another, all else the host's."""
    rest = tuple(unit for unit in KEPT if unit not in TOWER)
    keeps = (Keep(TOWER, Origin("tower")), Keep(rest, Origin("eyes")))
    return Candidate("student", {}, keeps, student(host=0.3, guest=0.6).blends)


def test_kept_bytes_are_the_parents_and_blends_are_as_the_host(
    mixed: dict[str, Source], tmp_path: Path
) -> None:
    write_model(towered(), mixed, tmp_path / "out", recipe="r\n")
    merged, host = open_checkpoint(tmp_path / "out"), mixed["eyes"]
    seen = set()
    for name, role in host.anatomy.roles.items():
        found = merged.raw(name)
        if role.unit in KEPT:
            parent = mixed["tower" if role.unit in TOWER else "eyes"].raw(role)
            assert found.dtype == parent.dtype, name
            assert found.numbers.tobytes() == parent.numbers.tobytes(), name
        else:
            assert found.dtype == ("F32" if "norm" in name else "BF16"), name
        seen.add((role.unit in KEPT, found.dtype))
    kept, blended = (
        {(True, "F32"), (True, "F16"), (True, "BF16")},
        {(False, "F32"), (False, "BF16")},
    )
    assert seen == kept | blended
    assert read_json(tmp_path / "out" / "config.json")["dtype"] == "bfloat16"


def test_memory_has_the_same_numbers_to_the_rounding_of_blends(
    mixed: dict[str, Source], tmp_path: Path
) -> None:
    write_model(towered(), mixed, tmp_path / "out", recipe="r\n")
    resident = Resident(towered(), mixed)
    resident.put(towered())
    written = load_model(tmp_path / "out", sees=True).state_dict()
    names = {slot.data_ptr(): role for role, slot in resident.slots.items()}
    for name, tensor in resident.model.state_dict().items():
        role = names[tensor.data_ptr()]
        if role.unit in KEPT or "norm" in name:
            assert torch.equal(tensor, written[name]), name
        else:
            assert torch.equal(tensor.bfloat16().float(), written[name]), name


def test_a_named_dtype_is_that_of_all_rounded_numbers(
    mixed: dict[str, Source], tmp_path: Path
) -> None:
    write_model(towered(), mixed, tmp_path / "out", recipe="r\n", dtype="fp16")
    entries = open_checkpoint(tmp_path / "out").entries
    assert {entry.dtype for entry in entries.values()} == {"F16"}
    assert read_json(tmp_path / "out" / "config.json")["dtype"] == "float16"


def test_the_index_counts_bytes_of_every_dtype(mixed: dict[str, Source], tmp_path: Path) -> None:
    write_model(towered(), mixed, tmp_path / "out", recipe="r\n", shard_bytes=20_000)
    said = read_json(tmp_path / "out" / "model.safetensors.index.json")
    entries = open_checkpoint(tmp_path / "out").entries.values()
    assert len({entry.file for entry in entries}) > 2
    assert said["metadata"] == {"total_size": sum(entry.stop - entry.start for entry in entries)}


def test_config_says_what_most_numbers_are_in(mixed: dict[str, Source], tmp_path: Path) -> None:
    whole = Candidate("other", {}, (Keep(KEPT, Origin("tower")),), student().blends)
    write_model(whole, mixed, tmp_path / "out", recipe="r\n")
    assert read_json(tmp_path / "out" / "config.json")["dtype"] == "float16"
