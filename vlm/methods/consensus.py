"""What several tasks agree on: consensus merging by TALL masks, and the unified model of EMR."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import Settings, Shared, add_up, differences, needed, weights_of
from vlm.methods.masks import Draw


def consensus(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Task arithmetic where enough ingredients need it; reads `weight`, and `overlap`, `agree`, `scale`.

        τ_i = w_i δ_i,   τ = Σ_i τ_i
        m_i = [|τ_i| ≥ o |τ − τ_i|]                                      the TALL mask of i
        θ = b + λ τ [Σ_i m_i ≥ k]

    Wang et al. 2024, "Localizing Task Information for Improved Model Merging and Compression",
    arXiv:2405.07813; o is their λ_t, which they tune by task between 0.2 and 0.6, and k = `agree`.
    An ingredient owns no position where it has not changed (there the inequality could say 0 ≥ 0).
    `draw` is not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    weights = weights_of(settings)
    deltas = differences(base, tensors)
    total = add_up(deltas, weights)
    owners = torch.zeros_like(base)
    for delta, weight in zip(deltas, weights, strict=True):
        mine = delta.mul_(weight)
        rest = torch.sub(total, mine).abs_().mul_(shared["overlap"])
        owners.add_((mine.abs() >= rest) & (mine != 0))
    kept = owners >= min(int(shared["agree"]), len(deltas))
    return torch.add(base, total.mul_(kept), alpha=shared["scale"])


def emr(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The largest difference of the elected sign; reads `weight`, and `scale` of the blend.

        τ_i = w_i δ_i,   γ = sgn(Σ_i τ_i)
        θ = b + λ γ max_i (γ τ_i)⁺

    The unified model of Huang et al. 2024, "EMR-Merging: Tuning-Free High-Performance Model Merging",
    arXiv:2405.17461. Their masks and rescalers, one for each task, need to know the task of a
    question; they are not part of one model, and not made here. `draw` is not read. Raises
    MergeError without a base.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    for delta, weight in zip(deltas, weights_of(settings), strict=True):
        delta.mul_(weight)
    elected = add_up(deltas, [1.0] * len(deltas)).sign_()
    most = torch.zeros_like(base)
    for delta in deltas:
        torch.maximum(most, delta.mul_(elected), out=most)
    return torch.add(base, most.mul_(elected), alpha=shared["scale"])
