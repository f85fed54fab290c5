"""Model breadcrumbs: drop the smallest and the largest elements of each difference.

Davari and Belilovsky 2023, "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks",
arXiv:2312.06795. Its β and γ are shares dropped at either end; here, as in mergekit, `density` is
the share kept, 1 − β − γ.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array
from vlm.methods.elect import elect_and_merge
from vlm.methods.given import Settings, Shared, weight_sum, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Piece, Pieces, add_up, onto, piecewise
from vlm.methods.trim import bands


@piecewise
def breadcrumbs(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Mask, add up; reads `weight`, `density`, `gamma`, and `scale`, `normalize` of the blend.

        θ = b + λ Σ_i w_i band(δ_i)        (normalize: divided by Σ_i w_i)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    for _, base, deltas in _banded(pieces, settings):
        yield onto(base, add_up(deltas, weights, over), shared["scale"])


@piecewise
def breadcrumbs_ties(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Mask, then elect signs as TIES does; reads the same settings, and `compat`.

        θ = b + λ merge(band(δ_1), …, band(δ_n); w)

    `draw` is not read. Raises MergeError without a base, or where normalize meets weights that are all zero.
    """
    merge = elect_and_merge(weights_of(settings), bool(shared["normalize"]), shared["compat"])
    for _, base, deltas in _banded(pieces, settings):
        yield onto(base, merge(deltas), shared["scale"])


def _banded(pieces: Pieces, settings: Settings) -> Iterator[Piece]:
    densities, gammas = ([one[name] for one in settings] for name in ("density", "gamma"))
    banded = bands(pieces, densities, gammas)
    for piece in pieces.differences():
        for delta, band in zip(piece.tensors, banded, strict=True):
            band(delta)
        yield piece
