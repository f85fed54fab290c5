"""TIES: trim each difference, elect a sign for each position, merge what agrees with it.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
Two choices that the paper leaves to its code, taken here as the field takes them today: trimming is
per tensor, and signs are elected on the weighted differences.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import blocks, differences, weight_sum
from vlm.methods.masks import Draw


def ties(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Sequence[Mapping[str, float]],
    shared: Mapping[str, float],
    draw: Draw | None,
) -> Tensor:
    """Trim, elect, merge; reads `weight`, `density`, and the blend's `scale`, `normalize`.

        δ̂_i = trim(x_i − b, d_i)
        θ = b + λ merge(w_1 δ̂_1, …, w_n δ̂_n)

    `draw` is not read. Raises MergeError without a base, or where normalize meets Σ w_i = 0.
    """
    deltas = differences(base, tensors)
    assert base is not None  # else `differences` has raised
    weights = [one["weight"] for one in settings]
    for i, one in enumerate(settings):
        deltas[i] = trim(deltas[i], one["density"]).mul_(weights[i])
    merged = elect_and_merge(deltas, weights, bool(shared["normalize"]))
    return torch.add(base, merged, alpha=shared["scale"])


def trim(delta: Tensor, density: float) -> Tensor:
    """`delta` with its k elements of largest magnitude, and zeros elsewhere.

        k = max(1, ⌊density · n⌋),   none where density ≤ 0

    A new tensor, unless all are kept. Exactly k are: among equal magnitudes the lower row-major
    index wins. Differences of bf16 models hold many equal magnitudes, and a sort that breaks ties
    by chance gives other models on other devices.
    """
    count = delta.numel()
    keep = max(1, int(density * count))
    if density <= 0 or count == 0:
        return torch.zeros_like(delta)
    if keep >= count:
        return delta
    magnitude = delta.abs().flatten()
    threshold = magnitude.kthvalue(count - keep + 1).values
    kept = magnitude > threshold
    level = (magnitude == threshold).nonzero().flatten()  # ascending indices
    kept[level[: keep - int(kept.count_nonzero())]] = True
    return delta * kept.view(delta.shape)


def elect_and_merge(
    weighted: Sequence[Tensor], weights: Sequence[float], normalize: bool
) -> Tensor:
    """One difference from several: each position adds up those that point the elected way.

        γ = sgn(Σ_i v_i),   m_i = [sgn(v_i) = γ],   v_i = w_i δ̂_i
        merge = Σ_i m_i v_i  /  Σ_i m_i w_i        (normalize; without it, the numerator alone)

    Where the v_i cancel exactly, γ = 0 and the base stays as it is: neither sign is favoured.
    Where weights of both signs agree on γ and their sum is zero, the sum is not divided. Raises
    MergeError where normalize meets Σ w_i = 0.
    """
    if normalize:
        weight_sum(weights)
    flat = [one.flatten() for one in weighted]
    merged = torch.empty_like(flat[0])
    for part in blocks(flat[0]):
        merged[part] = _merge_block([one[part] for one in flat], weights, normalize)
    return merged.view_as(weighted[0])


def _merge_block(weighted: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    total = torch.zeros_like(weighted[0])
    for one in weighted:
        total.add_(one)
    elected = total.sign_()
    # γ v_i is |v_i| where v_i agrees, and not above zero where it does not.
    merged = torch.zeros_like(elected)
    divisor = torch.zeros_like(elected)
    for one, weight in zip(weighted, weights, strict=True):
        agreeing = (one * elected).clamp_(min=0)
        merged.add_(agreeing)
        if normalize:
            divisor.add_(agreeing > 0, alpha=weight)
    merged.mul_(elected)
    return merged.div_(divisor.masked_fill_(divisor == 0, 1.0)) if normalize else merged
