"""R: roads that are empty, that never arrive, or that cannot be stored."""

from collections.abc import Iterator

from merge_dsl.meaning.recipe import Hop, OriginRef, Recipe, Require, Route
from merge_dsl.meaning.requires import may_be
from merge_dsl.meaning.values import Expr, Network, draws, references
from merge_dsl.rules.checked import Checked
from merge_dsl.space.lengths import (
    Lengths,
    Unknown,
    fewest_through,
    lengths_of,
    longest_of,
    most_often,
)
from merge_dsl.space.resolve import SpaceError, UnknownModel
from merge_dsl.space.road import Road, every_hop, height_of, stack_of
from merge_dsl.space.routes import LONGEST, compile_route, walk_of
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import counted

MANY = 300  # hops; each is weighed against all others
MOST = 0.5  # of the random candidates; more of them turned away is waste


def complete(checked: Checked) -> Iterator[Diagnostic]:
    """R608: a road has a beginning, an end, and one way to be laid."""
    for route in checked.recipe.routes.values():
        for word, found in (("begin", route.begins), ("end", route.ends)):
            if not found:
                message = f"nothing says where `{route.name}` {word}s"
                help = f"add `{word} NAME`: the model whose {_END[word]} the road has"
                yield finding("R608", route.name_span, message, help)
        if not route.paths and not route.pool:
            message = f"`{route.name}` walks no layers"
            help = "add a `path` of layers, or a `pool`"
            yield finding("R608", route.name_span, message, help)
        if route.paths and route.pool:
            message = "a road is drawn with `path` or laid out from a `pool`, not both"
            yield finding("R608", route.paths[0][0].span, message, "remove one of them")
        elif route.paths:
            for line in route.settings:
                if line.name in ("repeat", "walk", "scale"):
                    message = f"`{line.name}` lays out a pool, and this road is drawn"
                    yield finding("R608", line.span, message, _INSTEAD[line.name])
        stacks = {stack_of(checked.recipe, origin): origin for origin in _walked(route)}
        if len(stacks) > 1:
            message = "this road walks vision and language layers; it can walk one kind only"
            yield finding("R608", stacks["vision"].span, message, "write two routes")


_END = {"begin": "embedding", "end": "head"}
_INSTEAD = {
    "repeat": "write `x 2` behind a hop",
    "walk": "write `maybe` before a hop",
    "scale": "write `scale 0.8..1.2` behind a hop",
}


def _walked(route: Route) -> list[OriginRef]:
    ends = {*route.begins, *route.ends}
    return [origin for origin in route.origins if origin not in ends]


def endless(checked: Checked) -> Iterator[Diagnostic]:
    """R610: a walk so long that nobody means it, found before anything is laid out."""
    for route in checked.recipe.routes.values():
        try:
            road = checked.road(route)
        except UnknownModel:
            continue
        except SpaceError as error:
            yield finding(
                "R610", route.name_span, str(error), "lay out fewer layers, or less often"
            )
            continue
        longest = road.pinned + longest_of(checked.recipe, road, () if route.pool else route.hops)
        if longest > LONGEST:
            message = f"a walk may have {longest:,} layers, and {LONGEST:,} are the most"
            repeated = [hop.repeat for hop in every_hop(route.hops) if hop.repeat is not None]
            span = repeated[0].span if len(repeated) == 1 else route.name_span
            yield finding("R610", span, message, "repeat hops less often, such as `x int 1..3`")


def layers_of_merges(checked: Checked) -> Iterator[Diagnostic]:
    """M402 for what a merge makes: a layer that a road names must exist."""
    for route in checked.recipe.routes.values():
        for origin in route.origins:
            if origin.model not in checked.recipe.merges or origin.part is None:
                continue
            height = height_of(checked.recipe, origin.model, stack_of(checked.recipe, origin))
            slices = origin.part.slices or ()
            for (low, high), span in zip(slices, origin.part.slice_spans, strict=False):
                if low > high:
                    fix = Fix(span, f"{high}..{low}")
                    message = "this range of layers runs backwards"
                    yield finding("X301", span, message, None, fix)
                elif height is not None and high >= height:
                    last = f"{low}..{height - 1}" if low < height - 1 else f"{height - 1}"
                    message = f"`{origin.model}` has layers 0..{height - 1}; there is no layer"
                    fix = Fix(span, last, safe=False)
                    yield finding("M402", span, f"{message} {high}", "both ends count", fix)


def empty(checked: Checked) -> Iterator[Diagnostic]:
    """R601: a walk without a layer is no model."""
    for route, _, lengths in _known(checked):
        if 0 not in lengths or not may_be(route.requires, {"layers": 0}):
            continue
        always = set(lengths) == {0}
        span, why = _why_empty(checked.recipe, route)
        message = f"with {why} the road {'is' if always else 'may be'} empty"
        yield finding("R601", span, message, "add `require layers >= 1`, or a hop that is certain")


def _why_empty(recipe: Recipe, route: Route) -> tuple[Span, str]:
    if route.pool:
        walk = route.setting("walk") or route.setting("repeat")
        return (walk.span, f"this `{walk.name}`") if walk else (route.name_span, "this pool")
    for hop in every_hop(route.hops):
        if hop.repeat is not None:
            return hop.repeat.span, "this `x`"
    return route.hops[0].span, "every hop a `maybe`" if len(route.hops) > 1 else "this `maybe`"


