"""`let`s that `use` brings, as lets of the recipe that uses them.

In: a recipe that is imported, the name it is imported by, and where free spans are. Out: its `let`s as
`coco.share`. What stands in another file has no place in this text, and a hole is known by its place:
so the spans of such a let lie below zero, each file's beneath those of the one before. `name_span`
is that of the `use`, and the only place that a message may point to.
"""

from collections.abc import Iterator

from merge_dsl.meaning.recipe import Let, Recipe
from merge_dsl.meaning.values import Curve, Draw, Expr, LetRef, Operation, Series
from merge_dsl.text.source import Span


def lets_from(found: Recipe, name: str, use: Span, below: int) -> Iterator[Let]:
    """The lets of `found` under a new name. All their spans end at `below` or before."""
    by = below - max((let.span.end for let in found.lets.values()), default=0)
    for let in found.lets.values():
        yield let._replace(
            name=f"{name}.{let.name}",
            value=_moved(let.value, name, by),
            per=let.per._replace(span=use) if let.per is not None else None,
            other_clauses=(),
            span=_shifted(let.span, by),
            name_span=use,
            imported=True,
        )


def _shifted(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _moved(expr: Expr, name: str, by: int) -> Expr:
    span = _shifted(expr.span, by)
    if isinstance(expr, LetRef):
        return LetRef(f"{name}.{expr.name}", span)
    if isinstance(expr, Draw):
        return expr._replace(span=span, bounds=_shifted(expr.bounds, by))
    if isinstance(expr, Operation):
        left, right = _moved(expr.left, name, by), _moved(expr.right, name, by)
        return Operation(expr.operator, left, right, span)
    if isinstance(expr, Series):
        return Series(tuple(_moved(item, name, by) for item in expr.items), span)
    if isinstance(expr, Curve):
        return Curve(tuple(_moved(point, name, by) for point in expr.points), span)
    return expr._replace(span=span)
