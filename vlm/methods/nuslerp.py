"""Spherical interpolation between two ingredients, weighted: of whole tensors, of rows or of columns.

It has no paper: it is mergekit's, described by its documentation; the arc is that of `slerp`.
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
from vlm.methods.slerp import shares
from vlm.methods.sums import row_inner


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
    mixed = _arc(one, other, t)
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


def _arc(one: Tensor, other: Tensor, t: float) -> Tensor:
    """A new matrix: an arc between each row of `one` and the same row of `other`."""
    pairs = ((one, one), (other, other), (one, other))
    x, y, product = (row_inner(*pair).cpu().numpy() for pair in pairs)
    left, right = (torch.from_numpy(share).to(one) for share in shares(x, y, product, t))
    return one * left + other * right
