"""Recipe + route -> space, and space + values -> the walk.

In: a recipe without errors and the name of a route. Out: `RouteSpace`, whose genes are, in the order of
the text: for a drawn path a flag for each `maybe`, a number for each `x` and each `scale` that is a
hole; for a pool one gene for each group of `walk` and of `scale`, so `per slot` and `per hop` give one for
each slot, `per pair` for each pair of layers, and a network for each of its weights. A scale is read only
where the hop, or the pair, is walked.

The flags of a pool start with the first lap of the model that the road begins with, as in the paper:
the start is that model as it is, and everything else is left out.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from merge_dsl.meaning.recipe import Assignment, Hop, Recipe, Route
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
    between,
    calculate,
)
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import Space, compile_space, gene_of
from merge_dsl.space.genes import Gene
from merge_dsl.space.pairs import REACH, heights_of, pairs_of, scale_at, weight_names
from merge_dsl.space.resolve import SHARED, Frame, Slot, SpaceError
from merge_dsl.space.road import TALLEST, Layer, Road, groups_of_places, road_of

LONGEST = TALLEST  # steps of one walk


class RouteSpace(NamedTuple):
    """What may vary in one route. `slots` are parallel to `genes`."""

    target: str
    genes: tuple[Gene, ...]
    slots: tuple[Slot, ...]
    recipe: Recipe
    route: Route
    road: Road


class Step(NamedTuple):
    """One step of a walk: what enters the layer is multiplied by `scale`."""

    layer: Layer
    scale: float = 1.0


AnySpace = Space | RouteSpace


def space_of(recipe: Recipe, target: str, frame: Frame | None = None) -> AnySpace:
    """The space of a merge or of a route. Raises SpaceError. `frame`, if the merge is laid out."""
    if target in recipe.routes:
        return compile_route(recipe, target)
    return compile_space(recipe, target, frame)


def compile_route(recipe: Recipe, target: str) -> RouteSpace:
    """The space of a route. Raises SpaceError where nobody knows how many layers there are."""
    route = recipe.routes[target]
    road = road_of(recipe, route)
    found: dict[Slot, tuple[Draw, str]] = {}
    for slot, draw, name in [*_of_hops(recipe, route.hops), *_of_settings(recipe, route, road)]:
        found.setdefault(slot, (draw, name))
    names = _unique([name for _, name in found.values()])
    left_out = _left_out(route, road)
    genes = tuple(
        gene._replace(start=False) if slot in left_out else gene
        for (slot, (draw, _)), name in zip(found.items(), names, strict=True)
        for gene in (gene_of(draw, name),)
    )
    return RouteSpace(target, genes, tuple(found), recipe, route, road)


def _left_out(route: Route, road: Road) -> set[Slot]:
    """The flags of a pool that no slot of the first lap of the beginning model has."""
    line = route.setting("walk") if route.pool else None
    if line is None or not isinstance(line.value, Draw) or line.value.kind != "flag":
        return set()
    groups = [number for number, _ in groups_of_places(line.per, road.places)]
    begin = route.begins[-1].model if route.begins else ""
    if all(place.layer.model != begin for place in road.places):
        begin = route.pool[0].model
    kept = {
        number
        for number, place in zip(groups, road.places, strict=True)
        if place.lap == 1 and place.layer.model == begin
    }
    return {Slot(line.value.span.start, SHARED, number) for number in set(groups) - kept}


# ---- genes ------------------------------------------------------------------

Need = tuple[Slot, Draw, str]


def _of_hops(recipe: Recipe, hops: tuple[Hop, ...]) -> Iterator[Need]:
    for hop in hops:
        name = _name(hop)
        if hop.maybe:
            draw = Draw("flag", hop.span, hop.span, options=(False, True))
            yield maybe_slot(hop), draw, f"{name}.maybe"
        yield from _of_hops(recipe, hop.hops)
        if hop.repeat is not None:
            yield from _needs(recipe, hop.repeat, 0, f"{name}.times")
        if hop.scale is not None:
            yield from _needs(recipe, hop.scale, 0, f"{name}.scale")


def maybe_slot(hop: Hop) -> Slot:
    """The gene of a `maybe`. It stands before its hop, where no value can stand."""
    return Slot(hop.span.start, SHARED, 0)


def _name(hop: Hop) -> str:
    """`math[16..23]`; a bracket is named after what it holds."""
    if hop.origin is None:
        return f"({_name(hop.hops[0])}…)" if len(hop.hops) > 1 else f"({_name(hop.hops[0])})"
    slices = hop.origin.part.slices if hop.origin.part else None
    if slices is None:
        return hop.origin.model
    spans = [f"{low}..{high}" if high > low else f"{low}" for low, high in slices]
    return f"{hop.origin.model}[{', '.join(spans)}]"


def _of_settings(recipe: Recipe, route: Route, road: Road) -> Iterator[Need]:
    for line in _lines(route):
        for number, label in groups_of_line(line, road):
            name = f"{line.name}[{label}]" if label else line.name
            yield from _needs(recipe, line.value, number, name)


def groups_of_line(line: Assignment, road: Road) -> list[tuple[int, str]]:
    """The groups of a line of a pool, each once: a number, and a name."""
    if is_of_pairs(line):
        return pairs_of(road).labels()
    return list(dict.fromkeys(groups_of_places(line.per, road.places)))


def is_of_pairs(line: Assignment) -> bool:
    """Whether a line draws for each pair of layers: `scale = … per pair`."""
    return line.name == "scale" and line.per is not None and line.per.unit == "pair"


def _lines(route: Route) -> list[Assignment]:
    """The lines of a pool that count, in the order of the text."""
    found = [line for name in ("walk", "scale") if (line := route.setting(name)) is not None]
    return sorted(found, key=lambda line: line.span.start) if route.pool else []


def _needs(recipe: Recipe, expr: Expr, group: int, name: str) -> Iterator[Need]:
    """The genes behind a value. A `let` is drawn once, wherever it is used."""
    if isinstance(expr, Draw):
        yield Slot(expr.span.start, SHARED, group), expr, name
    elif isinstance(expr, Operation):
        yield from _needs(recipe, expr.left, group, name)
        yield from _needs(recipe, expr.right, group, name)
    elif isinstance(expr, Series):
        if group < len(expr.items):
            yield from _needs(recipe, expr.items[group], 0, name)
    elif isinstance(expr, Curve):
        for number, point in enumerate(expr.points, 1):
            yield from _needs(recipe, point, 0, f"{name}[point {number}]")
    elif isinstance(expr, Network):
        for number, of in enumerate(weight_names(expr.hidden) if expr.weights is None else ()):
            draw = Draw("real", expr.span, expr.span, -REACH, REACH, start=0.0)
            yield Slot(expr.span.start, SHARED, number), draw, f"{name}[{of}]"
    elif isinstance(expr, LetRef):
        yield from _needs(recipe, recipe.lets[expr.name].value, 0, expr.name)


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return unique


# ---- the walk ---------------------------------------------------------------

Look = Callable[[Slot], Value]


def walk_of(space: RouteSpace, values: Sequence[Value]) -> tuple[Step, ...]:
    """The steps that these values walk."""
    if len(values) != len(space.genes):
        raise SpaceError(f"{len(space.genes)} genes and {len(values)} values")
    look = dict(zip(space.slots, values, strict=True)).__getitem__
    if space.route.pool:
        return tuple(_of_pool(space, look))
    drawn = _of_path(space, space.route.hops, look)
    return (*map(Step, space.road.first), *drawn, *map(Step, space.road.last))


def scale_of(route: Route) -> str:
    """What a scale multiplies: "stream", the whole residual stream, unless the route says "mlp"."""
    line = route.setting("scale_of")
    return "mlp" if line and isinstance(line.value, Word) and line.value.text == "mlp" else "stream"


def _of_path(space: RouteSpace, hops: tuple[Hop, ...], look: Look) -> list[Step]:
    steps: list[Step] = []
    for hop in hops:
        if hop.maybe and not look(maybe_slot(hop)):
            continue
        if hop.origin is not None:
            once = [Step(layer) for layer in space.road.layers[hop.span.start]]
        else:
            once = _of_path(space, hop.hops, look)
        times = 1 if hop.repeat is None else int(_number(space, hop.repeat, 0, 0.0, look))
        scale = 1.0 if hop.scale is None else _number(space, hop.scale, 0, 0.0, look)
        if once:
            once[0] = once[0]._replace(scale=once[0].scale * scale)
        if len(steps) + len(once) * max(times, 0) > LONGEST:
            raise SpaceError(f"a walk of `{space.target}` has more than {LONGEST} steps")
        steps += once * max(times, 0)
    return steps


def _of_pool(space: RouteSpace, look: Look) -> Iterator[Step]:
    """The walk through a pool, with the layers that its ends pin."""
    places, road, scale = space.road.places, space.road, space.route.setting("scale")
    walked: list[tuple[Layer, int | None, float]] = [(layer, None, 0.0) for layer in road.first]
    walk = space.route.setting("walk")
    taken = groups_of_places(walk.per if walk else None, places)
    for number, place in enumerate(places):
        depth = number / max(len(places) - 1, 1)
        if walk is None or _number(space, walk.value, taken[number][0], depth, look):
            walked.append((place.layer, number, depth))
    walked += [(layer, None, 1.0) for layer in road.last]
    if scale is None:
        yield from (Step(layer) for layer, _, _ in walked)
    elif is_of_pairs(scale) or isinstance(scale.value, Network):
        yield from _of_pairs(space, scale, walked, look)
    else:
        groups = groups_of_places(scale.per, places)
        for layer, at, depth in walked:
            own = at is not None
            group = groups[at][0] if at is not None else 0
            yield Step(layer, _number(space, scale.value, group, depth, look) if own else 1.0)


def _of_pairs(
    space: RouteSpace,
    scale: Assignment,
    walked: list[tuple[Layer, int | None, float]],
    look: Look,
) -> Iterator[Step]:
    """A walk whose scales depend on where each hop comes from."""
    pairs, heights, value = pairs_of(space.road), heights_of(space.road), scale.value
    weights: Sequence[float] = ()
    if isinstance(value, Network):
        slots = [Slot(value.span.start, SHARED, n) for n in range(value.size)]
        weights = value.weights or [_plain(look(slot)) for slot in slots]
    before: Layer | None = None
    for layer, _, depth in walked:
        pair = pairs.number(before, layer) if before is not None else None
        if before is None or pair is None:
            yield Step(layer)
        elif isinstance(value, Network):
            at = (heights[before], heights[layer], 2.0 * depth - 1.0)
            yield Step(layer, scale_at(value, weights, at))
        else:
            yield Step(layer, _number(space, value, pair, depth, look))
        before = layer


def _number(space: RouteSpace, expr: Expr, group: int, depth: float, look: Look) -> float:
    """What a value is, for a group of slots and at a share of the whole pool."""
    if isinstance(expr, Const):
        return _plain(expr.value)
    if isinstance(expr, Draw):
        return _plain(look(Slot(expr.span.start, SHARED, group)))
    if isinstance(expr, Series):
        return _number(space, expr.items[group], 0, depth, look)
    if isinstance(expr, Curve):
        return between([_number(space, p, 0, depth, look) for p in expr.points], depth)
    if isinstance(expr, LetRef):
        return _number(space, space.recipe.lets[expr.name].value, 0, depth, look)
    if isinstance(expr, Operation):
        left = _number(space, expr.left, group, depth, look)
        right = _number(space, expr.right, group, depth, look)
        result = calculate(expr.operator, left, right)
        if result is not None:
            return result
    what = expr.text if isinstance(expr, Word) else "this"
    raise SpaceError(f"{what} is no number")


def _plain(value: Value) -> float:
    if isinstance(value, str):
        raise SpaceError(f"{value} is no number")
    return float(value)
