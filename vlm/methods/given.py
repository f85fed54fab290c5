"""What every merge equation is given beside tensors: settings, weights and their sum."""

from collections.abc import Mapping, Sequence
from typing import Any

from vlm.errors import MergeError

Settings = Sequence[Mapping[str, float]]  # one mapping an ingredient
Shared = Mapping[str, Any]  # a number, a flag (0 or 1) or a word, as the signature says


def weights_of(settings: Settings) -> list[float]:
    """The weights of the ingredients."""
    return [one["weight"] for one in settings]


def weight_sum(weights: Sequence[float], by: str = "`normalize`") -> float:
    """Σ w_i, as a divisor; `by` says what divides. Raises MergeError where it is zero but for rounding."""
    total = sum(weights)
    if abs(total) <= 1e-12 * sum(abs(weight) for weight in weights):
        other = ", or write `normalize = false`" if by == "`normalize`" else ""
        raise MergeError(
            f"the weights {', '.join(f'{weight:g}' for weight in weights)} sum to zero, "
            f"and {by} divides by that sum",
            f"give one ingredient a larger weight{other}",
        )
    return total


def no_base() -> MergeError:
    """For a method that blends differences and has nothing to take them from."""
    return MergeError("this method blends differences and has no base", "add a `base` line")
