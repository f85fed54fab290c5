"""Averages of whole models: linear, soup, WiSE-FT, and one model alone.

Model soups: Wortsman et al. 2022, arXiv:2203.05482; with free weights it is `linear`, as in Matena
and Raffel 2022, arXiv:2111.09832. WiSE-FT: Wortsman et al. 2022, arXiv:2109.01903.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import (
    Settings,
    Shared,
    add_up,
    check_shapes,
    needed,
    weight_sum,
    weights_of,
)
from vlm.methods.masks import Draw


def linear(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The weighted mean of the ingredients; reads `weight`, and `normalize` of the blend.

        θ = Σ_i w_i x_i  /  Σ_i w_i        (normalize; without it, the numerator alone)

    `base` and `draw` are not read. Raises MergeError where normalize meets Σ w_i = 0 (mergekit
    writes NaN there).
    """
    check_shapes(tensors)
    weights = weights_of(settings)
    return add_up(tensors, weights, weight_sum(weights) if shared["normalize"] else 1.0)


def soup(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The mean of the ingredients; reads `weight`, which is 1 for the uniform soup of the paper.

        θ = Σ_i w_i x_i  /  Σ_i w_i

    `base`, `shared` and `draw` are not read. Raises MergeError where Σ w_i = 0.
    """
    check_shapes(tensors)
    weights = weights_of(settings)
    return add_up(tensors, weights, weight_sum(weights, "`soup`"))


def wise_ft(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """A straight line from a model to its tuned self; reads `alpha` of the blend.

        θ = (1 − α) b + α x

    `settings` and `draw` are not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    return torch.lerp(base, tensors[0], shared["alpha"])


def passthrough(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """One ingredient times `scale`:  θ = λ x.  `base`, `settings` and `draw` are not read."""
    return torch.mul(tensors[0], shared["scale"])
