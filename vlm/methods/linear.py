"""Averages of whole models: linear, soup, WiSE-FT, and one model alone.

Model soups: Wortsman et al. 2022, arXiv:2203.05482; with free weights it is `linear`, as in Matena
and Raffel 2022, arXiv:2111.09832. WiSE-FT: Wortsman et al. 2022, arXiv:2109.01903.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array
from vlm.methods.given import Settings, Shared, no_base, weight_sum, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, add_up, onto, piecewise


@piecewise
def linear(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """The weighted mean of the ingredients; reads `weight`, and `normalize` of the blend.

        θ = Σ_i w_i x_i  /  Σ_i w_i        (normalize; without it, the numerator alone)

    `draw` and a base are not read. Raises MergeError where normalize meets Σ w_i = 0 (mergekit
    writes NaN there).
    """
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    for piece in pieces.walk():
        yield add_up(piece.tensors, weights, over)


@piecewise
def soup(pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None) -> Iterator[Array]:
    """The mean of the ingredients; reads `weight`, which is 1 for the uniform soup of the paper.

        θ = Σ_i w_i x_i  /  Σ_i w_i

    `shared`, `draw` and a base are not read. Raises MergeError where Σ w_i = 0.
    """
    weights = weights_of(settings)
    over = weight_sum(weights, "`soup`")
    for piece in pieces.walk():
        yield add_up(piece.tensors, weights, over)


@piecewise
def wise_ft(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """A straight line from a model to its tuned self; reads `alpha` of the blend.

        θ = (1 − α) b + α x

    From the nearer end, so that either is met. `settings` and `draw` are not read. Raises MergeError
    without a base.
    """
    if pieces.base is None:
        raise no_base()
    alpha = shared["alpha"]
    for _, base, (tuned,) in pieces.walk():
        delta = tuned - base
        yield onto(base, delta, alpha) if alpha < 0.5 else onto(tuned, delta, alpha - 1.0)


@piecewise
def passthrough(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """One ingredient times `scale`:  θ = λ x.  `settings`, `draw` and a base are not read."""
    for piece in pieces.walk():
        yield add_up(piece.tensors, [shared["scale"]])
