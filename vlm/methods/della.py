"""DELLA: drop small elements of each difference more often than large ones, rescale, merge.

Deep et al. 2024, "DELLA-Merging: Reducing Interference in Model Merging through Magnitude-Based
Sampling", arXiv:2406.11617. Its ε is the whole width of the shares; here, as in mergekit, `epsilon`
is half of it, so that shares run from density − ε to density + ε.
"""

from collections.abc import Iterator

import numpy as np

from vlm.errors import MergeError
from vlm.methods.arrays import Array, library, row_order, scaled
from vlm.methods.dare import drawn, rescaled
from vlm.methods.elect import elect_and_merge
from vlm.methods.given import Settings, Shared, weight_sum, weights_of
from vlm.methods.masks import Draw, keep_mask, like
from vlm.methods.pieces import Piece, Pieces, add_up, onto, piecewise


@piecewise
def della(pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None) -> Iterator[Array]:
    """Drop, elect, fuse; reads `weight`, `density`, `epsilon`, and all that `shared` has.

        m_i ~ Bernoulli(p_i),   δ̃_i = m_i δ_i / p_i,   p_i from `shares`
        θ = b + λ merge(δ̃_1, …, δ̃_n; w)

    The masks come from `draw`, so they depend on no order and no device. Raises MergeError without
    a base or a draw, where density ± epsilon is no share, or where normalize meets weights that are all zero.
    """
    merge = elect_and_merge(weights_of(settings), bool(shared["normalize"]), shared["compat"])
    for _, base, deltas in _dropped(pieces, settings, shared, draw):
        yield onto(base, merge(deltas), shared["scale"])


@piecewise
def della_linear(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Drop, add up; reads the same settings.

        θ = b + λ Σ_i w_i δ̃_i        (normalize: divided by Σ_i w_i)

    Raises MergeError as `della` does.
    """
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    for _, base, deltas in _dropped(pieces, settings, shared, draw):
        yield onto(base, add_up(deltas, weights, over), shared["scale"])


def shares(
    density: float, epsilon: float, width: int
) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """How likely the elements of a row are kept, the smallest first: fp32, `width` of them.

        p = density − ε + 2 ε (rank − 1) / (m − 1)

    Ranks are those of |δ| within a row of m, ascending; among equals the lower index ranks lower. A
    row is what flows into one output; a vector is one row, and a row of one element has p = density.
    Never 0, by which what is kept could not be divided: the least number rounds to a chance of none.
    """
    low, high = density - epsilon, density + epsilon
    if low < 0 or high > 1:
        raise MergeError(
            f"density {density:g} ± epsilon {epsilon:g} leaves the shares between 0 and 1",
            "lower epsilon, or bring the density nearer to 0.5",
        )
    if width == 1:
        return np.full(1, density, dtype=np.float32)
    return np.linspace(low, high, width).astype(np.float32).clip(np.finfo(np.float32).tiny)


def _dropped(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Piece]:
    draw = drawn(draw)
    width = max(1, pieces.width)
    divides = shared["rescale"] and shared["compat"] == "paper"
    densities = [one["density"] for one in settings]
    rows = [
        None if not 0 < d < 1 else shares(d, one["epsilon"], width)
        for d, one in zip(densities, settings, strict=True)
    ]

    def drop(delta: Array, part: slice, i: int) -> Array:
        """m δ, or m δ / p with m from the draw; density 0 keeps none, 1 all."""
        row = rows[i]
        if row is None:
            delta *= float(densities[i] >= 1)
            return delta
        order = row_order(abs(delta), width)
        chances = library(delta).empty_like(delta)
        chances[order] = library(delta).tile(like(row, delta), (len(delta) // width,))
        delta *= scaled(keep_mask(draw, i, chances, part, delta), 1.0)
        if divides:
            delta /= chances
        return delta

    yield from rescaled(pieces, shared, drop, rows=True)
