"""Weighted average: the tensors of the ingredients go in, their mean comes out.

Model soups, Wortsman et al. 2022, arXiv:2203.05482; the weights are free, as in Matena and Raffel.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import check_shapes, weight_sum
from vlm.methods.masks import Draw


def linear(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Sequence[Mapping[str, float]],
    shared: Mapping[str, float],
    draw: Draw | None,
) -> Tensor:
    """The weighted mean of the ingredients; reads `weight`, and `normalize` of the blend.

        θ = Σ_i w_i x_i  /  Σ_i w_i        (normalize; without it, the numerator alone)

    `base` and `draw` are not read. Raises MergeError where normalize meets Σ w_i = 0.
    """
    check_shapes(tensors)
    weights = [one["weight"] for one in settings]
    # Divided in Python's double precision, so that a lone ingredient comes out untouched.
    total = weight_sum(weights) if shared["normalize"] else 1.0
    mixed = torch.zeros_like(tensors[0])
    for tensor, weight in zip(tensors, weights, strict=True):
        mixed.add_(tensor, alpha=weight / total)
    return mixed
