"""Sign election: several differences become one that points one way at each position.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
"""

from collections.abc import Callable, Sequence

from vlm.methods.arrays import Array, scaled
from vlm.methods.given import weight_sum

LEAST = 1e-37  # changes no sum of weights, and makes zero by zero zero


def elect_and_merge(
    weights: Sequence[float], normalize: bool, compat: str
) -> Callable[[Sequence[Array]], Array]:
    """What makes one difference of several: each position adds up those that point the elected way.

        γ = sgn(Σ_i v_i),   m_i = [sgn(v_i) = γ]
        merge = Σ_i m_i w_i δ_i  /  Σ_i m_i w_i        (normalize; without it, the numerator alone)

    `compat` says who votes. "paper": v_i = δ_i, as the paper elects before it scales; where they
    cancel exactly, γ = 0 and the base stays as it is. "mergekit": v_i = w_i δ_i, and where these
    cancel, γ = +1.

    Where agreeing weights of both signs sum to zero (but for rounding), the sum is not divided.
    What it is given is changed. Raises MergeError where normalize meets weights that are all zero.
    """
    merge = merging(weights, normalize)
    votes = None if compat == "paper" else list(weights)

    return lambda deltas: merge(deltas, elect(deltas, votes))


def elect(deltas: Sequence[Array], weights: Sequence[float] | None = None) -> list[Array]:
    """m_i: where each difference points the elected way. With `weights` votes are weighted, as mergekit's."""
    votes = deltas if weights is None else [d * w for d, w in zip(deltas, weights, strict=True)]
    total = votes[0] + 0.0  # a copy
    for vote in votes[1:]:
        total += vote
    up = total > 0 if weights is None else total >= 0
    down = total < 0
    return [((vote > 0) & up) | ((vote < 0) & down) for vote in votes]


def merging(
    weights: Sequence[float], normalize: bool
) -> Callable[[Sequence[Array], Sequence[Array]], Array]:
    """What adds up differences where their masks m_i say so; what it is given is changed.

    Raises MergeError where normalize meets weights that are all zero: what is divided by are sums of
    those that agree, and where such a sum is zero nothing is divided.
    """
    if normalize:
        weight_sum([abs(weight) for weight in weights])
    mixed = min(weights) < 0 < max(weights)
    nothing = 1e-6 * sum(map(abs, weights)) if mixed else 0.0

    def merge(deltas: Sequence[Array], masks: Sequence[Array]) -> Array:
        shares = [scaled(mask, weight) for mask, weight in zip(masks, weights, strict=True)]
        for delta, share in zip(deltas, shares, strict=True):
            delta *= share
        merged = _sum(deltas)
        if not normalize:
            return merged
        divisor = _sum(shares)
        if mixed:
            divisor *= abs(divisor) > nothing
            divisor += divisor == 0  # what is not divided is divided by one
        else:
            divisor += LEAST
        merged /= divisor
        return merged

    return merge


def _sum(parts: Sequence[Array]) -> Array:
    """In the place of the first."""
    whole = parts[0]
    for part in parts[1:]:
        whole += part
    return whole
