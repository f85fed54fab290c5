"""A route laid out: which layers may be walked, in which order, before anything is drawn.

In: a route of a recipe. Out: `Road`: the hops of a drawn path with their layers, or the slots of a
pool. A pool is laid out as in Akiba et al. 2024 (arXiv:2403.13187): the layers of the first model, then
of the second, and all of that `repeat` times; each place is a slot, and a walk takes or leaves it.
Layers that `begin` or `end` name, as in `begin jp.layers[0]`, are walked first or last whatever is drawn.
"""

from collections.abc import Iterator
from typing import NamedTuple

from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import Hop, OriginRef, Per, Recipe, Route
from merge_dsl.meaning.values import Const
from merge_dsl.space.layout import counts_of
from merge_dsl.space.resolve import SpaceError

TALLEST = 10_000  # layers; more is a slip of the pen, and must not fill the memory


class Layer(NamedTuple):
    """One layer of a model, or of what a merge makes."""

    model: str
    stack: str  # "language" or "vision"
    number: int

    def __str__(self) -> str:
        return f"{self.model}.{self.stack}.layers[{self.number}]"


class Place(NamedTuple):
    """A slot of a pool. `lap` counts the repetitions from 1."""

    layer: Layer
    lap: int

    @property
    def label(self) -> str:
        return f"{self.lap}.{self.layer.model}.{self.layer.number}"


class Road(NamedTuple):
    """`places` of a pool, or the layers of every hop that names some, by where the hop stands.

    `first` and `last` are the layers that `begin` and `end` pin.
    """

    places: tuple[Place, ...]
    layers: dict[int, tuple[Layer, ...]]
    first: tuple[Layer, ...] = ()
    last: tuple[Layer, ...] = ()

    @property
    def pinned(self) -> int:
        """How many layers every walk has."""
        return len(self.first) + len(self.last)


def road_of(recipe: Recipe, route: Route) -> Road:
    """Lay a route out. Raises SpaceError where nobody knows how many layers there are."""
    layers = {
        hop.span.start: layers_of(recipe, hop.origin)
        for path in route.paths
        for hop in every_hop(path)
        if hop.origin is not None
    }
    pool = [layer for origin in route.pool for layer in layers_of(recipe, origin)]
    if len(pool) * laps_of(route) > TALLEST:
        raise SpaceError(f"`{route.name}` would have more than {TALLEST} slots")
    places = [Place(layer, lap) for lap in range(1, laps_of(route) + 1) for layer in pool]
    ends = [_pinned(recipe, found) for found in (route.begins, route.ends)]
    return Road(tuple(places), layers, *ends)


def _pinned(recipe: Recipe, origins: tuple[OriginRef, ...]) -> tuple[Layer, ...]:
    """The layers that `begin` or `end` names one by one; of several lines the later counts."""
    if not origins or origins[-1].part is None or origins[-1].part.slices is None:
        return ()
    return layers_of(recipe, origins[-1])


def every_hop(hops: tuple[Hop, ...]) -> Iterator[Hop]:
    """Hops, and the hops in their brackets."""
    for hop in hops:
        yield hop
        yield from every_hop(hop.hops)


def laps_of(route: Route) -> int:
    """How often the pool is laid out; 1 unless the route says `repeat = N`."""
    line = route.setting("repeat")
    value = line.value if line else None
    if isinstance(value, Const) and isinstance(value.value, int):
        return min(max(value.value, 0), TALLEST)
    return 1


def stack_of(recipe: Recipe, origin: OriginRef) -> str:
    """Which stack an origin walks: that of its part; a tower alone has only one."""
    if origin.part is not None and origin.part.name is not None:
        stacks = {leaf.partition(".")[0] for leaf in leaves(origin.part) if leaf.endswith("layers")}
        if stacks == {"vision"}:
            return "vision"
        if stacks and (origin.part.text != "layers" or speaks(recipe, origin.model)):
            return "language"
    return "language" if speaks(recipe, origin.model) else "vision"


def speaks(recipe: Recipe, name: str) -> bool:
    """Whether a model has language layers; what is not known is thought to."""
    model = recipe.source(name)
    return model is None or model.facts is None or model.facts.speaks


def height_of(recipe: Recipe, name: str, stack: str) -> int | None:
    """How many layers a model has, or what a merge makes."""
    if name in recipe.merges:
        return counts_of(recipe, recipe.merges[name]).get(stack)
    model = recipe.source(name)
    return model.facts.height(stack) if model and model.facts else None


def layers_of(recipe: Recipe, origin: OriginRef) -> tuple[Layer, ...]:
    """The layers that an origin names, in the order in which they are written."""
    stack = stack_of(recipe, origin)
    slices = origin.part.slices if origin.part else None
    if slices is None:
        height = height_of(recipe, origin.model, stack)
        if height is None:
            raise SpaceError(f"nothing is known of {origin.model}: how many {stack} layers has it?")
        slices = ((0, height - 1),)
    if sum(high - low + 1 for low, high in slices) > TALLEST:
        raise SpaceError(f"{origin.model} has no {TALLEST} layers")
    return tuple(
        Layer(origin.model, stack, n) for low, high in slices for n in range(low, high + 1)
    )


def groups_of_places(per: Per | None, places: tuple[Place, ...]) -> list[tuple[int, str]]:
    """For each slot the group that it is in under a `per` clause: a number, and a name."""
    if per is None:
        return [(0, "")] * len(places)
    if per.unit in ("slot", "hop"):
        return [(number, place.label) for number, place in enumerate(places)]
    if per.unit != "layers" or per.size < 1:
        raise SpaceError(f"there is no `per {per.unit}` in a route")
    blocks = [(p.layer.model, p.layer.stack, p.layer.number // per.size) for p in places]
    members: dict[tuple[str, str, int], set[int]] = {}
    for block, place in zip(blocks, places, strict=True):
        members.setdefault(block, set()).add(place.layer.number)
    order = {block: number for number, block in enumerate(members)}
    return [(order[block], _block_label(block[0], members[block])) for block in blocks]


def _block_label(model: str, numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{model}.{low}..{high}" if high > low else f"{model}.{low}"
