"""One coordinate of the space, and its encoding between 0 and 1.

In: a value, or a number between 0 and 1. Out: the other. A decoded real is rounded to a grid of four to
five significant digits, so that what a frozen recipe says reads back as exactly the same number, and
`decode(gene, encode(gene, v)) == v` for every value that was ever decoded.
"""

import math
from typing import Literal, NamedTuple

from merge_dsl.space.candidate import Value

Kind = Literal["real", "int", "choice", "flag"]


class Gene(NamedTuple):
    """`low` and `high` bound a real or an int; `options` are those of a choice or a flag."""

    name: str
    kind: Kind
    low: float | int | None
    high: float | int | None
    start: Value
    log: bool = False
    step: float | None = None
    options: tuple[Value, ...] = ()

    @property
    def size(self) -> int | None:
        """How many values it has; None where they are as good as continuous."""
        if self.options:
            return len(self.options)
        if self.step is not None or self.kind == "int":
            return _steps(self) + 1
        return None


def even_size(gene: Gene) -> int | None:
    """How many values share the unit interval evenly; None where it is not cut into such shares."""
    return None if gene.kind == "int" and gene.log else gene.size


def decode(gene: Gene, x: float) -> Value:
    """A number between 0 and 1 -> the value there. What lies outside is clipped."""
    x = 0.5 if math.isnan(x) else min(max(x, 0.0), 1.0)
    if gene.options:
        return gene.options[_bin(x, len(gene.options))]
    low, high = bounds(gene)
    if gene.kind == "int" and gene.log:
        value = math.exp(_between(math.log(low - 0.5), math.log(high + 0.5), x))
        return int(min(max(round(value), low), high))
    if gene.size is not None:
        return _on_grid(gene, _bin(x, gene.size))
    if gene.log:
        value = float(f"{math.exp(_between(math.log(low), math.log(high), x)):.5g}")
    else:
        value = round(_between(low, high, x), decimals(low, high))
    return min(max(value, low), high) + 0.0  # adding zero turns -0.0 into 0.0


def encode(gene: Gene, value: Value) -> float:
    """A value -> a number between 0 and 1 that decodes to it, or to the nearest one it can."""
    if gene.options:
        return (_index(gene, value) + 0.5) / len(gene.options)
    if not isinstance(value, int | float):
        raise ValueError(f"{gene.name} takes a number, not {value!r}")
    low, high = bounds(gene)
    number = min(max(float(value), low), high)
    if gene.kind == "int" and gene.log:
        low, high = low - 0.5, high + 0.5
        return math.log(number / low) / math.log(high / low)
    if gene.size is not None:
        step = gene.step or 1.0
        index = min(max(round((number - low) / step), 0), gene.size - 1)
        return (index + 0.5) / gene.size
    if gene.log:
        return min(max(math.log(number / low) / math.log(high / low), 0.0), 1.0)
    return min(max((number - low) / (high - low), 0.0), 1.0)


def takes(gene: Gene, value: Value) -> str | None:
    """What a gene takes instead of this value, or None where it takes it.

    Raises ValueError for a value of another kind, or an option that the gene lacks.
    """
    encoded = encode(gene, value)
    if gene.options:
        return None
    if isinstance(value, bool):
        raise ValueError(f"{gene.name} takes a number, not {value!r}")
    number, found = float(value), decode(gene, encoded)
    low, high = bounds(gene)
    inside = low <= number <= high
    if inside and (gene.size is None or math.isclose(number, float(found), abs_tol=1e-9)):
        return None
    what = "a whole number" if gene.kind == "int" else "a number"
    steps = f" in steps of {gene.step:g} from {low:g}" if gene.step is not None else ""
    return f"{what} between {low:g} and {high:g}{steps}"


def bounds(gene: Gene) -> tuple[float, float]:
    """The ends of a real or an int."""
    if gene.low is None or gene.high is None:
        raise ValueError(f"{gene.name} is a {gene.kind} and has no bounds")
    return float(gene.low), float(gene.high)


def decimals(low: float, high: float) -> int:
    """Decimal places that cut a range into ten to a hundred thousand pieces."""
    return -math.floor(math.log10((high - low) / 1e4))


def middle(gene: Gene) -> Value:
    """Where a search starts when the recipe does not say."""
    return decode(gene, 0.5)


def _between(low: float, high: float, x: float) -> float:
    return low * (1.0 - x) + high * x


def _bin(x: float, size: int) -> int:
    return min(int(x * size), size - 1)


def _steps(gene: Gene) -> int:
    low, high = bounds(gene)
    return math.floor((high - low) / (gene.step or 1.0) + 1e-9)


def _on_grid(gene: Gene, index: int) -> Value:
    low, _ = bounds(gene)
    step = float(gene.step or 1.0)
    # Rounded, because 0.1 + 2 * 0.1 is 0.30000000000000004 in floats and no one writes that.
    value = round(low + index * step, max(_written(low), _written(step)))
    return int(value) if gene.kind == "int" else value + 0.0


def _written(number: float) -> int:
    """How many decimal places a number is written with: 2 for 0.25, 5 for 1e-05."""
    digits, _, power = repr(number).partition("e")
    return max(len(digits.partition(".")[2]) - int(power or 0), 0)


def _index(gene: Gene, value: Value) -> int:
    for index, option in enumerate(gene.options):
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return index
    raise ValueError(f"{gene.name} is one of {', '.join(map(str, gene.options))}, not {value!r}")
