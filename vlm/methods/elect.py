"""Sign election: several differences become one that points one way at each position.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import blocks, weight_sum


def elect_and_merge(
    deltas: Sequence[Tensor], weights: Sequence[float], normalize: bool, compat: str
) -> Tensor:
    """One difference from several: each position adds up those that point the elected way.

        γ = sgn(Σ_i v_i),   m_i = [sgn(v_i) = γ]
        merge = Σ_i m_i w_i δ_i  /  Σ_i m_i w_i        (normalize; without it, the numerator alone)

    `compat` says who votes. "paper": v_i = δ_i, as the paper elects before it scales; where they
    cancel exactly, γ = 0 and the base stays as it is. "mergekit": v_i = w_i δ_i, and where these
    cancel, γ = +1.

    Where agreeing weights of both signs sum to zero (but for rounding), the sum is not divided.
    Raises MergeError where normalize meets Σ w_i = 0.
    """
    if normalize:
        weight_sum(weights)
    flat = [one.flatten() for one in deltas]
    merged = torch.empty_like(flat[0])
    for part in blocks(flat[0]):
        merged[part] = _merge_block([one[part] for one in flat], weights, normalize, compat)
    return merged.view_as(deltas[0])


def _merge_block(
    deltas: Sequence[Tensor], weights: Sequence[float], normalize: bool, compat: str
) -> Tensor:
    weighted = compat == "mergekit"
    total = torch.zeros_like(deltas[0])
    for delta, weight in zip(deltas, weights, strict=True):
        total.add_(delta, alpha=weight if weighted else 1.0)
    elected = torch.where(total >= 0, 1.0, -1.0) if weighted else total.sign_()
    merged = torch.zeros_like(elected)
    divisor = torch.zeros_like(elected)
    for delta, weight in zip(deltas, weights, strict=True):
        # γ v_i is |v_i| where v_i agrees, and not above zero where it does not.
        vote = delta * (elected * weight) if weighted else delta * elected
        vote.clamp_(min=0)
        merged.add_(vote, alpha=1.0 if weighted else weight)
        if normalize:
            divisor.add_(vote > 0, alpha=weight)
    merged.mul_(elected)
    if not normalize:
        return merged
    mixed = min(weights) < 0 < max(weights)
    nothing = 1e-6 * sum(map(abs, weights)) if mixed else 0.0
    return merged.div_(divisor.masked_fill_(divisor.abs() <= nothing, 1.0))
