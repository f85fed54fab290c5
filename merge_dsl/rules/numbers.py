"""Between which numbers a value can lie, whatever the search draws; and curves without two ends."""

import math
from collections.abc import Iterator

from merge_dsl.meaning.recipe import Recipe
from merge_dsl.meaning.values import (
    Const,
    Curve,
    Draw,
    Expr,
    LetRef,
    Network,
    Operation,
    Series,
    calculate,
)
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span

Interval = tuple[float, float]


def interval(recipe: Recipe, value: Expr) -> Iterator[tuple[Span, float, float]]:
    """The reach of a value, one for each item of a list. Nothing for what is no number."""
    if isinstance(value, Series | Curve):
        for item in value.items if isinstance(value, Series) else value.points:
            yield from interval(recipe, item)
        return
    reach = _reach(recipe, value, 0)
    if reach is not None:
        drawn = value.reach if isinstance(value, Network) else value
        span = drawn.bounds if isinstance(drawn, Draw) else value.span
        yield span, *reach


def short_curve(value: Curve) -> Iterator[Diagnostic]:
    """K205: a line needs two ends."""
    if len(value.points) < 2:
        message = "a curve needs two points at least: one at the first layer, one at the last"
        yield finding("K205", value.span, message, "write `curve(0.2, 0.8)`, or one number alone")


def _reach(recipe: Recipe, value: Expr, depth: int) -> Interval | None:
    if depth > 50:
        return None
    if isinstance(value, Const):
        return None if isinstance(value.value, bool | str) else (float(value.value),) * 2
    if isinstance(value, Draw):
        return _of_draw(value)
    if isinstance(value, Network):
        return _of_draw(value.reach)
    if isinstance(value, LetRef):
        let = recipe.lets.get(value.name)
        if let is None or let.span.end > value.span.start:
            return None
        return _reach(recipe, let.value, depth + 1)
    if isinstance(value, Series):
        return _hull([_reach(recipe, item, depth + 1) for item in value.items])
    if isinstance(value, Curve):
        return _hull([_reach(recipe, point, depth + 1) for point in value.points])
    if isinstance(value, Operation):
        left = _reach(recipe, value.left, depth + 1)
        right = _reach(recipe, value.right, depth + 1)
        return _of_operation(value, left, right)
    return None


def _of_draw(draw: Draw) -> Interval | None:
    if not draw.options:
        return min(draw.low, draw.high), max(draw.low, draw.high)
    numbers = [float(o) for o in draw.options if not isinstance(o, bool | str)]
    return (min(numbers), max(numbers)) if numbers else None


def _of_operation(
    value: Operation, left: Interval | None, right: Interval | None
) -> Interval | None:
    if left is None or right is None:
        return None
    if value.operator == "/" and right[0] <= 0 <= right[1]:
        return -math.inf, math.inf
    ends = [calculate(value.operator, a, b) for a in left for b in right]
    known = [end for end in ends if end is not None and not math.isnan(end)]
    return (min(known), max(known)) if len(known) == len(ends) else (-math.inf, math.inf)


def _hull(reaches: list[Interval | None]) -> Interval | None:
    known = [reach for reach in reaches if reach is not None]
    if not known or len(known) < len(reaches):
        return None
    return min(low for low, _ in known), max(high for _, high in known)
