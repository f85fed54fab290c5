"""A folder of safetensors, sharded or not, read one tensor at a time.

In: a folder. Out: `Checkpoint`, which knows every tensor's file, shape and dtype before any is read.
A shard that is missing, truncated or lies about its length is a ModelError that names the file.
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vlm.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies, and what its header says of it."""

    file: Path
    dtype: str  # as safetensors spells it: "BF16", "F16", "F32"
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """All tensors of one model, by the names in its files."""

    folder: Path
    entries: Mapping[str, Entry]
    _open: dict[Path, Any] = field(default_factory=dict, repr=False, compare=False)

    def tensor(self, name: str) -> Tensor:
        """One tensor, in the dtype of the file."""
        file = self.entries[name].file
        try:
            if file not in self._open:
                opened: Any = safe_open(file, framework="pt")
                self._open[file] = opened.__enter__()
            tensor: Tensor = self._open[file].get_tensor(name)
            return tensor
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{file}: {name} cannot be read: {error}", "fetch the file anew"
            ) from error

    @cached_property
    def dtype(self) -> str:
        """The dtype that most of its numbers are in."""
        return main_dtype(self.entries)


def main_dtype(entries: Mapping[str, Entry]) -> str:
    """The dtype that most numbers of a model are in, as safetensors spells it."""
    weight: dict[str, int] = {}
    for entry in entries.values():
        weight[entry.dtype] = weight.get(entry.dtype, 0) + math.prod(entry.shape)
    return max(weight, key=lambda dtype: weight[dtype])


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read the headers of every shard of a folder."""
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder}", "check the model's address in the recipe")
    entries = open_files(folder, _files(folder)).entries
    missing = sorted(_indexed(folder) - entries.keys())
    if missing:
        raise ModelError(
            f"{folder / INDEX} lists {missing[0]}, which no shard holds"
            + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
            "fetch the model anew",
        )
    return Checkpoint(folder, entries)


def open_files(folder: Path, files: Iterable[Path]) -> Checkpoint:
    """Read the headers of these files, which together are one model."""
    entries: dict[str, Entry] = {}
    for file in files:
        for name, entry in _header(file).items():
            if name in entries:
                raise ModelError(
                    f"{name} is in {entries[name].file.name} and in {file.name}",
                    "keep one of them: nobody can say which is meant",
                )
            entries[name] = entry
    return Checkpoint(folder, entries)


def _files(folder: Path) -> list[Path]:
    index = folder / INDEX
    if index.exists():
        names = sorted(set(_weight_map(index).values()))
        for name in names:
            if Path(name).name != name:
                raise ModelError(f"{index} points outside its folder: {name!r}", "do not trust it")
            if not (folder / name).exists():
                raise ModelError(f"{folder} lacks the shard {name}", "fetch the missing shard")
        return [folder / name for name in names]
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    raise ModelError(f"{folder} holds no safetensors", f"it needs {SINGLE} or {INDEX}")


def _indexed(folder: Path) -> set[str]:
    index = folder / INDEX
    return set(_weight_map(index)) if index.exists() else set()


def _weight_map(index: Path) -> dict[str, str]:
    try:
        table = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in table.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} is no index: {error}", "fetch the file anew") from error


def _header(file: Path) -> dict[str, Entry]:
    """Name -> entry. 8 bytes little-endian length, then that much JSON, then the data."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else LONGEST_HEADER + 1
        if length > min(LONGEST_HEADER, size - 8):
            raise ModelError(f"{file} is truncated or no safetensors file", "fetch the file anew")
        try:
            table = json.loads(stream.read(length))
            table.pop("__metadata__", None)
            entries = {
                str(name): (
                    Entry(file, str(e["dtype"]), tuple(e["shape"])),
                    int(e["data_offsets"][1]),
                )
                for name, e in table.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{file}: its header cannot be read: {error}", "fetch it anew"
            ) from error
    end = max((stop for _, stop in entries.values()), default=0)
    if 8 + length + end != size:
        raise ModelError(
            f"{file} holds {size:,} bytes, its header speaks of {8 + length + end:,}",
            "the file is truncated: fetch it anew",
        )
    return {name: entry for name, (entry, _) in entries.items()}
