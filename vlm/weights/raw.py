"""Numbers as files hold them, and their way to fp32 and back, a piece at a time. Knows no torch.

numpy has no bfloat16: it is the upper half of an fp32, and is held as such in unsigned words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Numbers = np.ndarray[Any, Any]  # flat
STORED = {  # as safetensors spells a dtype -> as numpy holds it
    "BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8",
    "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1",
}  # fmt: skip
FLOATS = {"BF16", "F16", "F32", "F64"}
BYTES = {name: np.dtype(stored).itemsize for name, stored in STORED.items()} | {
    name: 1 for name in ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
}
# The words of a dtype, unsigned and signed, and the least without a sign that is no number.
NO_NUMBER: Mapping[str, tuple[str, str, int]] = {
    "BF16": ("<u2", "<i2", 0x7F80),
    "F16": ("<u2", "<i2", 0x7C00),
    "F32": ("<u4", "<i4", 0x7F800000),
    "F64": ("<u8", "<i8", 0x7FF0000000000000),
}
NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # what a model may be written as
HALF = np.uint32(0x7FFF)


@dataclass(frozen=True)
class Raw:
    """One tensor: its dtype as safetensors spells it, its shape, its numbers as stored, flat."""

    dtype: str
    shape: tuple[int, ...]
    numbers: Numbers

    @property
    def is_float(self) -> bool:
        """Whether its numbers are rounded ones, which can be blended and written as another dtype."""
        return self.dtype in FLOATS

    def widened(self, part: slice) -> Numbers:
        """The numbers of one slice: a new fp32 array."""
        stored = self.numbers[part]
        if self.dtype != "BF16":
            return stored.astype(np.float32)
        wide = stored.astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32)

    def rows(self, numbers: Numbers) -> "Raw":
        """Some rows of it, by their numbers."""
        taken = self.numbers.reshape(self.shape)[numbers]
        return Raw(self.dtype, taken.shape, taken.reshape(-1))

    def held(self) -> "Raw":
        """The same in memory of its own, whatever becomes of the file."""
        return Raw(self.dtype, self.shape, self.numbers.copy())


def is_sound(dtype: str, numbers: Numbers) -> bool:
    """Whether there is no infinity and no NaN among numbers as stored."""
    return dtype not in NO_NUMBER or _all_below(numbers, *NO_NUMBER[dtype])


def _all_below(numbers: Numbers, unsigned: str, signed: str, least: int) -> bool:
    """Without a copy: as unsigned words the negative ones are largest, as signed words the others."""
    if numbers.size == 0:
        return True
    above, below = numbers.view(signed), numbers.view(unsigned)
    sign = 1 << (8 * below.itemsize - 1)
    return bool(above.max() < least and below.max() < sign + least)


def rounded(values: Numbers, dtype: str) -> Numbers:
    """fp32 numbers as `dtype` stores them: to the nearest, of two as near to the even one.

    What is too large for it becomes an infinity, and what is no number stays none: arithmetic makes such
    words as end in zeros, so that nothing is carried into their sign. `values` may be changed.
    """
    if dtype == "F32":
        return values
    if dtype != "BF16":
        with np.errstate(over="ignore"):
            return values.astype(STORED[dtype])
    words = values.view(np.uint32)
    odd = words >> np.uint32(16)
    odd &= np.uint32(1)
    odd += HALF
    odd += words
    odd >>= np.uint32(16)
    return odd.astype(np.uint16)


def widest(dtypes: Iterable[str]) -> str | None:
    """The least dtype that holds the numbers of all of these; None where one is of no rounded numbers."""
    found = set(dtypes)
    if not found or not found <= FLOATS:
        return None
    if found == {"BF16", "F16"}:
        return "F32"
    return max(found, key=lambda dtype: BYTES[dtype])


def as_tensor(raw: Raw) -> "Tensor":
    """A torch tensor of its own memory."""
    import torch

    if raw.dtype != "BF16":
        return torch.from_numpy(raw.numbers.copy()).view(raw.shape)
    return torch.from_numpy(raw.numbers.view("<i2").copy()).view(torch.bfloat16).view(raw.shape)


def of_tensor(tensor: "Tensor") -> Raw:
    """A torch tensor on the CPU: the same memory, unless it lies in pieces or is of a rarer dtype."""
    import torch

    spelt = {
        torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64",
        torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
        torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    if tensor.dtype not in spelt:
        tensor = tensor.float()
    dtype = spelt[tensor.dtype]
    flat = tensor.detach().contiguous().view(-1)
    stored = flat.view(torch.int16) if dtype == "BF16" else flat
    return Raw(dtype, tuple(tensor.shape), stored.numpy().view(STORED[dtype]))
