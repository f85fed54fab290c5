"""The header of a safetensors file: names, types and shapes of its tensors, without their weights.

In: a file. Out: `TensorEntry` by name. A header that does not fit its file raises `HeaderError`; a
file that lies must not be believed, nor read as far as it says.
"""

import json
import math
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from merge_dsl.meaning.files import bytes_of

LARGEST = 100_000_000  # bytes of a header, as in the format's own reader
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I16": 2, "U16": 2,
    "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8,
}  # fmt: skip


class HeaderError(Exception):
    """A file is damaged, or is no safetensors file."""


class TensorEntry(NamedTuple):
    """One tensor of a checkpoint."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def read_checkpoint(folder: Path) -> dict[str, TensorEntry]:
    """Every tensor of a model folder; empty where it has no safetensors files."""
    index = folder / "model.safetensors.index.json"
    files = _shards(index) if index.is_file() else sorted(folder.glob("*.safetensors"))
    entries: dict[str, TensorEntry] = {}
    for file in files:
        found = read_header(file)
        twice = sorted(entries.keys() & found.keys()) if index.is_file() else []
        if twice:
            raise HeaderError(f"{twice[0]} is in {file.name} and in an earlier shard")
        entries |= found
    return entries


def read_header(file: Path) -> dict[str, TensorEntry]:
    """The tensors of one file."""
    try:
        found = file.stat()
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0  # a pipe would never answer
        if not size:
            raise HeaderError(f"{file.name} is cut off, or no safetensors file")
        with file.open("rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
            if not 2 <= length <= min(size - 8, LARGEST):
                raise HeaderError(f"{file.name} is cut off, or no safetensors file")
            header = json.loads(stream.read(length))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise HeaderError(f"{file.name} cannot be read: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"the header of {file.name} is no JSON") from error
    if not isinstance(header, dict):
        raise HeaderError(f"the header of {file.name} is no table of tensors")
    room = size - 8 - length
    return {
        name: _entry(file, name, entry, room)
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _shards(index: Path) -> list[Path]:
    try:
        table = json.loads(bytes_of(index).decode("utf-8"))["weight_map"]
        names = sorted(set(table.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HeaderError(f"{index.name} has no `weight_map`") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise HeaderError(f"{index.name} names a file outside its folder: {name!r}")
        if not (index.parent / name).is_file():
            raise HeaderError(f"{name} is missing; {index.name} names it")
    return [index.parent / name for name in names]


def _entry(file: Path, name: str, entry: object, room: int) -> TensorEntry:
    try:
        if not isinstance(entry, dict):
            raise TypeError
        dtype, shape = entry["dtype"], tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        numbers = (*shape, begin, end)
        if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in numbers):
            raise TypeError
    except (KeyError, TypeError, ValueError) as error:
        raise HeaderError(f"{file.name}: the entry of {name!r} is no tensor") from error
    if end > room:
        raise HeaderError(f"{file.name} is cut off: {name!r} lies behind its end")
    if begin > end or (dtype in BYTES and end - begin != math.prod(shape) * BYTES[dtype]):
        raise HeaderError(f"{file.name}: the size of {name!r} does not fit its shape")
    return TensorEntry(dtype, shape)
