"""K, N and X: the values of a route: how often, how strong, and which slots."""

from collections.abc import Iterator

from merge_dsl.meaning.engines import SCALE_OF
from merge_dsl.meaning.recipe import Assignment, Recipe, Route
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
from merge_dsl.rules.checked import Checked
from merge_dsl.rules.numbers import interval, short_curve
from merge_dsl.space.pairs import MOST, sides_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.road import every_hop, road_of
from merge_dsl.space.routes import groups_of_line, is_of_pairs
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding
from merge_dsl.text.words import counted, nearest, quoted

UNITS = ("slot", "hop", "layers")
MANY = 1_000  # genes of a matrix of pairs; CMA-ES learns how each goes with every other


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
        if isinstance(inner, Curve):  # that of a `let` is judged where it is written
            yield from short_curve(inner)
        if strange or not numeric:
            yield finding("K205", inner.span, f"`{name}` is a number")


def _setting(recipe: Recipe, line: Assignment) -> Iterator[Diagnostic]:
    if line.at is not None or line.when:
        message = "a route's settings hold for the whole road"
        yield finding("K205", line.span, message, "only `per` may follow")
    if line.per is not None and line.per.unit == "pair" and line.name != "scale":
        message = f"`{line.name}` is drawn for a slot; only a scale knows the pairs of layers"
        yield finding("K205", line.per.span, message, "write `per slot` or `per layer`")
    elif is_of_pairs(line):
        if isinstance(line.value, Curve):
            message = "a curve runs along the pool, and pairs of layers do not"
            yield finding("K205", line.value.span, message, "write a range, or remove `per pair`")
    elif line.per is not None and (line.per.unit not in UNITS or line.per.size < 1):
        message = f"there is no `per {line.per.unit}` in a route"
        help = "write `per slot`, `per hop`, `per pair` or `per layer`"
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
    elif line.name == "scale" and isinstance(line.value, Network):
        yield from _network(line, line.value)
    elif line.name == "scale":
        yield from _numbers(recipe, "scale", line.value)
    elif line.name == "scale_of" and not _is_target(line.value):
        message = f"`scale_of` is {quoted(SCALE_OF, 'or')}"
        help = "the whole residual stream, or what the block before has added last"
        yield finding("K205", line.value.span, message, help)


def _network(line: Assignment, network: Network) -> Iterator[Diagnostic]:
    if network.problem is not None:
        message, span = network.problem
        help = "write `network(0.5..1.5, hidden = 4)`"
        yield finding("K205", span, message, help)
    elif line.per is not None:
        message = "a network has its own value at every pair and slot; `per` says nothing here"
        yield finding("K205", line.per.span, message, "remove it")


def _is_target(value: Expr) -> bool:
    return isinstance(value, Word) and value.text in SCALE_OF


def pairs(checked: Checked) -> Iterator[Diagnostic]:
    """R609: a matrix of pairs has genes beyond what a search of it can learn."""
    for route in checked.recipe.routes.values():
        line = route.setting("scale") if route.pool else None
        if line is None or not is_of_pairs(line) or not draws(line.value):
            continue
        try:
            rows, columns = sides_of(checked.road(route))
        except SpaceError:
            continue  # nobody knows how many layers there are
        count = len(rows) * len(columns)
        if count <= MANY:
            continue
        message = f"{count:,} genes: a scale for each pair of {len(rows)} layers"
        if len(rows) != len(columns):
            message = f"{count:,} genes: a scale for each of {len(rows)} times {len(columns)} pairs"
        help = "write `network(0.5..1.5, hidden = 4)`, 21 genes whatever the layers, or `per hop`"
        level = Severity.ERROR if count > MOST else None
        yield finding("R609", line.span, message, help, severity=level)


def _lengths(recipe: Recipe, route: Route) -> Iterator[Diagnostic]:
    if not route.pool:
        return
    try:
        road = road_of(recipe, route)
        for line in route.settings:
            if not isinstance(line.value, Series) or line.name == "repeat":
                continue
            groups = len(groups_of_line(line, road))
            if len(line.value.items) != groups:
                count = counted(len(line.value.items), "value")
                message = f"this list has {count} for {counted(groups, 'group')}"
                yield finding("K208", line.value.span, message)
    except SpaceError:
        return  # nobody knows how many layers there are, or `per` is said to be wrong
