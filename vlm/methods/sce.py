"""SCE: select the positions where ingredients differ, weigh ingredients, erase minorities.

Wan et al. 2024, "FuseChat: Knowledge Fusion of Chat Models", arXiv:2408.07990.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.arrays import of_tensor
from vlm.methods.kernel import Settings, Shared, add_up, blocks, differences, needed
from vlm.methods.masks import Draw
from vlm.methods.sums import inner
from vlm.methods.trim import largest


def sce(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Select, calculate, erase; reads `select_topk`, `scale` and `compat` of the blend.

        select:     δ̂_i = δ_i where the variance over i is among the top share, 0 elsewhere
        calculate:  η_i = Σ δ̂_i² / Σ_j Σ δ̂_j²
        erase:      m_i = [sgn(δ̂_i) = sgn(Σ_j δ̂_j)]
        θ = b + λ Σ_i m_i η_i δ̂_i

    The share is of the positions whose variance is not zero. "mergekit" divides by Σ_i m_i η_i (but
    not by less than 1e-6), counts a sum of zero as positive, and takes η_i = 1/n where the mean
    squares sum to less than 1e-6, as those of most tuned models do. `settings` and `draw` are not
    read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    if shared["select_topk"] < 1:
        chosen = _varied(deltas, shared["select_topk"])
        deltas = [delta.mul_(chosen) for delta in deltas]
    mergekit = shared["compat"] == "mergekit"
    squares = [inner(delta, delta) for delta in deltas]
    total = sum(squares)
    if total == 0 or (mergekit and total / base.numel() < 1e-6):
        squares = [1.0] * len(deltas)
        total = float(len(deltas))
    flat = [delta.flatten() for delta in deltas]
    merged = torch.empty_like(flat[0])
    for part in blocks(merged):
        here = [one[part] for one in flat]
        merged[part] = _erased(here, [square / total for square in squares], mergekit)
    return torch.add(base, merged.view_as(base), alpha=shared["scale"])


def _varied(deltas: Sequence[Tensor], share: float) -> Tensor:
    """A bool tensor of their shape: where the variance over the ingredients is largest."""
    flat = [delta.flatten() for delta in deltas]
    variance = torch.empty_like(flat[0])
    for part in blocks(variance):
        # From the first on, so that what all have alike has no variance, and not a rounding's.
        away = [one[part] - flat[0][part] for one in flat]
        mean = add_up(away, [1.0] * len(away), len(away))
        spread = torch.zeros_like(mean)
        for one in away:
            spread.add_(one.sub_(mean).square_())
        variance[part] = spread.div_(len(flat))
    keep = int(int(variance.count_nonzero()) * share)
    chosen = largest(of_tensor(variance), keep)
    return torch.as_tensor(chosen).view_as(deltas[0])


def _erased(deltas: Sequence[Tensor], shares: Sequence[float], mergekit: bool) -> Tensor:
    total = torch.zeros_like(deltas[0])
    for delta in deltas:
        total.add_(delta)
    elected = torch.where(total >= 0, 1.0, -1.0) if mergekit else total.sign_()
    merged = torch.zeros_like(elected)
    divisor = torch.zeros_like(elected)
    for delta, share in zip(deltas, shares, strict=True):
        vote = (delta * elected).clamp_(min=0)
        merged.add_(vote, alpha=share)
        divisor.add_(vote > 0, alpha=share)
    merged.mul_(elected)
    return merged.div_(divisor.clamp_(min=1e-6)) if mergekit else merged
