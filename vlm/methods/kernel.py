"""The one shape of every merge kernel, and the few lines that all kernels share.

A kernel takes one tensor of the base, the same tensor of each ingredient and their scalar settings,
and returns one blended tensor. It knows no file, no name of a model and no dtype but fp32.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.given import Settings, Shared, no_base, weight_sum, weights_of
from vlm.methods.masks import Draw, block_size

__all__ = ["Settings", "Shared", "weight_sum", "weights_of"]


class Kernel(Protocol):
    """`kernel(base, tensors, settings, shared, draw) -> blended`.

    base: fp32, any shape; None for methods without one. tensors: one fp32 tensor an ingredient, all
    of that shape, on one device; never written to. settings: one mapping an ingredient (weight,
    density). shared: settings of the whole blend (scale, normalize, compat). draw: names the random
    masks; None where the method draws none. Returns a new fp32 tensor of the same shape. Raises
    MergeError where the equation has no answer.
    """

    def __call__(
        self,
        base: Tensor | None,
        tensors: Sequence[Tensor],
        settings: Settings,
        shared: Shared,
        draw: Draw | None,
    ) -> Tensor: ...


def needed(base: Tensor | None, tensors: Sequence[Tensor]) -> Tensor:
    """The base. Raises MergeError where there is none, or where shapes are unequal."""
    if base is None:
        raise no_base()
    check_shapes([base, *tensors])
    return base


def differences(base: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """δ_i = x_i − b, each a new tensor."""
    return [tensor - base for tensor in tensors]


def add_up(tensors: Sequence[Tensor], weights: Sequence[float], over: float = 1.0) -> Tensor:
    """Σ_i w_i x_i / `over`, a new tensor.

    Divided in Python's double precision, so that a lone ingredient comes out untouched.
    """
    mixed = torch.zeros_like(tensors[0])
    for tensor, weight in zip(tensors, weights, strict=True):
        mixed.add_(tensor, alpha=weight / over)
    return mixed


def check_shapes(tensors: Sequence[Tensor]) -> None:
    """Raises MergeError unless all shapes are equal: broadcasting would blend the wrong numbers."""
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        listed = " and ".join(str(list(shape)) for shape in sorted(shapes))
        raise MergeError(
            f"tensors of shapes {listed} cannot be blended",
            "blend models of one architecture, or keep this part from one of them",
        )


def blocks(flat: Tensor) -> Iterator[slice]:
    """Slices that cover a flat tensor, of a size at which elementwise work is quickest."""
    size = block_size(flat.device.type)
    return (slice(start, start + size) for start in range(0, flat.numel(), size))
