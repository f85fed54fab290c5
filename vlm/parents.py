"""Parents' tensors as an equation reads them: out of their files, held in memory, or held for a device.

In: a parent and a role. Out: the tensor's shape, and its numbers a slice at a time, fp32. A merge on disk
reads files and keeps nothing. A search reads every tensor of every parent once a candidate, so it holds
them, in the dtype of the file, which is half of what they take as fp32:

* on a CPU, as numpy arrays in memory;
* for another device, as `vlm/on_device.py` says.

A parent that is held is looked at once for infinities and NaN; one that is not, whenever it is read through.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from xxhash import xxh3_128

from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.methods.arrays import Array
from vlm.methods.masks import block_size
from vlm.weights.checkpoint import Checkpoint
from vlm.weights.raw import Numbers, Raw, is_sound
from vlm.weights.source import Source

Digests = dict[str, dict[str, str]]
NARROW = ("BF16", "F16")  # as fp32, the lower bits of each number are zeros
LOOK = 1 << 16  # numbers that are looked at together
ARENA = (
    1 << 30
)  # bytes that are pinned at once: torch rounds every piece of pinned memory up to a power of two
ALIGNED = 256  # bytes


class Parent(Protocol):
    """One tensor of a parent."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def widened(self, part: slice) -> Array:
        """The numbers of one slice of the flat tensor: a new fp32 array."""

    def rows(self, numbers: Numbers) -> "Parent":
        """Some rows of it, by their numbers."""


class Parents(Protocol):
    """Where the tensors of all parents are read."""

    size: int  # how many numbers an equation is best given at a time

    def tensor(self, source: Source, role: Role) -> Parent:
        """What plays `role` in a parent. Raises MergeError where there is none, or none that is sound."""

    def measured(self, raw: Raw) -> Parent:
        """What data say of a tensor, which whoever measured it holds."""

    def empty(self, count: int) -> Array:
        """Room for so many numbers, beside those that are read."""


class FromFiles:
    """Reads what it is asked for, each time.

    `digests` is told the XXH3 of each tensor that was read through: parent -> name in its files -> digest.
    Unless it `looks` for what is no number, whoever blends finds it in the result, and asks `sound`. Numbers
    in fp32 and wider are looked at all the same: rounding could make a number of one that is none.
    """

    size = block_size("cpu")

    def __init__(self, digests: Digests | None = None, looks: bool = True) -> None:
        self.digests, self.looks = digests, looks

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor as it lies in the file."""
        known: dict[str, str] = {}
        if self.digests is not None and isinstance(source.checkpoint, Checkpoint):
            known = self.digests.setdefault(source.name, {})
        raw, spelt = source.raw(role), source.name_of(role)
        name = _said(source, role) if self.looks or raw.dtype not in NARROW else ""
        return _Looking(raw, name, spelt, known)

    def measured(self, raw: Raw) -> Parent:
        """The numbers themselves."""
        return raw

    def empty(self, count: int) -> Array:
        """A numpy array."""
        return np.empty(count, dtype=np.float32)


class InMemory:
    """Holds what was read, as numpy arrays."""

    size = block_size("cpu")

    def __init__(self) -> None:
        self._held = Kept()

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor in memory."""
        return self._held.of(source.checkpoint, role, lambda: sound(source, role).held())

    def measured(self, raw: Raw) -> Parent:
        """The numbers themselves."""
        return raw

    def empty(self, count: int) -> Array:
        """A numpy array."""
        return np.empty(count, dtype=np.float32)


class _Looking:
    """A tensor that is read out of its file, hashed and, if it has a name, looked at on the way: the first
    time, that is, and while the bytes are in the cache of the CPU."""

    def __init__(self, raw: Raw, name: str, spelt: str, digests: dict[str, str]) -> None:
        self.raw, self.name, self.shape = raw, name, raw.shape
        self.spelt, self.digests = spelt, digests
        self.hash, self.seen = xxh3_128(), 0

    def widened(self, part: slice) -> Array:
        if part.start == self.seen and part.step in (None, 1):
            self.seen = part.stop
            self.hash.update(self.raw.numbers[part].data)
            if self.seen == len(self.raw.numbers):
                self.digests[self.spelt] = self.hash.hexdigest()
            if self.name:
                _refuse_unsound(self.raw, part, self.name)
        return self.raw.widened(part)

    def rows(self, numbers: Numbers) -> Parent:
        return _Looking(self.raw.rows(numbers), self.name, self.spelt, {})


class Kept:
    """What is held of each tensor, by what it was read from: a fitted parent has the name of the one that
    it was made of. The owner is held, too, or another one could come to lie at its address."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, Role | None], tuple[object, Parent]] = {}

    def of(self, owner: object, role: Role | None, read: Callable[[], Parent]) -> Parent:
        """What is held, or is from now on."""
        key = id(owner), role
        if key not in self._held:
            self._held[key] = owner, read()
        return self._held[key][1]

    def all(self) -> list[Parent]:
        """Everything that is held."""
        return [parent for _, parent in self._held.values()]


def _said(source: Source, role: Role) -> str:
    return f"{source.name_of(role)} of {source.name}"


def sound(source: Source, role: Role) -> Raw:
    raw, name = source.raw(role), _said(source, role)
    for start in range(0, len(raw.numbers), LOOK):
        _refuse_unsound(raw, slice(start, start + LOOK), name)
    return raw


def _refuse_unsound(raw: Raw, part: slice, name: str) -> None:
    if not is_sound(raw.dtype, raw.numbers[part]):
        raise MergeError(
            f"{name} holds infinities or NaN",
            "fetch the model anew, or take this part from another",
        )
