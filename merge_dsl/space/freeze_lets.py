"""`let`s of other files, frozen: a recipe cannot write into a file that others use too.

In: the text and what is drawn. Out: a `let` of its own, behind the `use`, for each imported one that is
drawn, or that is made from one that is; and the text with the new names at every use.
"""

from collections.abc import Callable, Collection

from merge_dsl.meaning.recipe import Let, Per, Recipe
from merge_dsl.meaning.values import (
    Const,
    Curve,
    Draw,
    Expr,
    LetRef,
    Network,
    Operation,
    Series,
    Word,
    draws,
)
from merge_dsl.space.edits import Edit, Names, behind
from merge_dsl.space.resolve import SpaceError, lets_of, spoken
from merge_dsl.text.source import Source, Span

Texts = Callable[[Let], list[tuple[Draw, str]]]  # each hole of a let, and what stands in its place


def local_lets(
    source: Source, recipe: Recipe, used: Collection[str], drawn: Collection[int], texts: Texts
) -> tuple[list[Edit], Names]:
    """The lines to put in, and the new names. `used` are the names that the frozen text still uses,
    `drawn` says where holes stand that are genes."""

    def is_drawn(let: Let) -> bool:
        made_from = [let, *lets_of(recipe, let.value)]
        return any(hole.span.start in drawn for one in made_from for hole in draws(one.value))

    named = [recipe.lets[name] for name in used if name in recipe.lets]
    named += [inner for let in named for inner in lets_of(recipe, let.value)]
    reached = {let.name for let in named}
    lets = [let for let in recipe.lets.values() if let.imported and is_drawn(let)]
    taken = {definition.name for definition in recipe.definitions}
    names: Names = {}
    edits = []
    for let in (let for let in lets if let.name in reached):
        plain = name = let.name.replace(".", "_")
        number = 1
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name)
        names[let.name] = name
        holes = texts(let)
        value = _written(let.value, {hole.span: text for hole, text in holes}, names)
        edits.append(
            Edit(behind(source.text, let.name_span), f"\nlet {name} = {value}{_per(let.per)}")
        )
    return edits, names


def _written(expr: Expr, holes: dict[Span, str], names: Names) -> str:
    """A value as a recipe writes it."""
    if isinstance(expr, Draw):
        return holes[expr.span]
    if isinstance(expr, LetRef):
        return names.get(expr.name, expr.name)
    if isinstance(expr, Operation):
        left, right = _written(expr.left, holes, names), _written(expr.right, holes, names)
        return f"({left} {expr.operator} {right})"
    if isinstance(expr, Series | Curve):
        items = expr.items if isinstance(expr, Series) else expr.points
        inside = ", ".join(_written(item, holes, names) for item in items)
        return f"[{inside}]" if isinstance(expr, Series) else f"curve({inside})"
    if isinstance(expr, Const):
        return spoken(expr.value)
    if isinstance(expr, Network):
        raise SpaceError("a `let` holds no network")
    return expr.text if isinstance(expr, Word) else expr.what


def _per(per: Per | None) -> str:
    if per is None:
        return ""
    return f" per {per.unit}" if per.unit != "layers" else f" per {per.size} layers"
