"""The one shape of every merge kernel, and the few lines that all kernels share.

A kernel takes one tensor of the base, the same tensor of each ingredient and their scalar settings,
and returns one blended tensor. It knows no file, no name of a model and no dtype but fp32.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.masks import Draw, block_size


class Kernel(Protocol):
    """`kernel(base, tensors, settings, shared, draw) -> blended`.

    base: fp32, any shape; None for methods without one. tensors: one fp32 tensor an ingredient, all
    of that shape, on one device; never written to. settings: one mapping an ingredient (weight,
    density). shared: settings of the whole blend (scale, normalize; a flag is 0 or 1). draw: names
    the random masks; None where the method draws none. Returns a new fp32 tensor of the same shape.
    Raises MergeError where the equation has no answer.
    """

    def __call__(
        self,
        base: Tensor | None,
        tensors: Sequence[Tensor],
        settings: Sequence[Mapping[str, float]],
        shared: Mapping[str, float],
        draw: Draw | None,
    ) -> Tensor: ...


def differences(base: Tensor | None, tensors: Sequence[Tensor]) -> list[Tensor]:
    """δ_i = x_i − b, each a new tensor. Raises MergeError without a base, or on unequal shapes."""
    if base is None:
        raise MergeError("this method blends differences and has no base", "add a `base` line")
    check_shapes([base, *tensors])
    return [tensor - base for tensor in tensors]


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
    size = block_size(flat.device)
    return (slice(start, start + size) for start in range(0, flat.numel(), size))


def weight_sum(weights: Sequence[float]) -> float:
    """Σ w_i, as a divisor. Raises MergeError where it is zero but for rounding."""
    total = sum(weights)
    if abs(total) <= 1e-12 * sum(abs(weight) for weight in weights):
        raise MergeError(
            f"the weights {', '.join(f'{weight:g}' for weight in weights)} sum to zero, "
            "and `normalize` divides by that sum",
            "give one ingredient a larger weight, or write `normalize = false`",
        )
    return total
