"""Sign election: several differences become one that points one way at each position.

Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models", arXiv:2306.01708.
"""

from collections.abc import Callable, Sequence

from vlm.methods.arrays import Array, library, scaled
from vlm.methods.given import weight_sum


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
    What it is given is changed. Raises MergeError where normalize meets Σ w_i = 0.
    """
    if normalize:
        weight_sum(weights)
    weighted = compat == "mergekit"
    mixed = min(weights) < 0 < max(weights)
    nothing = 1e-6 * sum(map(abs, weights)) if mixed else 0.0

    def merge(deltas: Sequence[Array]) -> Array:
        xp = library(deltas[0])
        total = xp.zeros_like(deltas[0])
        for delta, weight in zip(deltas, weights, strict=True):
            if weighted:
                delta *= weight
            total += delta
        up = total >= 0 if weighted else total > 0
        down = total < 0
        divisor = xp.zeros_like(total)
        for delta, weight in zip(deltas, weights, strict=True):
            agrees = ((delta > 0) & up) | ((delta < 0) & down)
            delta *= agrees
            if not weighted:
                delta *= weight
            if normalize:
                divisor += scaled(agrees, weight)
        merged = deltas[0]
        for delta in deltas[1:]:
            merged += delta
        if not normalize:
            return merged
        if mixed:
            divisor *= abs(divisor) > nothing
        divisor += divisor == 0  # what is not divided is divided by one
        merged /= divisor
        return merged

    return merge
