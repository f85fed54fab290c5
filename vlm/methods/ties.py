"""TIES: trim each difference, elect a sign for each position, merge what agrees with it.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
The paper trims a model as a whole; here, as everywhere in the field, trimming is per tensor.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array
from vlm.methods.elect import elect_and_merge
from vlm.methods.given import Settings, Shared, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, onto, piecewise
from vlm.methods.trim import trims


@piecewise
def ties(pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None) -> Iterator[Array]:
    """Trim, elect, merge; reads `weight`, `density`, and `scale`, `normalize`, `compat`.

        δ̂_i = trim(x_i − b, d_i)
        θ = b + λ merge(δ̂_1, …, δ̂_n; w)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    merge = elect_and_merge(weights_of(settings), bool(shared["normalize"]), shared["compat"])
    trimmed = trims(pieces, [one["density"] for one in settings])
    for _, base, deltas in pieces.differences():
        for delta, trim in zip(deltas, trimmed, strict=True):
            trim(delta)
        yield onto(base, merge(deltas), shared["scale"])
