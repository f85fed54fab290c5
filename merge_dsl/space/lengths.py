"""How long the walks of a route are, without walking them.

In: a route laid out. Out: the share of random candidates that walk so many layers, the fewest that a walk
through a given hop has, and how often a layer is walked. Exact where every hole is drawn by itself; a
`let` used twice counts as two draws. None where a value is not known before it is drawn.
"""

from collections import Counter
from math import exp, isfinite, lgamma, log

from merge_dsl.meaning.recipe import Hop, Recipe, Route
from merge_dsl.meaning.values import Const, Draw, Expr, LetRef
from merge_dsl.space.road import TALLEST, Layer, Road, groups_of_places

Lengths = dict[int, float]  # number of layers -> share of candidates
WIDEST = 1_000  # lengths that are told apart


class Unknown(Exception):
    """A value that only a draw decides, in a way that is not followed here."""


def lengths_of(recipe: Recipe, route: Route, road: Road) -> Lengths | None:
    """The lengths of random walks, each with its share."""
    try:
        drawn = _of_pool(recipe, route, road) if route.pool else _of_hops(recipe, road, route.hops)
        return {length + road.pinned: share for length, share in drawn.items()}
    except Unknown:
        return None


def _of_pool(recipe: Recipe, route: Route, road: Road) -> Lengths:
    walk = route.setting("walk")
    value = _resolved(recipe, walk.value) if walk else Const(True, route.span)
    if isinstance(value, Const):
        return {len(road.places) if value.value else 0: 1.0}
    if not isinstance(value, Draw) or value.kind != "flag":
        raise Unknown
    tied = walk.per if walk and not isinstance(walk.value, LetRef) else None
    groups = Counter(number for number, _ in groups_of_places(tied, road.places))
    sizes = set(groups.values())
    if len(sizes) == 1:
        return _binomial(len(groups), sizes.pop())
    found: Lengths = {0: 1.0}
    for size in groups.values():
        found = _sum(found, {0: 0.5, size: 0.5})
    return found


def _binomial(count: int, size: int) -> Lengths:
    """The same as adding them up one by one, for pools of thousands of slots."""
    whole = lgamma(count + 1) - count * log(2)
    return {
        size * taken: exp(whole - lgamma(taken + 1) - lgamma(count - taken + 1))
        for taken in range(count + 1)
    }


def _of_hops(recipe: Recipe, road: Road, hops: tuple[Hop, ...]) -> Lengths:
    each = [_of_hop(recipe, road, hop) for hop in hops]
    # Sums of one from each are at least so many; a road of thousands of `maybe` need not be added up.
    if 1 + sum(len(lengths) - 1 for lengths in each) > WIDEST:
        raise Unknown
    found: Lengths = {0: 1.0}
    for lengths in each:
        found = _sum(found, lengths)
    return found


def _of_hop(recipe: Recipe, road: Road, hop: Hop) -> Lengths:
    if hop.origin is not None:
        once: Lengths = {len(road.layers[hop.span.start]): 1.0}
    else:
        once = _of_hops(recipe, road, hop.hops)
    times = times_of(recipe, hop.repeat)
    if len(times) * len(once) > WIDEST * 10:
        raise Unknown
    found: Lengths = {}
    for count in times:
        for length, share in once.items():
            _add(found, length * count, share / len(times))
    if hop.maybe:
        found = {length: share / 2 for length, share in found.items()}
        _add(found, 0, 0.5)
    return found


def times_of(recipe: Recipe, value: Expr | None) -> list[int]:
    """The numbers that may stand behind `x`. Raises Unknown."""
    found = _resolved(recipe, value) if value is not None else None
    if found is None:
        return [1]
    if isinstance(found, Const) and type(found.value) is int and found.value < TALLEST:
        return [max(found.value, 0)]
    if isinstance(found, Draw) and found.options:
        whole = [o for o in found.options if type(o) is int and o < TALLEST]
        if len(whole) == len(found.options):
            return [max(o, 0) for o in whole]
    if isinstance(found, Draw) and found.kind == "int" and found.high - found.low < WIDEST:
        step = int(found.step or 1)
        return list(range(max(int(found.low), 0), int(found.high) + 1, max(step, 1)))
    raise Unknown


def _resolved(recipe: Recipe, value: Expr) -> Expr:
    for _ in range(50):
        if not isinstance(value, LetRef) or value.name not in recipe.lets:
            break
        value = recipe.lets[value.name].value
    return value


def _sum(one: Lengths, other: Lengths) -> Lengths:
    if len(one) * len(other) > WIDEST * 10:
        raise Unknown
    found: Lengths = {}
    for a, share in one.items():
        for b, part in other.items():
            _add(found, a + b, share * part)
    if len(found) > WIDEST:
        raise Unknown
    return found


def _add(table: Lengths, length: int, share: float) -> None:
    table[length] = table.get(length, 0.0) + share


def longest_of(recipe: Recipe, road: Road, hops: tuple[Hop, ...]) -> int:
    """How many layers the longest walk through these hops has. Nothing is laid out for it."""
    total = 0
    for hop in hops:
        if hop.origin is not None:
            once = len(road.layers[hop.span.start])
        else:
            once = longest_of(recipe, road, hop.hops)
        total += once * _most_times(recipe, hop.repeat)
    return total


def _most_times(recipe: Recipe, value: Expr | None) -> int:
    """The largest number that may stand behind `x`; 1 for what is none, which is told elsewhere."""
    found = _resolved(recipe, value) if value is not None else None
    if isinstance(found, Const) and type(found.value) is int:
        return max(found.value, 0)
    if isinstance(found, Draw) and found.options:
        return max([0, *(option for option in found.options if type(option) is int)])
    if isinstance(found, Draw) and found.kind == "int" and isfinite(found.high):
        return max(int(found.high), int(found.low), 0)
    return 1


# ---- single hops and layers -------------------------------------------------


def fewest_through(
    recipe: Recipe, road: Road, hops: tuple[Hop, ...], wanted: Hop | None
) -> int | None:
    """The fewest layers of a walk that walks `wanted`; None where no walk can. Raises Unknown."""
    total = 0
    for hop in hops:
        inside = wanted is not None and hop.span.start <= wanted.span.start < hop.span.end
        if hop.maybe and not inside:
            continue
        if hop.origin is not None:
            once: int | None = len(road.layers[hop.span.start])
        else:
            once = fewest_through(recipe, road, hop.hops, wanted if inside else None)
        times = [n for n in times_of(recipe, hop.repeat) if n > 0 or not inside]
        if once is None or not times:
            return None
        total += once * min(times)
    return total


def most_often(recipe: Recipe, route: Route, road: Road) -> dict[Layer, int]:
    """How often each layer may be walked in one walk. Raises Unknown."""
    found = Counter((*road.first, *road.last))
    if route.pool:
        found.update(place.layer for place in road.places)
    else:
        found.update(_visits(recipe, road, route.hops))
    return dict(found)


def _visits(recipe: Recipe, road: Road, hops: tuple[Hop, ...]) -> Counter[Layer]:
    found: Counter[Layer] = Counter()
    for hop in hops:
        if hop.origin is not None:
            once = Counter(road.layers[hop.span.start])
        else:
            once = _visits(recipe, road, hop.hops)
        times = max(times_of(recipe, hop.repeat), default=0)
        for layer, count in once.items():
            found[layer] += count * times
    return found
