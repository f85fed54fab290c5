"""Arcee Fusion gives a base what another model has where that matters.

It has no paper: it is Arcee's (2024), described by mergekit's documentation.
"""

from collections.abc import Sequence

from torch import Tensor

from vlm.methods.arrays import kth_smallest, of_tensor
from vlm.methods.kernel import Settings, Shared, needed
from vlm.methods.masks import Draw
from vlm.methods.sums import row_blocks


def arcee_fusion(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """The ingredient where it matters, the base elsewhere; reads no setting.

        p = softmax(x) + ε,   q = softmax(b) + ε        over each row, ε = 1e-8
        importance = |x − b| · Σ_row p log(p / q)
        θ = b + [importance ≥ Q₂ + 1.5 (Q₃ − Q₁)] (x − b)

    Q are the quartiles, at ranks ⌊q (n − 1)⌋. Two deviations from mergekit: the divergence is summed
    in double precision (in single, that of a row of thousands is noise), and the quartiles are exact
    (it samples a million of a larger tensor). Raises MergeError without a base.
    """
    base = needed(base, tensors)
    if base.numel() == 0:
        return base.clone()
    delta = tensors[0] - base
    rows = base.reshape(-1, base.shape[-1]) if base.dim() else base.reshape(1, 1)
    importance = delta.abs().view_as(rows)
    other = tensors[0].reshape(rows.shape)
    for part in row_blocks(rows):
        importance[part] *= _divergence(other[part], rows[part]).float()
    flat = importance.flatten()
    low, middle, high = (_quantile(flat, quarter) for quarter in (1, 2, 3))
    kept = importance >= middle + 1.5 * (high - low)
    return delta.mul_(kept.view_as(delta)).add_(base)


def _divergence(x: Tensor, base: Tensor) -> Tensor:
    """KL(softmax(x) ‖ softmax(b)) of each row, float64, one column."""
    p = x.double().softmax(dim=1) + 1e-8
    q = base.double().softmax(dim=1) + 1e-8
    return (p * (p / q).log()).sum(dim=1, keepdim=True)


def _quantile(flat: Tensor, quarter: int) -> float:
    return kth_smallest(of_tensor(flat), quarter * (flat.numel() - 1) // 4)
