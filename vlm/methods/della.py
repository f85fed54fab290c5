"""DELLA: drop small elements of each difference more often than large ones, rescale, merge.

Deep et al. 2024, "DELLA-Merging: Reducing Interference in Model Merging through Magnitude-Based
Sampling", arXiv:2406.11617. Its ε is the whole width of the shares; here, as in mergekit, `epsilon`
is half of it, so that shares run from density − ε to density + ε.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.dare import drawn, rescaled
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
from vlm.methods.masks import Draw, keep_mask
from vlm.methods.sums import as_rows, row_blocks


def della(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Drop, elect, fuse; reads `weight`, `density`, `epsilon`, and all that `shared` has.

        m_i ~ Bernoulli(p_i),   δ̃_i = m_i δ_i / p_i,   p_i from `shares`
        θ = b + λ merge(δ̃_1, …, δ̃_n; w)

    The masks come from `draw`, so they depend on no order and no device. Raises MergeError without
    a base or a draw, where density ± epsilon is no share, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    dropped = _dropped(base, tensors, settings, shared, draw)
    normalize = bool(shared["normalize"])
    merged = elect_and_merge(dropped, weights_of(settings), normalize, shared["compat"])
    return torch.add(base, merged, alpha=shared["scale"])


def della_linear(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Drop, add up; reads the same settings.

        θ = b + λ Σ_i w_i δ̃_i        (normalize: divided by Σ_i w_i)

    Raises MergeError as `della` does.
    """
    base = needed(base, tensors)
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    mixed = add_up(_dropped(base, tensors, settings, shared, draw), weights, over)
    return torch.add(base, mixed, alpha=shared["scale"])


def shares(delta: Tensor, density: float, epsilon: float) -> Tensor:
    """How likely each element is kept: fp32, of the shape of `delta`.

        p = density − ε + 2 ε (rank − 1) / (m − 1)

    Ranks are those of |δ| within a row of m, ascending; among equals the lower index ranks lower. A
    row is what flows into one output; a vector is one row, and a row of one element has p = density.
    """
    low, high = density - epsilon, density + epsilon
    if low < 0 or high > 1:
        raise MergeError(
            f"density {density:g} ± epsilon {epsilon:g} leaves the shares between 0 and 1",
            "lower epsilon, or bring the density nearer to 0.5",
        )
    rows = as_rows(delta.abs())
    found = torch.full_like(rows, density)
    width = rows.shape[1]
    if width > 1:
        steps = torch.linspace(low, high, width, dtype=torch.float64).float().to(delta.device)
        for part in row_blocks(rows):
            order = rows[part].argsort(dim=1, stable=True)
            found[part].scatter_(1, order, steps.expand(order.shape))
    return found.view_as(delta)


def _dropped(
    base: Tensor, tensors: Sequence[Tensor], settings: Settings, shared: Shared, draw: Draw | None
) -> list[Tensor]:
    draw = drawn(draw)
    deltas = differences(base, tensors)
    for i, one in enumerate(settings):
        deltas[i] = _prune(deltas[i], one["density"], one["epsilon"], draw, i, shared)
    return deltas


def _prune(
    delta: Tensor, density: float, epsilon: float, draw: Draw, ingredient: int, shared: Shared
) -> Tensor:
    """δ̃ = m δ / p with m from the draw; density 0 keeps none, 1 all."""
    if density <= 0:
        return torch.zeros_like(delta)
    if density >= 1 or delta.numel() == 0:
        return delta
    chances = shares(delta, density, epsilon)
    kept = delta * keep_mask(draw, ingredient, chances, delta.shape, delta.device)
    # A chance of zero keeps nothing, and zero by zero is none.
    return rescaled(kept, delta, chances.clamp_(min=2.0**-32), shared)
