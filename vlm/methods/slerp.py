"""Spherical interpolation of two tensors: along the arc between their directions.

Shoemake 1985, "Animating rotation with quaternion curves", doi:10.1145/325334.325242, as it is used
on weights: the arc is that between the directions, and each tensor keeps its own length.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import (
    Settings,
    Shared,
    check_shapes,
    differences,
    needed,
    weight_sum,
    weights_of,
)
from vlm.methods.masks import Draw
from vlm.methods.sums import row_inner

STRAIGHT = 0.9995  # mergekit's: above it, its slerp is a straight line


def slerp(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """From the base to the ingredient; reads `t` and `compat` of the blend.

        cos φ = ⟨b, x⟩ / ‖b‖ ‖x‖
        θ = sin((1−t)φ)/sin φ · b  +  sin(tφ)/sin φ · x

    Where sin φ = 0 (one direction, opposite directions, or a tensor of zeros) there is no arc, and
    θ = (1−t) b + t x. "mergekit" takes that line from |cos φ| > 0.9995 on: tuned models of one base
    mostly lie beyond. `settings` and `draw` are not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    return _arc(base.reshape(1, -1), tensors[0].reshape(1, -1), shared["t"], shared["compat"]).view(
        base.shape
    )


def nuslerp(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """From the first ingredient to the second; reads `weight`, and `flatten`, `row_wise`.

        t = w_2 / (w_1 + w_2),        θ = slerp(x_1, x_2; t)
        θ = b + slerp(x_1 − b, x_2 − b; t)                            where there is a base

    `flatten`: one arc for the whole tensor; without it one for each row, or with `row_wise` for
    each column (as mergekit names it). Where there is no arc, a straight line, as in `slerp`. `draw`
    is not read. Raises MergeError where w_1 + w_2 = 0 (mergekit takes a half there).
    """
    weights = weights_of(settings)
    t = weights[1] / weight_sum(weights, "`nuslerp`")
    check_shapes(tensors)
    ends = differences(needed(base, tensors), tensors) if base is not None else list(tensors)
    one, other = (_vectors(end, shared) for end in ends)
    mixed = _arc(one, other, t, "paper")
    if not shared["flatten"] and shared["row_wise"] and ends[0].dim() > 1:
        mixed = mixed.view(ends[0].transpose(0, -1).shape).transpose(0, -1).contiguous()
    mixed = mixed.view(ends[0].shape)
    return mixed if base is None else mixed.add_(base)


def _vectors(x: Tensor, shared: Shared) -> Tensor:
    """The vectors between which an arc is drawn, as rows."""
    if shared["flatten"] or x.dim() < 2:
        return x.reshape(1, -1)
    turned = x.transpose(0, -1) if shared["row_wise"] else x
    return turned.flatten(0, -2)


def _arc(one: Tensor, other: Tensor, t: float, compat: str) -> Tensor:
    """A new matrix: an arc between each row of `one` and the same row of `other`."""
    left, right = _shares(one, other, t, compat)
    return one * left.float() + other * right.float()


def _shares(one: Tensor, other: Tensor, t: float, compat: str) -> tuple[Tensor, Tensor]:
    """How much of each end goes in: float64, one column, a row for each row."""
    lengths = (row_inner(one, one) * row_inner(other, other)).sqrt_()
    cosine = (row_inner(one, other) / lengths.masked_fill(lengths == 0, 1.0)).clamp_(-1.0, 1.0)
    sine = ((1 - cosine) * (1 + cosine)).sqrt()
    # Below 1e-7 the arc and its chord differ by less than a double can hold.
    straight = (sine < 1e-7) | (lengths == 0)
    if compat == "mergekit":
        straight = cosine.abs() > STRAIGHT
    angle = torch.atan2(sine, cosine)
    sine = sine.masked_fill(straight, 1.0)
    left = torch.where(straight, 1 - t, ((1 - t) * angle).sin() / sine)
    return left, torch.where(straight, t, (t * angle).sin() / sine)
