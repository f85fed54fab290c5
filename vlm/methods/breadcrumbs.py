"""Model breadcrumbs: drop the smallest and the largest elements of each difference.

Davari and Belilovsky 2023, "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks",
arXiv:2312.06795. Its β and γ are shares dropped at either end; here, as in mergekit, `density` is
the share kept, 1 − β − γ.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.elect import elect_and_merge
from vlm.methods.kernel import (
    Settings,
    Shared,
    add_up,
    differences,
    needed,
    weight_sum,
    weights_of,
)
from vlm.methods.masks import Draw
from vlm.methods.trim import band


def breadcrumbs(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Mask, add up; reads `weight`, `density`, `gamma`, and `scale`, `normalize` of the blend.

        θ = b + λ Σ_i w_i band(δ_i)        (normalize: divided by Σ_i w_i)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    mixed = add_up(_bands(base, tensors, settings), weights, over)
    return torch.add(base, mixed, alpha=shared["scale"])


def breadcrumbs_ties(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Mask, then elect signs as TIES does; reads the same settings, and `compat`.

        θ = b + λ merge(band(δ_1), …, band(δ_n); w)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    bands = _bands(base, tensors, settings)
    normalize = bool(shared["normalize"])
    merged = elect_and_merge(bands, weights_of(settings), normalize, shared["compat"])
    return torch.add(base, merged, alpha=shared["scale"])


def _bands(base: Tensor, tensors: Sequence[Tensor], settings: Settings) -> list[Tensor]:
    deltas = differences(base, tensors)
    for i, one in enumerate(settings):
        deltas[i] = band(deltas[i], one["density"], one["gamma"])
    return deltas
