"""A folder of safetensors, sharded or not, read one tensor at a time.

In: a folder. Out: `Checkpoint`, which knows every tensor's file, shape and dtype before any is read.
A shard that is missing, truncated or lies about its length is a ModelError that names the file. Files
are mapped into memory: what is read of them is the system's to keep or to drop.
"""

import json
import math
import mmap
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vlm.errors import ModelError
from vlm.weights.raw import BYTES, STORED, Raw, of_tensor

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies, and what its header says of it."""

    file: Path
    dtype: str  # as safetensors spells it: "BF16", "F16", "F32"
    shape: tuple[int, ...]
    start: int = 0  # of its bytes in the file
    stop: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """All tensors of one model, by the names in its files."""

    folder: Path
    entries: Mapping[str, Entry]
    _open: dict[Path, mmap.mmap] = field(default_factory=dict, repr=False, compare=False)

    def tensor(self, name: str) -> "Tensor":
        """One tensor, in the dtype of the file; a copy."""
        from safetensors import SafetensorError, safe_open

        file = self.entries[name].file
        try:
            with safe_open(file, framework="pt") as opened:
                tensor: Tensor = opened.get_tensor(name)
                return tensor
        except (SafetensorError, OSError) as error:
            raise _unread(file, name, error) from error

    def raw(self, name: str) -> Raw:
        """One tensor as it lies in its file: nothing is read before it is looked at."""
        entry = self.entries[name]
        count = math.prod(entry.shape)
        if entry.dtype not in STORED:
            return of_tensor(self.tensor(name))
        if count == 0:
            return Raw(entry.dtype, entry.shape, np.empty(0, STORED[entry.dtype]))
        numbers = np.frombuffer(self._mapped(name), STORED[entry.dtype], count, entry.start)
        return Raw(entry.dtype, entry.shape, numbers)

    def ahead(self, name: str) -> None:
        """Let the system read a tensor that will be wanted soon, while others are computed."""
        self._advise(name, "MADV_WILLNEED")

    def done(self, name: str) -> None:
        """Let the system know that a tensor is not wanted any more."""
        self._advise(name, "MADV_DONTNEED")

    def _advise(self, name: str, advice: str) -> None:
        entry = self.entries[name]
        if entry.stop > entry.start and hasattr(mmap, advice):
            start = entry.start - entry.start % mmap.PAGESIZE
            self._mapped(name).madvise(getattr(mmap, advice), start, entry.stop - start)

    def _mapped(self, name: str) -> mmap.mmap:
        file = self.entries[name].file
        if file not in self._open:
            try:
                with file.open("rb") as stream:
                    self._open[file] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise _unread(file, name, error) from error
        return self._open[file]

    @cached_property
    def dtype(self) -> str:
        """The dtype that most of its numbers are in."""
        return main_dtype(self.entries)


class Typed(Protocol):
    """Anything that has a dtype and a shape."""

    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


def main_dtype(entries: Mapping[str, Typed]) -> str:
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
    index = folder / INDEX
    said = weight_map(index) if index.exists() else {}
    missing = sorted(said.keys() - entries.keys())
    if missing:
        raise ModelError(
            f"{folder / INDEX} lists {missing[0]}, which no shard holds"
            + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
            "fetch the model anew",
        )
    for name, file in said.items():
        if entries[name].file.name != file:
            raise ModelError(
                f"{index} says that {name} is in {file}, and it is in {entries[name].file.name}",
                "fetch the model anew: index and shards are not of one model",
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
        names = sorted(set(weight_map(index).values()))
        for name in names:
            if Path(name).name != name:
                raise ModelError(f"{index} points outside its folder: {name!r}", "do not trust it")
            if not (folder / name).exists():
                raise ModelError(f"{folder} lacks the shard {name}", "fetch the missing shard")
        return [folder / name for name in names]
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
    if pickled:
        raise ModelError(
            f"{folder} holds its weights as a pickle, {pickled[0]}, which can run any code when it is read",
            "save it as safetensors, or allow its tensors to be read: `{ pickle = read }` behind its `model`",
        )
    raise ModelError(f"{folder} holds no safetensors", f"it needs {SINGLE} or {INDEX}")


def _unread(file: Path, name: str, error: Exception) -> ModelError:
    return ModelError(f"{file}: {name} cannot be read: {error}", "fetch the file anew")


def _indexed(folder: Path) -> set[str]:
    index = folder / INDEX
    return set(weight_map(index)) if index.exists() else set()


def weight_map(index: Path) -> dict[str, str]:
    """Tensor -> file, as an index says. Raises ModelError for one that cannot be read."""
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
            entries = {str(name): _entry(file, 8 + length, said) for name, said in table.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{file}: its header cannot be read: {error}", "fetch it anew"
            ) from error
    end = max((entry.stop for entry in entries.values()), default=8 + length)
    if end != size:
        raise ModelError(
            f"{file} holds {size:,} bytes, its header speaks of {end:,}",
            "the file is truncated: fetch it anew",
        )
    _refuse_lies(file, 8 + length, entries)
    return entries


def _entry(file: Path, data: int, said: Mapping[str, Any]) -> Entry:
    """One tensor; `data` is where the bytes of all begin."""
    start, stop = (data + int(offset) for offset in said["data_offsets"])
    return Entry(file, str(said["dtype"]), tuple(int(side) for side in said["shape"]), start, stop)


def _refuse_lies(file: Path, data: int, entries: Mapping[str, Entry]) -> None:
    """Tensors lie one behind the other, each as long as its shape says, or the header is wrong."""
    before = data
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)):
        wanted = math.prod(entry.shape) * BYTES.get(entry.dtype, 0)
        held = entry.stop - entry.start
        short = entry.dtype in BYTES and held != wanted
        if entry.start != before or short or min(entry.shape, default=0) < 0:
            raise ModelError(
                f"{file}: its header says of {name} what cannot be:"
                f" {held:,} bytes at {entry.start - data:,} for {entry.dtype} of {list(entry.shape)}",
                "fetch the file anew",
            )
        before = entry.stop
