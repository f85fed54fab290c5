"""Space + values -> candidate.

In: one value for each gene, and the seed of the run. Out: of a merge a `Candidate`: for each blend and
setting one value a unit, defaults written out, every unit in exactly one keep or blend. Of a route a
`Walk`: its hops one by one, whether its ends pin them, a path draws them or a pool lays them out.
"""

from collections.abc import Sequence
from typing import overload

from merge_dsl.meaning.methods import BLEND, METHODS, Setting
from merge_dsl.meaning.recipe import BlendLine, KeepLine, OriginRef, Recipe
from merge_dsl.meaning.values import Draw, Word
from merge_dsl.space.candidate import (
    Blend,
    Candidate,
    Hop,
    Ingredient,
    Keep,
    Origin,
    Place,
    Value,
    Walk,
)
from merge_dsl.space.compile import Space, certainty, method_hole
from merge_dsl.space.resolve import SHARED, Look, Slot, SpaceError, deciding, holds, value_at
from merge_dsl.space.road import stack_of
from merge_dsl.space.routes import RouteSpace, scale_of, walk_of


@overload
def fill(space: Space, values: Sequence[Value], seed: int) -> Candidate: ...
@overload
def fill(space: RouteSpace, values: Sequence[Value], seed: int) -> Walk: ...
@overload
def fill(space: Space | RouteSpace, values: Sequence[Value], seed: int) -> Candidate | Walk: ...


def fill(space: Space | RouteSpace, values: Sequence[Value], seed: int) -> Candidate | Walk:
    """The candidate at these values. `seed` decides the random masks that the recipe does not."""
    if isinstance(space, RouteSpace):
        return _walk(space, values)
    frame = space.frame
    keeps, blends = [], []
    used: set[str] = set()
    for number, line in enumerate(frame.merge.lines):
        units = frame.layout.won[number]
        if not units:
            continue
        if isinstance(line, KeepLine):
            keeps.append(Keep(units, _origin(line.origin)))
            used.add(line.origin.model)
        else:
            blend = _blend(space, values, seed, number, line)
            blends.append(blend)
            used |= {made_from.origin.model for made_from in blend.ingredients}
            used |= {blend.base.model} if blend.base is not None else set()
    return Candidate(frame.merge.name, _places(space.recipe, used), tuple(keeps), tuple(blends))


def _places(recipe: Recipe, used: set[str]) -> dict[str, Place]:
    """Where the models come from that a candidate needs."""
    sources = {**recipe.models, **recipe.stages}
    return {name: sources[name].place for name in sources if name in used}


def _walk(space: RouteSpace, values: Sequence[Value]) -> Walk:
    route = space.route
    steps = walk_of(space, values)
    hops = tuple(Hop(step.layer.model, step.layer.number, step.scale + 0.0) for step in steps)
    begin, end = route.begins[-1].model, route.ends[-1].model
    used = {begin, end, *(hop.model for hop in hops)}
    walked = next(origin for origin in route.origins if origin not in {*route.begins, *route.ends})
    return Walk(
        name=route.name,
        models=_places(space.recipe, used),
        stack=stack_of(space.recipe, walked),
        begin=begin,
        end=end,
        hops=hops,
        scale_of=scale_of(route),
    )


def method_of(space: Space, values: Sequence[Value], line: BlendLine) -> str:
    """The method of a blend, which may be a gene."""
    if len(line.methods) == 1:
        return line.methods[0].name
    hole = method_hole(line)
    return str(_look(space, values)(hole.slot, hole.draw))


