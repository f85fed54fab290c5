"""Route + values -> the edits that fill its holes in the text.

In: the text, the space of a route, one value for each gene. Out: edits after which the route has no genes
and fills to an equal walk. A `maybe` that is taken loses its word; one that is left out loses its hop,
or, where a comment or the whole path would go with it, is walked 0 times. A `per` hole becomes a list.
"""

import re
from collections.abc import Sequence

from merge_dsl.meaning.recipe import Assignment, Hop
from merge_dsl.meaning.values import Expr, Network, Series, draws
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import gene_of
from merge_dsl.space.edits import Edit, apply, has_comment, renamed
from merge_dsl.space.freeze_lets import local_lets
from merge_dsl.space.resolve import SHARED, Slot, spoken
from merge_dsl.space.routes import RouteSpace, groups_of_line, maybe_slot
from merge_dsl.text.source import Source, Span

Table = dict[Slot, Value]


def freeze_route(source: Source, space: RouteSpace, values: Sequence[Value]) -> str:
    """The frozen text. It is to lie where the original lies; `relocate` moves it elsewhere."""
    table: Table = dict(zip(space.slots, values, strict=True))
    lines, names = local_lets(
        source,
        space.recipe,
        {ref.name for ref in space.recipe.references},
        {slot.hole for slot in table},
        lambda let: [
            (hole, edit.text)
            for hole, edit in zip(draws(let.value), _values(let.value, table), strict=True)
        ],
    )
    edits = edits_of_route(source.text, space, table)
    return renamed(apply(source.text, [*edits, *lines]), names)


def edits_of_route(text: str, space: RouteSpace, table: Table) -> list[Edit]:
    """What changes in the route and in the `let`s that it reads."""
    edits: list[Edit] = []
    for let in space.recipe.lets.values():
        drawn = any(Slot(draw.span.start, SHARED, 0) in table for draw in draws(let.value))
        if drawn and not let.imported:
            edits += _values(let.value, table)
    route = space.route
    if route.pool:
        for name in ("walk", "scale"):
            line = route.setting(name)
            if line is not None and isinstance(line.value, Network):
                edits += _network(text, line.value, table)
            elif line is not None:
                edits += _line(space, line, table)
    elif route.hops:
        kept = [_kept(hop, table) for hop in route.hops]
        if not any(kept):
            edits += _zero(text, route.hops[0], table)
            kept[0] = True
            edits += _of_list(text, route.hops, kept, table, done=1)
        else:
            edits += _of_list(text, route.hops, kept, table)
    return edits


def _values(expr: Expr, table: Table) -> list[Edit]:
    """Each hole of an expression that stands outside a list of groups."""
    return [
        Edit(draw.span, spoken(_value(table, draw.span.start, 0, expr))) for draw in draws(expr)
    ]


def _value(table: Table, hole: int, group: int, expr: Expr) -> Value:
    slot = Slot(hole, SHARED, group)
    if slot in table:
        return table[slot]
    draw = next(draw for draw in draws(expr) if draw.span.start == hole)
    return gene_of(draw, "").start  # of a hole that nothing reads


def _line(space: RouteSpace, line: Assignment, table: Table) -> list[Edit]:
    if line.per is None or isinstance(line.value, Series):
        return _values(line.value, table)
    count = 1 + max(number for number, _ in groups_of_line(line, space.road))
    edits = []
    for draw in draws(line.value):
        if Slot(draw.span.start, SHARED, 0) not in table:
            continue
        values = [table.get(Slot(draw.span.start, SHARED, n)) for n in range(count)]
        if draw is line.value and None not in values:
            listed = ", ".join(spoken(value) for value in values if value is not None)
            edits.append(Edit(draw.span, f"[{listed}]"))
        else:  # a point of a curve
            edits.append(Edit(draw.span, spoken(_value(table, draw.span.start, 0, line.value))))
    return edits


def _network(text: str, network: Network, table: Table) -> list[Edit]:
    """The weights that were drawn, behind all else in the brackets."""
    if network.weights is not None:
        return []
    values = [table[Slot(network.span.start, SHARED, n)] for n in range(network.size)]
    close = network.span.end - 1
    at = len(text[:close].rstrip())
    if has_comment(
        text[network.span.start : close]
    ):  # one behind the last argument would hide them
        at = close
    listed = ", ".join(spoken(value) for value in values)
    return [Edit(Span(at, at), f", weights = [{listed}]")]


# ---- a path ------------------------------------------------------------------


def _kept(hop: Hop, table: Table) -> bool:
    """Whether anything of a hop is left."""
    if hop.maybe and not table[maybe_slot(hop)]:
        return False
    return hop.origin is not None or any(_kept(inner, table) for inner in hop.hops)


def _of_list(
    text: str, hops: tuple[Hop, ...], kept: list[bool], table: Table, done: int = 0
) -> list[Edit]:
    """The edits of hops that follow each other, of which one is kept at least.

    The first `done` of them are seen to already.
    """
    edits: list[Edit] = []
    for number, hop in enumerate(hops):
        if number < done:
            continue
        if kept[number]:
            edits += _of_hop(text, hop, table)
            continue
        if any(kept[:number]):
            gone = Span(hops[number - 1].span.end, hop.span.end)
        else:
            gone = Span(hop.span.start, hops[number + 1].span.start)
        if has_comment(text[gone.start : gone.end]):
            edits += _zero(text, hop, table)
            kept[number] = True
        else:
            edits.append(Edit(gone, ""))
    return edits


def _of_hop(text: str, hop: Hop, table: Table) -> list[Edit]:
    """A hop that is walked: its word goes, its numbers stand."""
    edits = _without_maybe(text, hop)
    for value in (hop.repeat, hop.scale):
        edits += _values(value, table) if value is not None else []
    if hop.hops:
        edits += _of_list(text, hop.hops, [_kept(inner, table) for inner in hop.hops], table)
    return edits


def _without_maybe(text: str, hop: Hop) -> list[Edit]:
    if not hop.maybe:
        return []
    found = re.compile(r"maybe[ \t]*").match(text, hop.span.start)
    assert found is not None
    return [Edit(Span(*found.span()), "")]


def _zero(text: str, hop: Hop, table: Table) -> list[Edit]:
    """A hop that stays in the text and is walked 0 times. What is inside of it takes its starts."""
    edits = _without_maybe(text, hop)
    if hop.repeat is not None:
        edits.append(Edit(hop.repeat.span, "0"))
    else:
        end = _end_of_body(text, hop)
        edits.append(Edit(Span(end, end), " x 0"))
    edits += _values(hop.scale, table) if hop.scale is not None else []
    for inner in hop.hops:
        edits += _inside_zero(text, inner, table)
    return edits


def _inside_zero(text: str, hop: Hop, table: Table) -> list[Edit]:
    edits = _without_maybe(text, hop)
    for value in (hop.repeat, hop.scale):
        edits += _values(value, table) if value is not None else []
    for inner in hop.hops:
        edits += _inside_zero(text, inner, table)
    return edits


def _end_of_body(text: str, hop: Hop) -> int:
    """Behind the layers that a hop names, or behind its bracket."""
    if hop.origin is not None:
        return hop.origin.span.end
    at = hop.hops[-1].span.end
    while text[at] != ")":
        at = text.index("\n", at) if text[at] == "#" else at + 1
    return at + 1
