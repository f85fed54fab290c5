"""Means on the sphere: of the directions of many tensors, at their mean length.

A mean direction is a sum of the directions it is the mean of. So everything here is computed with
the n by n table of their inner products, in double precision, and only the result touches tensors.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.kernel import (
    Settings,
    Shared,
    add_up,
    check_shapes,
    differences,
    needed,
    weight_sum,
    weights_of,
)
from vlm.methods.masks import Draw
from vlm.methods.sums import gram

NOTHING = 1e-7  # a mean of unit vectors that is shorter has no direction that could be trusted


def multislerp(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Mean direction times mean length; reads `weight`, and `normalize` of the blend.

        u_i = x_i / ‖x_i‖,   M = Σ_i w_i u_i
        θ = M / ‖M‖ · Σ_i w_i ‖x_i‖        (normalize: w_i / Σ_j w_j for w_i)

    With a base, of differences, and the base is added. Goddard 2025, "Multi-SLERP", whose last step
    moves from M / ‖M‖ along Σ_i w_i (u_i − ⟨u_i, M⟩ M / ‖M‖²): that is M − M, nothing, so it is not
    taken here. Two ingredients whose directions cancel are averaged; `draw` is not read. Raises
    MergeError where more of them cancel, or where normalize meets Σ w_i = 0.
    """
    check_shapes(tensors)
    points = differences(needed(base, tensors), tensors) if base is not None else list(tensors)
    if len(points) == 1:
        return tensors[0].clone()
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    weights = [weight / over for weight in weights]
    table, lengths = _directions(points)
    length = _length(weights, table)
    if not any(lengths):
        mixed = torch.zeros_like(points[0])
    elif length > NOTHING * sum(map(abs, weights)):
        factor = sum(w * n for w, n in zip(weights, lengths, strict=True)) / length
        mixed = add_up(points, _spread(weights, lengths, factor))
    elif len(points) == 2:
        mixed = add_up(points, weights)
    else:
        raise _cancel()
    return mixed if base is None else mixed.add_(base)


def karcher(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Karcher mean of directions times mean length; reads `max_iter` and `tol` of the blend.

        m minimises Σ_i ∠(m, u_i)²,  found by steps along  T = 1/n Σ_i φ_i / sin φ_i (u_i − cos φ_i m)
        m ← cos‖T‖ m + sin‖T‖ T / ‖T‖,   φ_i = ∠(m, u_i),   until ‖T‖ < tol
        θ = m · 1/n Σ_i ‖x_i‖

    Karcher 1977, doi:10.1002/cpa.3160300502; of weights, Wang et al. 2026, arXiv:2603.04972. A
    tensor of zeros has no direction and only shortens the mean. `base`, `settings` and `draw` are
    not read. Raises MergeError where directions cancel (mergekit takes the first of them).
    """
    check_shapes(tensors)
    if len(tensors) == 1:
        return tensors[0].clone()
    table, lengths = _directions(tensors)
    share = [float(length > 0) for length in lengths]
    if not any(share):
        return torch.zeros_like(tensors[0])
    share = [one / sum(share) for one in share]
    found = _mean(table, share, int(shared["max_iter"]), shared["tol"])
    scale = sum(lengths) / len(lengths)
    return add_up(tensors, _spread(found, lengths, scale))


def _mean(table: Tensor, share: Sequence[float], steps: int, tol: float) -> list[float]:
    """The Karcher mean, as how much of each direction is in it."""
    mean = torch.tensor(share, dtype=torch.float64)
    weight = mean.clone()
    length = _length(share, table)
    if length < NOTHING:
        raise _cancel()
    mean /= length
    for _ in range(steps):
        cosine = (table @ mean).clamp(-1.0, 1.0)
        sine = ((1 - cosine) * (1 + cosine)).sqrt()
        angle = torch.atan2(sine, cosine)
        stretch = torch.where(sine > 0, angle / sine.masked_fill(sine == 0, 1.0), 1.0) * weight
        step = stretch - (stretch * cosine).sum() * mean
        size = _length(step.tolist(), table)
        if size < tol:
            break
        mean = math.cos(size) * mean + math.sin(size) / size * step
        mean /= _length(mean.tolist(), table)
    return [float(one) for one in mean]


def _directions(points: Sequence[Tensor]) -> tuple[Tensor, list[float]]:
    """⟨u_i, u_j⟩ for the directions u of some tensors, and their lengths; zeros have none."""
    table = gram(points)
    lengths = table.diagonal().sqrt()
    unit = lengths.masked_fill(lengths == 0, 1.0)
    return table / unit[:, None] / unit[None, :], [float(length) for length in lengths]


def _length(shares: Sequence[float], table: Tensor) -> float:
    """‖Σ_i c_i u_i‖."""
    column = torch.tensor(shares, dtype=torch.float64)
    return math.sqrt(max(0.0, float(column @ table @ column)))


def _spread(shares: Sequence[float], lengths: Sequence[float], scale: float) -> list[float]:
    """From how much of each direction to how much of each tensor, at a length of `scale`."""
    return [c / n * scale if n else 0.0 for c, n in zip(shares, lengths, strict=True)]


def _cancel() -> MergeError:
    return MergeError(
        "the directions of the ingredients cancel, so they have no mean",
        "give one of them another weight, or average by `linear`",
    )