def mask_seed(space: Space, values: Sequence[Value], seed: int, number: int) -> int:
    """The seed of a blend's masks where the recipe gives none: of the run, the values, the line."""
    import hashlib
    import json

    text = json.dumps([seed, list(values), number], ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def seed_of(
    space: Space, values: Sequence[Value], seed: int, number: int, line: BlendLine
) -> int | None:
    """The seed that a blend's masks have; None where its method draws none."""
    drawn = method_of(space, values, line)
    if not METHODS[drawn].random:
        return None
    own = next(method.seed for method in line.methods if method.name == drawn)
    return own if own is not None else mask_seed(space, values, seed, number)


def _look(space: Space, values: Sequence[Value]) -> Look:
    if len(values) != len(space.genes):
        raise SpaceError(f"{len(space.genes)} genes and {len(values)} values")
    table = dict(zip(space.slots, values, strict=True))

    def look(slot: Slot, draw: Draw) -> Value:
        return table[slot]

    return look


def _blend(space: Space, values: Sequence[Value], seed: int, number: int, line: BlendLine) -> Blend:
    method = method_of(space, values, line)
    signature = METHODS[method]

    def dense(owner: int, name: str, setting: Setting) -> tuple[Value, ...]:
        units = space.frame.layout.won[number]
        look = _look(space, values)
        return tuple(
            _setting(space, line, owner, name, setting, unit, method, look) for unit in units
        )

    def settings(owner: int, scope: str) -> dict[str, tuple[Value, ...]]:
        return {
            name: dense(owner, name, setting)
            for name, setting in signature.settings.items()
            if setting.scope == scope
        }

    return Blend(
        units=space.frame.layout.won[number],
        method=method,
        base=_origin(line.base) if line.base and signature.base != "refused" else None,
        ingredients=tuple(
            Ingredient(_origin(take.origin), settings(owner, "ingredient"))
            for owner, take in enumerate(line.takes)
        ),
        settings={**settings(SHARED, "shared"), **_of_blend(line, space.frame.layout.won[number])},
        seed=seed_of(space, values, seed, number, line),
    )


def _of_blend(line: BlendLine, units: tuple[str, ...]) -> dict[str, tuple[Value, ...]]:
    """The words that hold for a whole blend, whatever its method; the last of each wins."""
    words = {a.name: a.value.text for a in line.shared if isinstance(a.value, Word)}
    return {name: (words[name],) * len(units) for name in BLEND if name in words}


def _setting(
    space: Space,
    line: BlendLine,
    owner: int,
    name: str,
    setting: Setting,
    unit: str,
    method: str,
    look: Look,
) -> Value:
    frame = space.frame
    for assignment, drawn_for in deciding(frame, line, owner, name, unit):
        # What is certain comes first: a condition beside one that never holds may have no gene.
        certain = [certainty(frame, when, {method}) for when in assignment.when]
        if False not in certain and all(
            truth or holds(frame, when, method, unit, look)
            for when, truth in zip(assignment.when, certain, strict=True)
        ):
            home = assignment.span.start
            value = value_at(frame, assignment.value, home, drawn_for, unit, look)
            return _as(setting, value, name)
    if setting.default is None:
        raise SpaceError(f"`{name}` has no default and is not given at {unit}")
    return setting.default


def _as(setting: Setting, value: Value, name: str) -> Value:
    """A value as its setting's kind, so that 1 and 1.0 are one candidate."""
    if setting.kind == "flag":
        return bool(value)
    if setting.kind == "word":
        if value not in setting.words:
            raise SpaceError(f"`{name}` is one of {', '.join(setting.words)}, not {value!r}")
        return value
    if isinstance(value, str):
        raise SpaceError(f"`{name}` is a number, and `{value}` is none")
    return float(value) + 0.0 if setting.kind == "real" else int(value)


def _origin(ref: OriginRef) -> Origin:
    part = "" if ref.whole or ref.part is None or ref.part.name is None else ref.part.name
    return Origin(ref.model, part)


def models_of(recipe: Recipe, target: str) -> tuple[str, ...]:
    """The models that a merge or a route is made from, by way of earlier ones too, in the order of
    the recipe."""
    used = recipe.parents.get(target, frozenset())
    return tuple(name for name in recipe.models if name in used)
