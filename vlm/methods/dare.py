"""DARE: drop elements of each difference at random, rescale the rest, then merge as TIES does.

Yu et al. 2024, "Language Models are Super Mario", arXiv:2311.03099, for dropping and rescaling;
sign election after Yadav et al. 2023, arXiv:2306.01708. The pair is what Akiba et al. 2024
(arXiv:2403.13187) search over.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.kernel import differences
from vlm.methods.masks import Draw, keep_mask
from vlm.methods.ties import elect_and_merge


def dare_ties(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Sequence[Mapping[str, float]],
    shared: Mapping[str, float],
    draw: Draw | None,
) -> Tensor:
    """Drop, rescale, elect, merge; reads `weight`, `density`, and the blend's `scale`, `normalize`.

        m_i ~ Bernoulli(d_i),   δ̃_i = m_i δ_i / d_i
        θ = b + λ merge(w_1 δ̃_1, …, w_n δ̃_n)

    The masks come from `draw`, so they depend on no order and no device. Raises MergeError without
    a base or a draw, or where normalize meets Σ w_i = 0.
    """
    if draw is None:
        raise MergeError("its random masks have no seed", "write `dare_ties(seed = 1)`")
    deltas = differences(base, tensors)
    assert base is not None  # else `differences` has raised
    weights = [one["weight"] for one in settings]
    for i, one in enumerate(settings):
        deltas[i] = drop(deltas[i], one["density"], draw, i).mul_(weights[i])
    merged = elect_and_merge(deltas, weights, bool(shared["normalize"]))
    return torch.add(base, merged, alpha=shared["scale"])


def drop(delta: Tensor, density: float, draw: Draw, ingredient: int) -> Tensor:
    """δ̃ = m δ / d with m from the draw: the expected difference is unchanged; density 0 keeps none.

    Divided by d as in the paper, and not matched in L1 norm as mergekit does today.
    """
    if density <= 0:
        return torch.zeros_like(delta)
    mask = keep_mask(draw, ingredient, density, delta.shape, delta.device)
    return (delta * mask).div_(density)
