"""95 % intervals: per-sample values and their pictures go in, a mean between two ends comes out.

Questions about one picture stand or fall together, so pictures are resampled, not questions
(cluster bootstrap; Efron and Tibshirani 1993, "An Introduction to the Bootstrap"). The ends are
percentiles 2.5 and 97.5 of 10,000 resampled means. For means the percentile interval is sound from
some thirty pictures on; below that it is too narrow, and with one picture it has no width at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_AT_ONCE = 4_000_000  # drawn indices held in memory: 32 MB


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; `n` counts samples, not pictures."""

    value: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], clusters: Sequence[str], seed: int) -> Interval:
    """The mean of `values` with its interval; `clusters[i]` names the picture of `values[i]`.

        mean* = Σ_g s_g / Σ_g n_g        over G pictures g drawn from the G, with replacement

    with s_g the sum and n_g the count of a picture's values. The same arguments give the same
    interval under one version of numpy. Raises ValueError for no values, or for lengths that
    differ.
    """
    if len(values) != len(clusters) or not values:
        raise ValueError(f"{len(values)} values in {len(clusters)} clusters have no interval")
    numbers = np.asarray(values, dtype=np.float64)
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(member, weights=numbers).astype(np.float64)
    counts = np.bincount(member).astype(np.float64)
    means = _resampled_means(sums, counts, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(numbers.mean()), float(low), float(high), len(values))


def paired(
    values_a: Sequence[float], values_b: Sequence[float], clusters: Sequence[str], seed: int
) -> Interval:
    """The mean of a − b over the same samples, with its interval: whether one model beats another.

    Narrower than what two intervals apart suggest, since both models find the same questions hard.
    Raises ValueError for lengths that differ.
    """
    return interval([a - b for a, b in zip(values_a, values_b, strict=True)], clusters, seed)


def _resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """RESAMPLES means, each of as many pictures as there are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    pictures = len(sums)
    rows = max(1, _AT_ONCE // pictures)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, rows):
        drawn = generator.integers(pictures, size=(min(rows, RESAMPLES - start), pictures))
        means[start : start + rows] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
