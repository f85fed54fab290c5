"""What several tasks agree on: consensus merging by TALL masks, and the unified model of EMR."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.errors import MergeError
from vlm.methods.kernel import Settings, Shared, add_up, differences, needed, weights_of
from vlm.methods.masks import Draw
from vlm.methods.sums import absolute


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
    """The largest difference of the elected sign; reads `weight`, `task`, and `scale` of the blend.

        τ_i = w_i δ_i,   γ = sgn(Σ_i τ_i),   τ = γ max_i (γ τ_i)⁺
        θ = b + λ τ                                                       the unified model
        θ = b + λ s_t m_t τ,   m_t = [τ_t τ > 0],   s_t = Σ|τ_t| / Σ|m_t τ|      for the task of t

    Huang et al. 2024, "EMR-Merging: Tuning-Free High-Performance Model Merging", arXiv:2405.17461. They
    keep all masks m and rescalers s beside the unified model and put them on by the task of each
    question; one model is for one task, that of the ingredient whose `task` is true, or for none. s is
    of a tensor here, of a whole model there. `draw` is not read. Raises MergeError without a base, or
    where several ingredients are the task.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    for delta, weight in zip(deltas, weights_of(settings), strict=True):
        delta.mul_(weight)
    tasks = [delta for delta, one in zip(deltas, settings, strict=True) if one["task"]]
    if len(tasks) > 1:
        raise MergeError(
            f"{len(tasks)} ingredients are the task, and a model has one mask",
            "say `task = true` of one `take`, or of none",
        )
    elected = add_up(deltas, [1.0] * len(deltas)).sign_()
    most = torch.zeros_like(base)
    for delta in deltas:
        torch.maximum(most, delta * elected, out=most)
    most.mul_(elected)
    scale = shared["scale"]
    for task in tasks:
        most.mul_(task * most > 0)
        left = absolute(most)
        scale *= absolute(task) / left if left > 0 else 0.0
    return torch.add(base, most, alpha=scale)
