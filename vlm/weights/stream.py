"""Writes a safetensors file from beginning to end, never holding more than a piece of a tensor.

In: what the file will hold, and a way to get the numbers of each tensor in order. Out: the file, flushed
to the disk. The header comes first, so shapes and dtypes must be known before the first number is.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from threading import Thread
from typing import BinaryIO, NamedTuple

from vlm.weights.raw import BYTES, Numbers

FLUSHED = 256 << 20  # bytes: how much is left to the system before the disk is asked to take it


class Planned(NamedTuple):
    """One tensor that will be written."""

    dtype: str  # as safetensors spells it
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How many it takes."""
        return prod(self.shape) * BYTES[self.dtype]


def write_file(
    path: Path,
    planned: Mapping[str, Planned],
    numbers: Callable[[str], Iterable[Numbers]],
    tell: Callable[[int], None],
) -> None:
    """Write the tensors in the order of `planned`.

    `numbers(name)` gives the stored numbers of one tensor, piece after piece; `tell` hears of every so
    many bytes more. Raises what `numbers` raises, and OSError where the disk does not take them.
    """
    with path.open("wb") as stream:
        stream.write(_header(planned))
        flush = _Flush(stream)
        for name, tensor in planned.items():
            written = 0
            for piece in numbers(name):
                stream.write(piece.data.cast("B"))
                written += piece.nbytes
                flush.wrote(piece.nbytes)
                tell(piece.nbytes)
            if written != tensor.bytes:
                raise RuntimeError(f"{name} has {written} bytes, {tensor.bytes} were planned")
        flush.end()


def _header(planned: Mapping[str, Planned]) -> bytes:
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, tensor in planned.items():
        stop = start + tensor.bytes
        offsets = [start, stop]
        table[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets}
        start = stop
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


class _Flush:
    """Has the disk take what is written while more is computed, so that the end does not wait for all."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.waiting = 0
        self.thread: Thread | None = None

    def wrote(self, count: int) -> None:
        """So many bytes more are written."""
        self.waiting += count
        busy = self.thread is not None and self.thread.is_alive()
        if self.waiting >= FLUSHED and not busy:
            self.waiting = 0
            self.thread = Thread(target=_take, args=(self.stream.fileno(),), daemon=True)
            self.thread.start()

    def end(self) -> None:
        """Return when all is on the disk. Raises OSError where it does not fit."""
        if self.thread is not None:
            self.thread.join()
        self.stream.flush()
        os.fsync(self.stream.fileno())


def _take(file: int) -> None:
    with suppress(OSError):  # `end` meets it again, and says so
        os.fsync(file)
