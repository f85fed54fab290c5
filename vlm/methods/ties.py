"""TIES: trim each difference, elect a sign for each position, merge what agrees with it.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
The paper trims a model as a whole; here, as everywhere in the field, trimming is per tensor.
"""

from collections.abc import Iterator, Sequence

from vlm.methods.arrays import Array, packed, unpacked
from vlm.methods.elect import elect, merging
from vlm.methods.given import Settings, Shared, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Piece, Pieces, onto, piecewise
from vlm.methods.trim import trims


@piecewise
def ties(pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None) -> Iterator[Array]:
    """Trim, elect, merge; reads `weight`, `density`, and `scale`, `normalize`, `compat`.

        δ̂_i = trim(x_i − b, d_i)
        θ = b + λ merge(δ̂_1, …, δ̂_n; w)

    `draw` is not read. Raises MergeError without a base, or where normalize meets weights that are all zero.
    """
    weights = weights_of(settings)
    merge = merging(weights, bool(shared["normalize"]))
    densities = [one["density"] for one in settings]
    votes = weights if shared["compat"] == "mergekit" else None
    for (_, base, deltas), masks in _agreeing(pieces, densities, votes):
        yield onto(base, merge(deltas, masks), shared["scale"])


def _agreeing(
    pieces: Pieces, densities: Sequence[float], votes: Sequence[float] | None
) -> Iterator[tuple[Piece, list[Array]]]:
    """Differences, and where each is kept and points the elected way.

    That hangs on weights only where votes are weighted. What it is asked a second time in a row it keeps,
    in an eighth of a byte for each number, and from then on does not look for again.
    """
    asked = (tuple(densities), votes and tuple(votes))
    known, kept = pieces.memo.get("agreeing", (None, []))
    if known == asked and kept:
        for piece, masks in zip(pieces.differences(), kept, strict=True):
            yield piece, [unpacked(mask, len(piece.base)) for mask in masks]
        return
    found = []
    trimmed = trims(pieces, densities)
    for piece in pieces.differences():
        for delta, trim in zip(piece.tensors, trimmed, strict=True):
            trim(delta)
        masks = elect(piece.tensors, votes)
        if known == asked:
            found.append([packed(mask) for mask in masks])
        yield piece, masks
    pieces.memo["agreeing"] = asked, found
