"""Task arithmetic: weighted differences from the base are added to the base.

Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import differences
from vlm.methods.masks import Draw


def task_arithmetic(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Sequence[Mapping[str, float]],
    shared: Mapping[str, float],
    draw: Draw | None,
) -> Tensor:
    """Base plus weighted differences; reads `weight`, and `scale` of the blend.

        θ = b + λ Σ_i w_i δ_i,        δ_i = x_i − b

    `draw` is not read. Raises MergeError without a base.
    """
    deltas = differences(base, tensors)
    assert base is not None  # else `differences` has raised
    mixed = torch.zeros_like(base)
    for delta, one in zip(deltas, settings, strict=True):
        mixed.add_(delta, alpha=one["weight"])
    return torch.add(base, mixed, alpha=shared["scale"])
