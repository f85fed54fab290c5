"""Parents' tensors held for a device: on it as far as there is room, else in pinned memory.

From there they are streamed, a piece for each piece that is blended. Copying one takes an order of magnitude
longer than blending it: nothing would be won by doing both at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vlm.anatomy.body import Role
from vlm.methods.arrays import Array
from vlm.methods.masks import block_size
from vlm.parents import Kept, Parent, sound
from vlm.weights.raw import Numbers, Raw, as_tensor
from vlm.weights.source import Source

ARENA = (
    1 << 30
)  # bytes that are pinned at once: torch rounds every piece of pinned memory up to a power of two
ALIGNED = 256  # bytes


class OnDevice:
    """Holds what was read on a device, as far as it has room, and beyond that in pinned memory."""

    def __init__(
        self, device: torch.device, room: int, size: int | None = None, arena: int = ARENA
    ) -> None:
        """`room`: how many bytes of parents the device may be given. `size` and `arena` are for tests."""
        self.device, self.room = device, room
        self.size = size or block_size(device.type)
        self._held = Kept()
        self._pinned = _Pinned(arena)

    def tensor(self, source: Source, role: Role) -> Parent:
        """The tensor on the device, or on its way there."""
        return self._held.of(source.checkpoint, role, lambda: self._moved(sound(source, role)))

    def measured(self, raw: Raw) -> Parent:
        """The same of what was measured."""
        return self._held.of(raw, None, lambda: self._moved(raw))

    def empty(self, count: int) -> Array:
        """A tensor on the device."""
        return torch.empty(count, device=self.device)

    def give_way(self) -> bool:
        """Have all that lies on the device streamed from now on; False where nothing lies there."""
        there = [one for one in self._held.all() if isinstance(one, Moved) and one.resident]
        for one in there:
            one.numbers = self._pinned.copy(one.numbers.cpu())
        self.room = 0
        return bool(there)

    def _moved(self, raw: Raw) -> "Moved":
        stored = as_tensor(raw).view(-1)
        if stored.nbytes <= self.room:
            try:
                there = stored.to(self.device)
                self.room -= stored.nbytes
                return Moved(raw.shape, there, self.device)
            except torch.OutOfMemoryError:
                self.room = 0  # somebody else was quicker
        return Moved(raw.shape, self._pinned.copy(stored), self.device)


@dataclass
class Moved:
    """A tensor that lies on a device, or in memory that a device reads from."""

    shape: tuple[int, ...]
    numbers: Tensor  # flat, of the dtype of the file
    device: torch.device

    @property
    def resident(self) -> bool:
        """Whether it lies on the device."""
        return self.numbers.device.type == self.device.type

    def widened(self, part: slice) -> Array:
        # First moved and then widened: the other way round, twice as many bytes would be on the way.
        moved = self.numbers[part].to(self.device, non_blocking=True)
        return moved.to(torch.float32, copy=True)

    def rows(self, numbers: Numbers) -> Parent:
        chosen = torch.from_numpy(numbers).to(self.numbers.device)
        taken = self.numbers.view(self.shape).index_select(0, chosen)
        return Moved(tuple(taken.shape), taken.view(-1), self.device)


class _Pinned:
    """Memory that a device copies from by itself, taken in large blocks."""

    def __init__(self, arena: int) -> None:
        self._arena = arena
        self._left = torch.empty(0, dtype=torch.uint8)

    def copy(self, tensor: Tensor) -> Tensor:
        """The same numbers in such memory."""
        size = -(-tensor.nbytes // ALIGNED) * ALIGNED
        whole = self._left if size <= len(self._left) else self._block(size)
        taken, rest = whole[: tensor.nbytes], whole[size:]
        if whole is self._left or len(rest) > len(self._left):
            self._left = rest
        return taken.view(tensor.dtype).copy_(tensor)

    def _block(self, size: int) -> Tensor:
        size = 1 << (max(self._arena, size) - 1).bit_length()
        try:
            return torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
        except RuntimeError:  # no more can be pinned: other memory will do, and is slower
            return torch.empty(size, dtype=torch.uint8)
