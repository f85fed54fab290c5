"""DARE: drop elements of each difference at random, rescale the rest, then add up or elect signs.

Yu et al. 2024, "Language Models are Super Mario", arXiv:2311.03099, for dropping and rescaling; sign
election after Yadav et al. 2023, arXiv:2306.01708. `dare_ties` is what Akiba et al. 2024
(arXiv:2403.13187) search over.
"""

from collections.abc import Callable, Iterator

from vlm.errors import MergeError
from vlm.methods.arrays import Array, absolute, divide, scaled
from vlm.methods.elect import elect_and_merge
from vlm.methods.given import Settings, Shared, weight_sum, weights_of
from vlm.methods.masks import Draw, keep_mask
from vlm.methods.pieces import Piece, Pieces, add_up, onto, piecewise

Drop = Callable[[Array, slice, int], Array]  # a piece of a difference, which, of whom: what is kept


@piecewise
def dare_linear(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Drop, rescale, add up; reads `weight`, `density`, and all that `shared` has.

        m_i ~ Bernoulli(d_i),   δ̃_i = m_i δ_i / d_i
        θ = b + λ Σ_i w_i δ̃_i        (normalize: divided by Σ_i w_i)

    The masks come from `draw`, so they depend on no order and no device. Raises MergeError without
    a base or a draw, or where normalize meets Σ w_i = 0.
    """
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    for _, base, deltas in _dropped(pieces, settings, shared, draw):
        yield onto(base, add_up(deltas, weights, over), shared["scale"])


@piecewise
def dare_ties(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Drop, rescale, elect, merge; reads the same settings.

        θ = b + λ merge(δ̃_1, …, δ̃_n; w)

    Raises MergeError without a base or a draw, or where normalize meets weights that are all zero.
    """
    merge = elect_and_merge(weights_of(settings), bool(shared["normalize"]), shared["compat"])
    for _, base, deltas in _dropped(pieces, settings, shared, draw):
        yield onto(base, merge(deltas), shared["scale"])


def _dropped(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Piece]:
    draw = drawn(draw)
    densities = [one["density"] for one in settings]

    def drop(delta: Array, part: slice, i: int) -> Array:
        """m δ, or m δ / d; density 0 keeps none, 1 all."""
        density = densities[i]
        if density >= 1:
            return delta
        delta *= scaled(keep_mask(draw, i, density, part, delta), 1.0)
        if shared["rescale"] and shared["compat"] == "paper" and density > 0:
            divide(delta, density)
        return delta

    yield from rescaled(pieces, shared, drop)


def drawn(draw: Draw | None) -> Draw:
    """The draw. Raises MergeError where there is none."""
    if draw is None:
        raise MergeError(
            "its random masks have no seed", "write a seed, as in `dare_ties(seed = 1)`"
        )
    return draw


def rescaled(pieces: Pieces, shared: Shared, drop: Drop, rows: bool = False) -> Iterator[Piece]:
    """Differences of which some is dropped, and which make up for it.

    As `compat` says: `drop` divides by the share that is kept in the mean, as the papers do, or what
    it leaves is brought to the L1 norm of the whole, Σ|δ| / Σ|m δ|, as mergekit does.
    """
    factors = [1.0] * len(pieces.tensors)
    if shared["compat"] == "mergekit" and shared["rescale"]:
        whole, left = [0.0] * len(factors), [0.0] * len(factors)
        for part, _, deltas in pieces.differences(rows):
            for i, delta in enumerate(deltas):
                whole[i] += absolute(delta)
                left[i] += absolute(drop(delta, part, i))
        factors = [w / x if x > 0 else 1.0 for w, x in zip(whole, left, strict=True)]
    for piece in pieces.differences(rows):
        for i, delta in enumerate(piece.tensors):
            piece.tensors[i] = drop(delta, piece.part, i)
            if factors[i] != 1.0:
                piece.tensors[i] *= factors[i]
        yield piece
