"""What a `require` line compares: numbers, sizes, and the quantities that a candidate has.

In: the two sides as written. Out: what they are once a candidate's quantities are known. `layers` is
the number of layers that a road walks; `memory` and `disk` are sizes of the result in bytes.
"""

import operator
from collections.abc import Callable, Iterable, Mapping

from merge_dsl.meaning.engines import BYTES
from merge_dsl.meaning.recipe import Require
from merge_dsl.meaning.values import calculate
from merge_dsl.text import tree

SIZES = ("memory", "disk")
QUANTITIES: dict[str, tuple[str, ...]] = {
    "merge": SIZES,
    "route": ("layers", *SIZES),
    "search": ("layers", *SIZES),
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def names_in(value: tree.Value) -> list[tree.Call]:
    """The names on one side, in order."""
    if isinstance(value, tree.Arithmetic):
        return names_in(value.left) + names_in(value.right)
    return [value] if isinstance(value, tree.Call) else []


def amount(value: tree.Value, known: Mapping[str, float]) -> float | None:
    """One side as a number; sizes count in bytes. None where something in it is not known."""
    if isinstance(value, tree.Number):
        return float(value.value)
    if isinstance(value, tree.Quantity):
        return value.amount * BYTES[value.unit] if value.unit in BYTES else None
    if isinstance(value, tree.Call) and value.arguments is None:
        return known.get(value.path.dotted)
    if isinstance(value, tree.Arithmetic):
        left, right = amount(value.left, known), amount(value.right, known)
        if left is None or right is None:
            return None
        return calculate(value.operator, left, right)
    return None


def holds(require: Require, known: Mapping[str, float]) -> bool | None:
    """Whether a requirement is met; None where that cannot be said."""
    left, right = amount(require.left, known), amount(require.right, known)
    return None if left is None or right is None else COMPARE[require.compare](left, right)


def may_be(requires: Iterable[Require], known: Mapping[str, float]) -> bool:
    """Whether a candidate with these quantities is not turned away for them."""
    return all(holds(require, known) is not False for require in requires)
