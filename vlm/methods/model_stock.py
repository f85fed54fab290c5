"""Model stock: the mean of tuned models, drawn towards the base by how far their angles spread.

Jang et al. 2024, "Model Stock: All we need is just a few fine-tuned models", arXiv:2403.19522.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from vlm.methods.kernel import Settings, Shared, add_up, differences, needed
from vlm.methods.masks import Draw
from vlm.methods.sums import as_rows, row_inner


def model_stock(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Between the base and the mean; reads `filter_wise`: an angle for each row, or for the tensor.

        c = mean_{i<j} cos ∠(δ_i, δ_j),   t = N c / (1 + (N − 1) c)
        θ = b + t · 1/N Σ_i δ_i

    t is not clamped: angles above a right one lead beyond the base. A difference of zeros agrees
    with nothing (its cosines are 0), and where 1 + (N − 1) c = 0 no t is the right one and the base
    stays. `settings` and `draw` are not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    count = len(deltas)
    rows = [as_rows(delta) if shared["filter_wise"] else delta.reshape(1, -1) for delta in deltas]
    squares = [row_inner(row, row) for row in rows]
    cosines = []
    for i, j in combinations(range(count), 2):
        lengths = (squares[i] * squares[j]).sqrt_()
        nothing = lengths == 0
        cosine = row_inner(rows[i], rows[j]) / lengths.masked_fill(nothing, 1.0)
        cosines.append(cosine.masked_fill(nothing, 0.0).clamp_(-1.0, 1.0))
    mean = torch.stack(cosines).mean(dim=0)
    divisor = 1 + (count - 1) * mean
    singular = divisor.abs() < 1e-6
    t = (count * mean / divisor.masked_fill(singular, 1.0)).masked_fill(singular, 0.0)
    moved = add_up(rows, [1.0] * count, count).mul_(t.float())
    return base + moved.view_as(base)
