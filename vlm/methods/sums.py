"""Sums over whole tensors, in double precision and in one order whatever the thread count.

torch splits a long sum over its threads, so its last bits depend on how many there are. These sums
are of pieces too short to be split, added up one after the other: the same model comes out of one
thread and of eight. What cannot be cut into pieces is left to one thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from vlm.methods.masks import block_size

SERIAL = 1 << 14  # below the 32768 elements at which torch begins to split a sum
LONG = (
    1 << 24
)  # what a device is given at a time, where one block adds up alike whatever is beside it


@contextmanager
def one_thread() -> Iterator[None]:
    """What torch computes inside on the CPU, it computes by one thread: decompositions, gradients."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def inner(x: Tensor, y: Tensor) -> float:
    """⟨x, y⟩ of two tensors of one shape."""
    one, other = x.flatten(), y.flatten()
    return sum(float((one[p].double() * other[p].double()).sum()) for p in _pieces(one))


def absolute(x: Tensor) -> float:
    """Σ |x|."""
    flat = x.flatten()
    return sum(float(flat[p].double().abs().sum()) for p in _pieces(flat))


def gram(tensors: Sequence[Tensor]) -> Tensor:
    """⟨x_i, x_j⟩ as an n by n tensor of float64 on the CPU."""
    count = len(tensors)
    found = torch.zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(i, count):
            found[i, j] = found[j, i] = inner(tensors[i], tensors[j])
    return found


def row_inner(x: Tensor, y: Tensor) -> Tensor:
    """⟨x_r, y_r⟩ for each row r of two matrices: float64, one column."""
    found = torch.empty(x.shape[0], 1, dtype=torch.float64, device=x.device)
    if x.shape[1] > (SERIAL if x.device.type == "cpu" else LONG):
        for row in range(x.shape[0]):
            found[row] = inner(x[row], y[row])
        return found
    for rows in row_blocks(x):
        # Short rows: work is split between their sums, and never inside one.
        found[rows] = (x[rows].double() * y[rows].double()).sum(dim=1, keepdim=True)
    return found


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Slices that cover the rows of a matrix, each of a size at which work on it is quickest."""
    step = max(1, block_size(x.device.type) // max(1, x.shape[1]))
    return (slice(start, start + step) for start in range(0, x.shape[0], step))


def as_rows(x: Tensor) -> Tensor:
    """A tensor as a matrix: a row for each index of its first axis; a vector is one row."""
    return x.reshape(1, -1) if x.dim() < 2 else x.flatten(1)


def _pieces(flat: Tensor) -> Iterator[slice]:
    size = SERIAL if flat.device.type == "cpu" else LONG
    return (slice(start, start + size) for start in range(0, flat.numel(), size))
