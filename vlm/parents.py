"""Parents' tensors as an equation reads them: out of their files, held in memory, or held for a device.

In: a parent and a role. Out: the tensor's shape, and its numbers a slice at a time, fp32. A merge on disk
reads files and keeps nothing. A search reads every tensor of every parent once a candidate, so it holds
them, in the dtype of the file, which is half of what they take as fp32:

* on a CPU, as numpy arrays in memory;
* for another device, on it as far as there is room, and the rest in pinned memory, from where it is
  streamed. Copying a piece takes an order of magnitude longer than blending it: nothing would be won by
  doing both at once.

A parent that is held is looked at once for infinities and NaN; one that is not, whenever it is read through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from xxhash import xxh3_128

from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.methods.arrays import Array
from vlm.methods.masks import block_size
from vlm.weights.checkpoint import Checkpoint
from vlm.weights.raw import Numbers, Raw, as_tensor, is_sound
from vlm.weights.source import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Digests = dict[str, dict[str, str]]
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
    """

    size = block_size("cpu")

    def __init__(self, digests: Digests | None = None) -> None:
        self.digests = digests

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor as it lies in the file."""
        known: dict[str, str] = {}
        if self.digests is not None and isinstance(source.checkpoint, Checkpoint):
            known = self.digests.setdefault(source.name, {})
        return _Looking(source.raw(role), _said(source, role), source.name_of(role), known)

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
        self._held: dict[tuple[int, Role], Raw] = {}

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor in memory."""
        # By its files: a fitted parent has the name of the one that it was made of.
        key = id(source.checkpoint), role
        if key not in self._held:
            self._held[key] = _sound(source, role).held()
        return self._held[key]

    def measured(self, raw: Raw) -> Parent:
        """The numbers themselves."""
        return raw

    def empty(self, count: int) -> Array:
        """A numpy array."""
        return np.empty(count, dtype=np.float32)


class OnDevice:
    """Holds what was read on a device, as far as it has room, and beyond that in pinned memory."""

    def __init__(
        self, device: "torch.device", room: int, size: int | None = None, arena: int = ARENA
    ) -> None:
        """`room`: how many bytes of parents the device may be given. `size` and `arena` are for tests."""
        self.device, self.room = device, room
        self.size = size or block_size(device.type)
        self._held: dict[tuple[int, Role | None], Parent] = {}
        self._pinned = _Pinned(arena)

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor on the device, or on its way there."""
        return self._kept((id(source.checkpoint), role), lambda: _sound(source, role))

    def measured(self, raw: Raw) -> Parent:
        """The same of what was measured."""
        return self._kept((id(raw), None), lambda: raw)

    def empty(self, count: int) -> Array:
        """A tensor on the device."""
        import torch

        return torch.empty(count, device=self.device)

    def _kept(self, key: tuple[int, Role | None], read: Callable[[], Raw]) -> Parent:
        if key not in self._held:
            raw = read()
            stored = as_tensor(raw).view(-1)
            if stored.nbytes <= self.room:
                self.room -= stored.nbytes
                stored = stored.to(self.device)
            else:
                stored = self._pinned.copy(stored)
            self._held[key] = _Moved(raw.shape, stored, self.device)
        return self._held[key]


class _Looking:
    """A tensor that is read out of its file, hashed and looked at on the way: the first time, that is,
    and while the bytes are in the cache of the CPU."""

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
            _refuse_unsound(self.raw, part, self.name)
        return self.raw.widened(part)

    def rows(self, numbers: Numbers) -> Parent:
        return _Looking(self.raw.rows(numbers), self.name, self.spelt, {})


@dataclass(frozen=True)
class _Moved:
    """A tensor that lies on a device, or in memory that a device reads from."""

    shape: tuple[int, ...]
    numbers: "Tensor"  # flat, of the dtype of the file
    device: "torch.device"

    def widened(self, part: slice) -> Array:
        import torch

        # First moved and then widened: the other way round, twice as many bytes would be on the way.
        moved = self.numbers[part].to(self.device, non_blocking=True)
        return moved.to(torch.float32, copy=True)

    def rows(self, numbers: Numbers) -> Parent:
        import torch

        chosen = torch.from_numpy(numbers).to(self.numbers.device)
        taken = self.numbers.view(self.shape).index_select(0, chosen)
        return _Moved(tuple(taken.shape), taken.view(-1), self.device)


class _Pinned:
    """Memory that a device copies from by itself, taken in large blocks."""

    def __init__(self, arena: int) -> None:
        import torch

        self._arena, self._at = arena, 0
        self._block = torch.empty(0, dtype=torch.uint8)

    def copy(self, tensor: "Tensor") -> "Tensor":
        """The same numbers in such memory."""
        import torch

        if self._at + tensor.nbytes > len(self._block):
            size = max(self._arena, tensor.nbytes)
            pinned = torch.cuda.is_available()
            self._block = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
            self._at = 0
        taken = self._block[self._at : self._at + tensor.nbytes].view(tensor.dtype)
        self._at += -(-tensor.nbytes // ALIGNED) * ALIGNED
        return taken.copy_(tensor)


def _said(source: Source, role: Role) -> str:
    return f"{source.name_of(role)} of {source.name}"


def _sound(source: Source, role: Role) -> Raw:
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
