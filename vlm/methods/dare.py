"""DARE: drop elements of each difference at random, rescale the rest, then add up or elect signs.

Yu et al. 2024, "Language Models are Super Mario", arXiv:2311.03099, for dropping and rescaling; sign
election after Yadav et al. 2023, arXiv:2306.01708. `dare_ties` is what Akiba et al. 2024
(arXiv:2403.13187) search over.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.elect import elect_and_merge
from vlm.methods.kernel import (
    Settings,
    Shared,
    add_up,
    differences,
    needed,
    weight_sum,
    weights_of,
)
from vlm.methods.masks import Draw, keep_mask
from vlm.methods.sums import absolute


def dare_linear(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Drop, rescale, add up; reads `weight`, `density`, and all that `shared` has.

        m_i ~ Bernoulli(d_i),   δ̃_i = m_i δ_i / d_i
        θ = b + λ Σ_i w_i δ̃_i        (normalize: divided by Σ_i w_i)

    The masks come from `draw`, so they depend on no order and no device. Raises MergeError without
    a base or a draw, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    weights = weights_of(settings)
    over = weight_sum(weights) if shared["normalize"] else 1.0
    mixed = add_up(_dropped(base, tensors, settings, shared, draw), weights, over)
    return torch.add(base, mixed, alpha=shared["scale"])


def dare_ties(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Drop, rescale, elect, merge; reads the same settings.

        θ = b + λ merge(δ̃_1, …, δ̃_n; w)

    Raises MergeError without a base or a draw, or where normalize meets Σ w_i = 0.
    """
    base = needed(base, tensors)
    dropped = _dropped(base, tensors, settings, shared, draw)
    normalize = bool(shared["normalize"])
    merged = elect_and_merge(dropped, weights_of(settings), normalize, shared["compat"])
    return torch.add(base, merged, alpha=shared["scale"])


def _dropped(
    base: Tensor, tensors: Sequence[Tensor], settings: Settings, shared: Shared, draw: Draw | None
) -> list[Tensor]:
    draw = drawn(draw)
    deltas = differences(base, tensors)
    for i, one in enumerate(settings):
        deltas[i] = _drop(deltas[i], one["density"], draw, i, shared)
    return deltas


def drawn(draw: Draw | None) -> Draw:
    """The draw. Raises MergeError where there is none."""
    if draw is None:
        raise MergeError(
            "its random masks have no seed", "write a seed, as in `dare_ties(seed = 1)`"
        )
    return draw


def _drop(delta: Tensor, density: float, draw: Draw, ingredient: int, shared: Shared) -> Tensor:
    """δ̃ = m δ / d with m from the draw: the expected difference is unchanged; density 0 keeps none."""
    if density <= 0:
        return torch.zeros_like(delta)
    if density >= 1:
        return delta
    kept = delta * keep_mask(draw, ingredient, density, delta.shape, delta.device)
    return rescaled(kept, delta, density, shared)


def rescaled(kept: Tensor, delta: Tensor, share: float | Tensor, shared: Shared) -> Tensor:
    """What is kept of a difference, made up for what is not; in place.

    As `compat` says: divided by the share that is kept in the mean, as the papers do, or brought to
    the L1 norm of the whole, Σ|δ| / Σ|m δ|, as mergekit does. Without `rescale`, as it is.
    """
    if not shared["rescale"]:
        return kept
    if shared["compat"] == "paper":
        return kept.div_(share)
    left = absolute(kept)
    return kept.mul_(absolute(delta) / left) if left > 0 else kept
