"""The space of a route + values -> the same recipe with the road's holes filled.

In: the text, the route's space, one value for each gene. Out: a text that parses, has no genes, and walks
the same steps. `maybe` goes where the hop is walked; a hop that is not walked stays, as `x 0`, so that
nothing of what was written is lost. In a pool a `per` hole becomes a list of its values.
"""

from collections.abc import Iterator, Sequence

from merge_dsl.meaning.recipe import Assignment, Hop
from merge_dsl.meaning.values import Draw, Series, draws
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import gene_of
from merge_dsl.space.edits import Edit, apply
from merge_dsl.space.freeze_lets import local_lets, renamed
from merge_dsl.space.resolve import SHARED, Slot, spoken
from merge_dsl.space.road import every_hop, groups_of_places
from merge_dsl.space.routes import RouteSpace, maybe_slot
from merge_dsl.text.draft import without_comments
from merge_dsl.text.source import Source, Span

MAYBE = "maybe"
Table = dict[Slot, Value]


def freeze_route(source: Source, space: RouteSpace, values: Sequence[Value]) -> str:
    """The frozen text. It is to lie where the original lies; `relocate` moves it elsewhere."""
    table: Table = dict(zip(space.slots, values, strict=True))
    edits: list[Edit] = []
    for let in space.recipe.lets.values():
        drawn = any(Slot(hole.span.start, SHARED, 0) in table for hole in draws(let.value))
        if drawn and not let.imported:
            edits += [_one(hole, table) for hole in draws(let.value)]
    for hop in every_hop(() if space.route.pool else space.route.hops):
        edits += _hop(source.text, hop, table)
    if space.route.pool:
        for line in space.route.settings:
            edits += _line(space, line, table)
    lines, names = local_lets(
        source,
        space.recipe,
        {ref.name for ref in space.recipe.references},
        {slot.hole for slot in table},
        lambda let: [(hole, _one(hole, table).text) for hole in draws(let.value)],
    )
    return renamed(apply(source.text, [*edits, *lines]), names)


def _hop(text: str, hop: Hop, table: Table) -> Iterator[Edit]:
    walked = True
    if hop.maybe:
        walked = bool(table[maybe_slot(hop)])
        start = hop.span.start
        after = start + len(MAYBE)
        while text[after] in " \t":
            after += 1
        yield Edit(Span(start, after), "")
    if hop.repeat is not None:
        for hole in draws(hop.repeat) if walked else ():
            yield _one(hole, table)
        if not walked:
            yield Edit(hop.repeat.span, "0")
    elif not walked:
        at = _end_of_path(text, hop)
        yield Edit(Span(at, at), " x 0")
    for hole in draws(hop.scale) if hop.scale is not None else ():
        yield _one(hole, table)


def _end_of_path(text: str, hop: Hop) -> int:
    """Where `x` would stand: behind the layers, or the bracket, and before `scale`."""
    if hop.origin is not None:
        return hop.origin.span.end
    end = hop.scale.span.start if hop.scale is not None else hop.span.end
    bare = without_comments(text)
    if hop.scale is not None:
        end = bare.rindex("scale", 0, end)
    return bare.rindex(")", 0, end) + 1


def _line(space: RouteSpace, line: Assignment, table: Table) -> Iterator[Edit]:
    for hole in draws(line.value):
        if isinstance(line.value, Series) or line.per is None:
            yield _one(hole, table)
            continue
        groups = dict.fromkeys(groups_of_places(line.per, space.road.places))
        start = gene_of(hole, "").start
        items = [table.get(Slot(hole.span.start, SHARED, n), start) for n, _ in groups]
        yield Edit(hole.span, f"[{', '.join(map(spoken, items))}]")


def _one(hole: Draw, table: Table) -> Edit:
    value = table.get(Slot(hole.span.start, SHARED, 0), gene_of(hole, "").start)
    return Edit(hole.span, spoken(value))
