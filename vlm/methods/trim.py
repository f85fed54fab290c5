"""Which elements of a difference are largest: exactly k of them, whatever the device.

Differences of bf16 models hold many equal magnitudes, and a sort that breaks ties by chance gives
other models on other devices. Here the lower row-major index wins.
"""

import torch
from torch import Tensor


def trim(delta: Tensor, density: float) -> Tensor:
    """`delta` with its k elements of largest magnitude, and zeros elsewhere.

        k = max(1, ⌊density · n⌋),   none where density ≤ 0

    A new tensor, unless all are kept.
    """
    count = delta.numel()
    if density <= 0 or count == 0:
        return torch.zeros_like(delta)
    keep = max(1, int(density * count))
    if keep >= count:
        return delta
    return delta * largest(delta.abs().flatten(), keep).view(delta.shape)


def band(delta: Tensor, density: float, gamma: float) -> Tensor:
    """`delta` without its smallest and without its largest elements.

        top = ⌊γ n⌋,   k = ⌊density · n⌋,   bottom = max(0, n − k − top)

    The k elements above the `bottom` smallest stay. Where density + γ > 1, fewer than `top` are
    dropped; density 1 keeps everything, as in mergekit. A new tensor, unless all are kept.
    """
    count = delta.numel()
    if density >= 1:
        return delta
    keep = int(density * count)
    bottom = max(0, count - keep - int(gamma * count))
    magnitude = delta.abs().flatten()
    kept = largest(magnitude, count - bottom) & ~largest(magnitude, count - bottom - keep)
    return delta * kept.view(delta.shape)


def largest(magnitude: Tensor, keep: int) -> Tensor:
    """A bool tensor that is True at the `keep` largest of a flat tensor: at exactly so many."""
    if keep <= 0:
        return torch.zeros_like(magnitude, dtype=torch.bool)
    if keep >= magnitude.numel():
        return torch.ones_like(magnitude, dtype=torch.bool)
    threshold = kth_largest(magnitude, keep)
    kept = magnitude > threshold
    level = (magnitude == threshold).nonzero().flatten()  # ascending indices
    kept[level[: keep - int(kept.count_nonzero())]] = True
    return kept


def kth_largest(values: Tensor, k: int) -> Tensor:
    """The k-th largest of a flat tensor, 1 ≤ k ≤ n: exact, and a scalar tensor.

    A sorted sample of every so-manieth value brackets it between two of its values; what lies in
    the bracket is a few percent, and only there is the rank looked up. Where the sample misleads,
    the whole tensor is searched. Four times as fast as `kthvalue` over 2²⁴ values.
    """
    count = values.numel()
    if count < 1 << 17:
        return values.kthvalue(count - k + 1).values
    sample = values[:: count >> 16].sort().values
    # The rank in a sample of s strays by √s / 2 at most one time in three; six times that is far.
    middle, reach = (1 - k / count) * sample.numel(), 3 * sample.numel() ** 0.5
    low, high = int(middle - reach), int(middle + reach)
    inside = torch.ones_like(values, dtype=torch.bool)
    above = 0
    if low > 0:
        inside &= values >= sample[low]
    if high < sample.numel() - 1:
        over = values > sample[high]
        above = int(over.count_nonzero())
        inside &= ~over
    bracket = values[inside]
    rank = bracket.numel() - (k - above)
    if not 0 <= rank < bracket.numel():
        return values.kthvalue(count - k + 1).values
    return bracket.kthvalue(rank + 1).values
