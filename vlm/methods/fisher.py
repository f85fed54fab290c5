"""Fisher-weighted averaging: each number of each model counts as much as its data care about it.

Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging", arXiv:2111.09832. How the
diagonal of a model's Fisher information is measured is in `vlm/measure.py`.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array, divide, doubled
from vlm.methods.given import Settings, Shared, weight_sum, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, add_up, piecewise


@piecewise
def fisher(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """The mean of the ingredients, weighted number by number; reads `weight`, and `floor` of the blend.

        θ = Σ_i w_i F̂_i x_i  /  Σ_i w_i F̂_i,        F̂_i = F_i + ε F̄

    F_i is what was measured of ingredient i, F̄ the mean of all F_i over the tensor, ε the floor: where
    no data care, and in tensors of which nothing was measured, this is the mean by weights alone. It is
    computed as x_1 + Σ s_i (x_i − x_1) with the shares s_i, so that a lone ingredient comes out
    untouched. `draw` and a base are not read. Raises MergeError where Σ w_i = 0.
    """
    weights = weights_of(settings)
    over = weight_sum(weights, "`fisher`")
    middle = _middle(pieces)
    for part, _, tensors in pieces.walk():
        if middle == 0.0:
            yield add_up(tensors, weights, over)
            continue
        cares = []
        for read, weight in zip(pieces.measured, weights, strict=True):
            care = read(part) if read is not None else tensors[0] * 0.0
            divide(care, middle)
            care += shared["floor"]
            care *= weight
            cares.append(care)
        total = sum(cares[1:], start=cares[0])
        first, *others = tensors
        for other, care in zip(others, cares[1:], strict=True):
            other -= first
            other *= care
            other /= total
        for other in others:
            first += other
        yield first


def _middle(pieces: Pieces) -> float:
    """F̄: the mean of all F_i over the tensor, in double precision; 0 where nothing was measured."""
    if "middle" not in pieces.memo:
        total = 0.0
        for part in pieces.parts():
            for read in pieces.measured:
                total += float(doubled(read(part)).sum()) if read is not None else 0.0
        pieces.memo["middle"] = total / max(1, pieces.count * len(pieces.measured))
    middle: float = pieces.memo["middle"]
    return middle