def never_walked(checked: Checked) -> Iterator[Diagnostic]:
    """R602: layers that no candidate reaches, because of an `x 0` or of what is required."""
    for route, road, lengths in _known(checked):
        hops = [*every_hop(() if route.pool else route.hops)]
        decided = route.requires or any(hop.repeat is not None for hop in hops)
        if not decided or len(hops) > MANY:
            continue
        longest = max(lengths)
        fitting = [n for n in range(longest + 1) if may_be(route.requires, {"layers": n})]
        for hop in hops:
            if hop.origin is None:
                continue
            fewest = fewest_through(checked.recipe, road, route.hops, hop)
            fewest = None if fewest is None else fewest + road.pinned
            if fewest is not None and (not fitting or fewest <= max(fitting)):
                continue
            message = f"no candidate can reach `{_shown(checked, hop)}`"
            if fewest is None:
                yield finding("R602", hop.span, message, "an `x` on the way to it is 0")
            else:
                help = f"a walk through it has {fewest} layers at least"
                yield finding("R602", hop.span, message, f"{help}, and fewer are required")


def _shown(checked: Checked, hop: Hop) -> str:
    return checked.source.slice(hop.origin.span) if hop.origin else ""


def _begins_inside(recipe: Recipe, route: Route) -> bool:
    """Whether the search of a road draws around its start, and nothing turns the start away."""
    search = recipe.search_of(route.name)
    if search is None or search.engine.name != "cma_es" or "preset" in search.engine.settings:
        return False
    try:
        space = compile_route(recipe, route.name)
        layers = len(walk_of(space, [gene.start for gene in space.genes]))
    except SpaceError:
        return False  # another rule says what is wrong with its lines
    return may_be(route.requires, {"layers": layers})


def turned_away(checked: Checked) -> Iterator[Diagnostic]:
    """R603: a requirement that random candidates hardly ever meet."""
    for route, _, lengths in _known(checked):
        for require in _layer_requires(checked.recipe, route):
            left = sum(s for n, s in lengths.items() if may_be((require,), {"layers": n}))
            if left >= 1 - MOST or not _is_open(route) or _begins_inside(checked.recipe, route):
                continue
            written = checked.source.slice(require.span)
            low, high = _middle(lengths)
            most = "every candidate" if left < 1e-9 else "most random candidates"
            message = f"up to {max(lengths)} layers; `{written}` turns away {most}"
            help = f"random walks have {low} to {high} layers; {left:.1%} of them are left"
            if left < 0.001:
                help = f"random walks have {low} to {high} layers; hardly one is left"
            yield finding("R603", require.span, message, help)


def _layer_requires(recipe: Recipe, route: Route) -> list[Require]:
    found = list(route.requires)
    for search in recipe.searches:
        found += search.requires if search.target == route.name else ()
    return found


def _is_open(route: Route) -> bool:
    """Whether anything about a road is drawn."""
    found = [line.value for line in route.settings if route.pool]
    for hop in every_hop(route.hops):
        if hop.maybe:
            return True
        found += [value for value in (hop.repeat, hop.scale) if value is not None]
    return any(draws(value) or references(value) or _is_sought(value) for value in found)


def _is_sought(value: Expr) -> bool:
    return isinstance(value, Network) and value.weights is None


def _middle(lengths: Lengths) -> tuple[int, int]:
    """Between which lengths 19 of 20 random walks are."""
    below, low, high = 0.0, min(lengths), max(lengths)
    for length in sorted(lengths):
        if below < 0.025:
            low = length
        below += lengths[length]
        if below >= 0.975:
            high = length
            break
    return low, high


def walked_again(checked: Checked) -> Iterator[Diagnostic]:
    """R604: each time a layer is walked it keeps keys and values of its own."""
    for route, road, _ in _known(checked):
        counts = most_often(checked.recipe, route, road)
        language = {layer: n for layer, n in counts.items() if layer.stack == "language"}
        most = max(language.values(), default=0)
        if most < 2:
            continue
        first = next(layer for layer, n in language.items() if n == most)
        often = sum(n > 1 for n in language.values())
        layer = f"layer {first.number} of `{first.model}`"
        may = "is" if not _is_open(route) else "may be"
        message = f"{layer} {may} walked {most} times: {most} key-value caches"
        help = f"{counted(often, 'layer')} more than once; a hop has a cache of its own"
        yield finding("R604", route.name_span, message, help)


def _known(checked: Checked) -> list[tuple[Route, Road, Lengths]]:
    """The routes that are laid out, with their lengths; the others have no road to judge."""
    if checked.known is not None:
        return checked.known
    found = checked.known = []
    for route in checked.recipe.routes.values():
        if bool(route.paths) == bool(route.pool):
            continue
        try:
            road = checked.road(route)
            if longest_of(checked.recipe, road, route.hops) > LONGEST:
                continue  # R610 says so
            lengths = lengths_of(checked.recipe, route, road)
            if lengths and route.paths:
                most_often(checked.recipe, route, road)
        except (SpaceError, Unknown):
            continue
        if lengths:
            found.append((route, road, lengths))
    return found
