"""The few operations that numpy spells otherwise than torch.

An equation that is computed piece by piece works on numpy arrays on a CPU and on torch tensors on any
other device: operators mean the same in both, IEEE says what they round to (but for `divide`), and what is
left is here.
numpy is taken on a CPU because it loads in a twentieth of the time, and is as fast on short pieces.
"""

import sys
from typing import Any

import numpy as np

WIDE = 1 << 14  # so many numbers of 64 bits, and what is made of them, stay in a CPU's cache
Array = Any  # a flat numpy.ndarray or torch.Tensor


def steady_memory() -> None:
    """Let freed pieces be used for the next ones, instead of being given back and fetched again.

    glibc gives the top of its heap back as soon as 128 KiB lie free there, half of one piece, and
    fetching it again costs more than most equations. Freeing one large block raises that bound.
    """
    np.empty(1 << 24, dtype=np.uint8)


def library(x: Array) -> Any:
    """The module whose functions take `x`: numpy or torch."""
    return np if isinstance(x, np.ndarray) else sys.modules["torch"]


def of_tensor(x: Any) -> Array:
    """A torch tensor as the array that equations work on: on a CPU, the same memory seen by numpy."""
    return x.numpy() if x.device.type == "cpu" else x


def scaled(mask: Array, factor: float) -> Array:
    """A mask times a number: fp32, in two steps, for numpy takes longer to do both at once."""
    found = mask.astype(np.float32) if isinstance(mask, np.ndarray) else mask.float()
    if factor != 1.0:
        found *= factor
    return found


def divide(x: Array, number: float) -> None:
    """x / number in the place of x: torch divides by a plain number as it multiplies by its reciprocal,
    on a device, and would lose a bit."""
    x /= number if isinstance(x, np.ndarray) else library(x).tensor(number, device=x.device)


def doubled(x: Array) -> Array:
    """The same numbers in double precision."""
    return x.astype(np.float64) if isinstance(x, np.ndarray) else x.double()


def inners(x: Array, y: Array) -> tuple[float, float, float]:
    """⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩ in double precision, in one order whatever the thread count."""
    size = WIDE if isinstance(x, np.ndarray) else len(x)
    found = [0.0, 0.0, 0.0]
    for start in range(0, len(x), max(1, size)):
        one, other = (doubled(each[start : start + size]) for each in (x, y))
        product = one * other
        one *= one
        other *= other
        for i, each in enumerate((one, other, product)):
            found[i] += float(each.sum())
    return found[0], found[1], found[2]


def absolute(x: Array) -> float:
    """Σ |x| in double precision."""
    return float(abs(doubled(x)).sum())


def packed(mask: Array) -> Array:
    """A mask as small as it can be kept: one bit a position."""
    if isinstance(mask, np.ndarray):
        return np.packbits(mask)
    torch = library(mask)
    eights = torch.nn.functional.pad(mask, (0, -len(mask) % 8)).view(-1, 8)
    return (eights << _places(mask)).sum(1, dtype=torch.uint8)


def unpacked(mask: Array, size: int) -> Array:
    """A mask of `size` positions that was packed."""
    if isinstance(mask, np.ndarray):
        return np.unpackbits(mask, count=size)
    return (((mask[:, None] >> _places(mask)) & 1) != 0).view(-1)[:size]


def _places(mask: Array) -> Array:
    """Which bit of a byte each of eight positions is."""
    torch = library(mask)
    return torch.arange(8, dtype=torch.uint8, device=mask.device)


def count(mask: Array) -> int:
    """How often a mask is true."""
    return int(library(mask).count_nonzero(mask))


def chosen(values: Array, mask: Array) -> Array:
    """The values where a mask is true; of few, numpy is quicker at this than at `values[mask]`."""
    return np.compress(mask, values) if isinstance(values, np.ndarray) else values[mask]


def positions(mask: Array) -> Array:
    """Where a mask is true, ascending."""
    return mask.nonzero()[0] if isinstance(mask, np.ndarray) else mask.nonzero().flatten()


def kth_smallest(values: Array, rank: int) -> float:
    """What stands at `rank`, from 0, if values are sorted."""
    if isinstance(values, np.ndarray):
        return float(np.partition(values, rank)[rank])
    if values.device.type == "cpu":
        return float(values.kthvalue(rank + 1).values)
    return float(values.sort().values[rank])  # there a selection is left to one of many processors


def ascending(values: Array) -> Array:
    """A sorted copy."""
    return np.sort(values) if isinstance(values, np.ndarray) else values.sort().values


def joined(parts: list[Array]) -> Array:
    """Several arrays behind one another."""
    return (
        np.concatenate(parts) if isinstance(parts[0], np.ndarray) else library(parts[0]).cat(parts)
    )


def row_order(magnitudes: Array, width: int) -> Array:
    """Flat positions of a matrix' numbers, row after row, ascending in each; of equals the earlier first.

    magnitudes: fp32, not negative, flat; its length is a multiple of `width`.
    """
    if not isinstance(magnitudes, np.ndarray):
        order = magnitudes.view(-1, width).argsort(dim=1, stable=True)
        starts = library(magnitudes).arange(0, magnitudes.numel(), width, device=order.device)
        return (order + starts[:, None]).flatten()
    order = np.empty(len(magnitudes), dtype=np.int64)
    step = max(1, WIDE // width) * width
    places = np.arange(min(step, len(order)), dtype=np.uint64)
    for start in range(0, len(order), step):
        # Bits of numbers that are not negative sort as the numbers do. With the position behind them
        # they are distinct, so that the quickest sort is a stable one, and brings the positions along.
        packed = magnitudes[start : start + step].view(np.uint32).astype(np.uint64)
        packed <<= np.uint64(32)
        packed |= places[: len(packed)]
        packed.reshape(-1, width).sort(axis=1)
        packed &= np.uint64(0xFFFFFFFF)
        np.add(packed.view(np.int64), start, out=order[start : start + step])
    return order
