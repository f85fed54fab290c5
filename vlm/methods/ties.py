"""TIES: trim each difference, elect a sign for each position, merge what agrees with it.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
The paper trims a model as a whole; here, as everywhere in the field, trimming is per tensor.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.elect import elect_and_merge
from vlm.methods.kernel import Settings, Shared, differences, needed, weights_of
from vlm.methods.masks import Draw
from vlm.methods.trim import trim


def ties(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Trim, elect, merge; reads `weight`, `density`, and `scale`, `normalize`, `compat`.

        δ̂_i = trim(x_i − b, d_i)
        θ = b + λ merge(δ̂_1, …, δ̂_n; w)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    for i, one in enumerate(settings):
        deltas[i] = trim(deltas[i], one["density"])
    merged = elect_and_merge(
        deltas, weights_of(settings), bool(shared["normalize"]), shared["compat"]
    )
    return torch.add(base, merged, alpha=shared["scale"])
