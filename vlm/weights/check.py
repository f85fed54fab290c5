"""Reads a written model again: every tensor there, of the right shape, and finite.

It catches what a disk, a file system or a mistake of ours has changed on the way, before the folder takes
its place and is trusted.
"""

from collections.abc import Mapping
from pathlib import Path

from vlm.errors import MergeError, ModelError
from vlm.weights.checkpoint import open_files
from vlm.weights.raw import is_sound
from vlm.weights.stream import Planned

PIECE = 1 << 18  # numbers


def check_written(folder: Path, shards: Mapping[str, Mapping[str, Planned]]) -> None:
    """Raise MergeError unless the files of `folder` hold what was planned, and nothing but numbers."""
    try:
        found = open_files(folder, [folder / file for file in shards])
        for file, members in shards.items():
            for name, tensor in members.items():
                entry = found.entries.get(name)
                if entry is None or (entry.dtype, entry.shape) != (tensor.dtype, tensor.shape):
                    raise _broken(file, f"{name} is not what was written")
                numbers = found.raw(name).numbers
                for start in range(0, len(numbers), PIECE):
                    if not is_sound(tensor.dtype, numbers[start : start + PIECE]):
                        raise _broken(file, f"{name} holds infinities or NaN")
                found.done(name)
    except ModelError as error:
        raise MergeError(f"what was written cannot be read: {error.what}", WAY_OUT) from error


WAY_OUT = "check the disk, and write elsewhere"


def _broken(file: str, what: str) -> MergeError:
    return MergeError(f"what was written cannot be read: {file}: {what}", WAY_OUT)
