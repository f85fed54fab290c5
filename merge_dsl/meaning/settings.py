"""Values of settings outside blends: texts, numbers, rows, sizes, times, budgets.

In: value nodes of the tree. Out: plain values, or None where a node is of another kind; then
`merge_dsl/rules/options.py` says so.
"""

import math
from collections.abc import Sequence

from merge_dsl.meaning import recipe as r
from merge_dsl.meaning.engines import BYTES, SECONDS
from merge_dsl.meaning.values import constant
from merge_dsl.text import tree

ONE_EACH = ("layer", "layers")


def text_of(node: tree.Value | None) -> str | None:
    """A text, in quotes or as a bare word."""
    if isinstance(node, tree.Text):
        return node.value
    if isinstance(node, tree.Call) and node.arguments is None and node.path.slices is None:
        return node.path.dotted
    return None


def texts_of(node: tree.Value | None) -> tuple[str, ...]:
    """A list of texts; one alone is a list too."""
    items = node.items if isinstance(node, tree.Series) else (node,)
    found = [text_of(item) for item in items]
    return tuple(text for text in found if text is not None)


def number_of(node: tree.Value | None) -> float | int | None:
    """A number, whole where it is written so; `50%` is 0.5."""
    if isinstance(node, tree.Number):
        return node.value
    return constant(node) if isinstance(node, tree.Arithmetic | tree.Quantity) else None


def whole_of(node: tree.Value | None) -> int | None:
    """A whole number."""
    value = number_of(node)
    return value if isinstance(value, int) else None


def rows_of(node: tree.Value | None) -> tuple[tuple[int, int], ...] | None:
    """`0..199`, `7` or a list of such; both ends count."""
    if node is None:
        return None
    items = node.items if isinstance(node, tree.Series) else (node,)
    rows = [_rows(item) for item in items]
    kept = tuple(row for row in rows if row is not None)
    return kept if kept and len(kept) == len(rows) else None


def _rows(node: tree.Value) -> tuple[int, int] | None:
    if isinstance(node, tree.Range) and not (node.log or node.step or node.start):
        low, high = whole_of(node.low), whole_of(node.high)
    else:
        low = high = whole_of(node)
    if low is None or high is None or not 0 <= low <= high:
        return None
    return low, high


def size_of(node: tree.Value | None) -> int | None:
    """`4GiB` in bytes."""
    if isinstance(node, tree.Quantity) and node.unit in BYTES and math.isfinite(node.amount):
        return round(node.amount * BYTES[node.unit])
    return None


def budget_of(node: tree.Value | None) -> r.Budget | None:
    """`1000 trials or 48h`; None where a limit is neither trials, generations nor time."""
    if node is None:
        return None
    limits: dict[str, float] = {}
    for option in budget_options(node):
        named = _limit(option)
        if named is None or named[0] in limits:
            return None
        limits[named[0]] = named[1]
    trials, generations = limits.get("trials"), limits.get("generations")
    return r.Budget(
        int(trials) if trials is not None else None,
        int(generations) if generations is not None else None,
        limits.get("seconds"),
    )


def budget_options(node: tree.Value) -> Sequence[tree.Value]:
    """The limits that `or` joins."""
    return node.options if isinstance(node, tree.Limit) else (node,)


def _limit(node: tree.Value) -> tuple[str, float] | None:
    if isinstance(node, tree.Count):
        unit = node.unit.text if node.unit.text.endswith("s") else f"{node.unit.text}s"
        fits = unit in ("trials", "generations") and isinstance(node.amount, int)
        return (unit, node.amount) if fits and node.amount > 0 else None
    if isinstance(node, tree.Quantity) and node.unit in SECONDS and node.amount > 0:
        return "seconds", node.amount * SECONDS[node.unit]
    return None


def per_of(clause: tree.Per | None) -> r.Per | None:
    """`per 8 layers`, `per layer`, `per part`; an unknown unit is kept for the rules to report."""
    if clause is None:
        return None
    if clause.unit.text in ONE_EACH:
        return r.Per("layers", 1 if clause.size is None else clause.size, clause.span)
    return r.Per(clause.unit.text, 1 if clause.size is None else clause.size, clause.span)
