"""K, N and X: the values of a route: how often, how strong, and which slots."""

from collections.abc import Iterator

from merge_dsl.meaning.engines import SCALE_OF
from merge_dsl.meaning.recipe import Assignment, Recipe, Route
from merge_dsl.meaning.values import Const, Curve, Draw, Expr, LetRef, Operation, Series, Word
from merge_dsl.rules.checked import Checked
from merge_dsl.rules.numbers import interval
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.road import every_hop, groups_of_places, road_of
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.words import counted, nearest, quoted

UNITS = ("slot", "hop", "layers")


def values(checked: Checked) -> Iterator[Diagnostic]:
    """K204, K205, K208, N101 for what stands behind `x` and `scale`, and for a pool's settings."""
    for route in checked.recipe.routes.values():
        for path in route.paths:
            for hop in every_hop(path):
                if hop.repeat is not None:
                    yield from _words(checked.recipe, hop.repeat)
                    yield from _times(checked.recipe, hop.repeat)
                if hop.scale is not None:
                    yield from _words(checked.recipe, hop.scale)
                    yield from _numbers(checked.recipe, "scale", hop.scale)
        for line in route.settings:
            if line.name != "scale_of":
                yield from _words(checked.recipe, line.value)
            yield from _setting(checked.recipe, line)
        yield from _lengths(checked.recipe, route)


def _words(recipe: Recipe, value: Expr) -> Iterator[Diagnostic]:
    for word in _within(value):
        if isinstance(word, Word):
            close = nearest(word.text, recipe.lets)
            meant = f"; did you mean `{close}`?" if close else ""
            yield finding("N101", word.span, f"there is no `let` `{word.text}`{meant}")


def _within(value: Expr) -> Iterator[Expr]:
    yield value
    if isinstance(value, Operation):
        yield from _within(value.left)
        yield from _within(value.right)
    for item in value.items if isinstance(value, Series) else ():
        yield from _within(item)
    for item in value.points if isinstance(value, Curve) else ():
        yield from _within(item)


def _resolved(recipe: Recipe, value: Expr) -> Expr:
    for _ in range(50):
        let = recipe.lets.get(value.name) if isinstance(value, LetRef) else None
        if let is None or let.span.end > value.span.start:
            break
        value = let.value
    return value


def _times(recipe: Recipe, value: Expr) -> Iterator[Diagnostic]:
    found = _resolved(recipe, value)
    if isinstance(found, Draw) and found.bare:
        return  # X303 says so
    whole = isinstance(found, Const) and type(found.value) is int
    if isinstance(found, Draw):
        whole = found.kind == "int" or (
            found.kind == "choice" and all(type(option) is int for option in found.options)
        )
    if not whole and not isinstance(found, Word | LetRef):
        message = "`x` says how often: a whole number, or a range such as `int 1..3`"
        yield finding("K205", value.span, message)
    elif any(low < 0 for _, low, _ in interval(recipe, found)):
        yield finding("K204", value.span, "a hop is walked 0 times or more, not fewer")


def _numbers(recipe: Recipe, name: str, value: Expr) -> Iterator[Diagnostic]:
    for inner in _within(value):
        found = _resolved(recipe, inner)
        strange = isinstance(found, Const) and isinstance(found.value, bool | str)
        if isinstance(found, Draw) and found.options:
            strange = any(isinstance(option, bool | str) for option in found.options)
        numeric = isinstance(found, Const | Draw | LetRef | Operation | Series | Curve | Word)
        if strange or not numeric:
            yield finding("K205", inner.span, f"`{name}` is a number")


def _setting(recipe: Recipe, line: Assignment) -> Iterator[Diagnostic]:
    if line.at is not None or line.when:
        message = "a route's settings hold for the whole road"
        yield finding("K205", line.span, message, "only `per` may follow")
    if line.per is not None and (line.per.unit not in UNITS or line.per.size < 1):
        message = f"there is no `per {line.per.unit}` in a route"
        help = "write `per slot`, `per hop` or `per layer`"
        yield finding("K205", line.per.span, message, help)
    if line.name == "repeat":
        found = line.value
        if not (isinstance(found, Const) and type(found.value) is int and found.value >= 1):
            message = "`repeat` is a whole number from 1: how often the pool is laid out"
            yield finding("K205", found.span, message, "let `walk = flag per slot` vary instead")
    elif line.name == "walk":
        for inner in _within(line.value):
            found = _resolved(recipe, inner)
            truth = isinstance(found, Const) and isinstance(found.value, bool)
            flag = isinstance(found, Draw) and found.kind == "flag"
            if not (truth or flag or isinstance(found, Series | LetRef | Word)):
                yield finding("K205", inner.span, "`walk` is true, false or flag")
    elif line.name == "scale":
        yield from _numbers(recipe, "scale", line.value)
    elif line.name == "scale_of" and not _is_target(line.value):
        message = f"`scale_of` is {quoted(SCALE_OF, 'or')}"
        help = "the whole residual stream, or what the block before has added last"
        yield finding("K205", line.value.span, message, help)


def _is_target(value: Expr) -> bool:
    return isinstance(value, Word) and value.text in SCALE_OF


def _lengths(recipe: Recipe, route: Route) -> Iterator[Diagnostic]:
    if not route.pool:
        return
    try:
        places = road_of(recipe, route).places
        for line in route.settings:
            if not isinstance(line.value, Series) or line.name == "repeat":
                continue
            groups = len(set(groups_of_places(line.per, places)))
            if len(line.value.items) != groups:
                count = counted(len(line.value.items), "value")
                message = f"this list has {count} for {counted(groups, 'group')}"
                yield finding("K208", line.value.span, message)
    except SpaceError:
        return  # nobody knows how many layers there are, or `per` is said to be wrong
