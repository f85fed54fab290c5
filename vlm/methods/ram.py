"""RAM: average differences only where several ingredients have changed.

"Behavior Knowledge Merge in Reinforced Agentic Models" (Reinforced Agent Merging) 2026,
arXiv:2601.13572. RAM+ counts over a whole model; here, as in mergekit, over each tensor.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import Settings, Shared, differences, needed
from vlm.methods.masks import Draw


def ram(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The mean over the ingredients that changed a number; reads `epsilon` of the blend.

        a_i = [|δ_i| > ε],   k = Σ_i a_i
        θ = b + Σ_i a_i δ_i / max(k, 1)

    ε is absolute, as in the paper. `settings` and `draw` are not read. Raises MergeError without a
    base.
    """
    base = needed(base, tensors)
    deltas, counts = _active(base, tensors, shared["epsilon"])
    merged = torch.zeros_like(base)
    for delta in deltas:
        merged.add_(delta)
    return merged.div_(counts.clamp(min=1)).add_(base)


def ramplus_tl(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The same, with what is unique to an ingredient raised; reads `r`, `alpha`, `epsilon`.

        ρ_i = #{a_i = 1, k > 1} / #{a_i = 1, k = 1},   λ_i = 1 + r min(ρ_i, α)
        θ = b + Σ_i a_i δ_i · (λ_i where k = 1, 1/k where k > 1)

    An ingredient with nothing unique has nothing to raise. `settings` and `draw` are not read.
    Raises MergeError without a base.
    """
    base = needed(base, tensors)
    deltas, counts = _active(base, tensors, shared["epsilon"])
    unique = counts == 1
    merged = torch.zeros_like(base)
    for delta in deltas:
        own = int((unique & (delta != 0)).count_nonzero())
        common = int((delta != 0).count_nonzero()) - own
        raised = 1 + shared["r"] * min(common / max(own, 1), shared["alpha"])
        merged.add_(torch.where(unique, delta * raised, delta))
    return merged.div_(counts.clamp(min=1)).add_(base)


def _active(base: Tensor, tensors: Sequence[Tensor], epsilon: float) -> tuple[list[Tensor], Tensor]:
    """Differences with zeros where they are too small to count, and how many are left where."""
    deltas = differences(base, tensors)
    counts = torch.zeros_like(base)
    for i, delta in enumerate(deltas):
        active = delta.abs() > epsilon
        deltas[i] = delta.mul_(active)
        counts.add_(active)
    return deltas, counts
