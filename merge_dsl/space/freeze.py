"""Space + values -> the same recipe with its holes filled.

In: the text, its space, one value for each gene. Out: a text that parses, has no genes, and fills to a
candidate equal to the original one. A hole becomes its value; a `per` hole a list of its values; a hole
inside `each` moves into the `take`s; a random method gets the seed of its masks; of a choice of methods,
settings that the drawn one does not read go. Nothing else changes.
"""

from collections.abc import Sequence

from merge_dsl.meaning.methods import BLEND, METHODS
from merge_dsl.meaning.recipe import Assignment, BlendLine, EachBlock, Let, Take
from merge_dsl.meaning.values import Draw, Series, draws
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import Space, gene_of
from merge_dsl.space.edits import Edit, apply, begins_line, has_comment, indent_of, whole_lines
from merge_dsl.space.fill import method_of, seed_of
from merge_dsl.space.freeze_route import freeze_route
from merge_dsl.space.resolve import SHARED, Slot, assignments_of, spoken
from merge_dsl.space.routes import RouteSpace
from merge_dsl.text.source import Source, Span

Table = dict[Slot, Value]


def freeze(source: Source, space: Space | RouteSpace, values: Sequence[Value], seed: int) -> str:
    """The frozen text. It is to lie where the original lies; `relocate` moves it elsewhere."""
    if isinstance(space, RouteSpace):
        return freeze_route(source, space, values)
    table: Table = dict(zip(space.slots, values, strict=True))
    edits: list[Edit] = []
    for let in space.recipe.lets.values():
        if any(slot.hole == d.span.start for d in draws(let.value) for slot in table):
            edits += _holes(space, table, let, SHARED)
    for number, line in enumerate(space.frame.merge.lines):
        if not isinstance(line, BlendLine):
            continue
        edits += _method(space, values, seed, number, line)
        unread = _unread(line, method_of(space, values, line))
        for assignment in _outside_each(line):
            if assignment.name in unread:
                edits.append(Edit(whole_lines(source.text, assignment.span), ""))
            else:
                edits += _holes(space, table, assignment, _owner(line, assignment))
        edits += _each(source.text, space, table, line, unread)
    return apply(source.text, edits)


def _method(
    space: Space, values: Sequence[Value], seed: int, number: int, line: BlendLine
) -> list[Edit]:
    """The drawn method, and the seed of its masks where the recipe gives none."""
    name = method_of(space, values, line)
    if not METHODS[name].random or line.seed is not None:
        return [Edit(line.method_span, name)] if len(line.methods) > 1 else []
    found = seed_of(space, values, seed, number, line)
    return [Edit(line.method_span, f"{name}(seed = {found})")]


def _unread(line: BlendLine, drawn: str) -> set[str]:
    """The settings that stand there for other methods of the choice than the drawn one."""
    return {a.name for a in assignments_of(line)} - {*METHODS[drawn].settings, *BLEND}


def _holes(space: Space, table: Table, line: Assignment | Let, owner: int) -> list[Edit]:
    return [Edit(hole.span, text) for hole, text in _texts(space, table, line, owner)]


def _texts(
    space: Space, table: Table, line: Assignment | Let, owner: int
) -> list[tuple[Draw, str]]:
    """Each hole of a line, and what stands in its place."""
    found = []
    for hole in draws(line.value):
        start = gene_of(hole, "").start  # of a group that no unit reads
        if isinstance(line.value, Series) or line.per is None:
            found.append((hole, spoken(table.get(Slot(hole.span.start, owner, 0), start))))
            continue
        grouping = space.frame.groupings.get(line.span.start)
        count = len(grouping.groups) if grouping else 0
        items = [table.get(Slot(hole.span.start, owner, n), start) for n in range(count)]
        found.append((hole, f"[{', '.join(map(spoken, items))}]" if items else spoken(start)))
    return found


def _outside_each(line: BlendLine) -> list[Assignment]:
    inside = {id(setting) for each in line.eaches for setting in each.settings}
    return [a for a in assignments_of(line) if id(a) not in inside]


def _owner(line: BlendLine, assignment: Assignment) -> int:
    for number, take in enumerate(line.takes):
        if any(setting is assignment for setting in take.settings):
            return number
    return SHARED


# ---- `each` -----------------------------------------------------------------


def _each(text: str, space: Space, table: Table, line: BlendLine, unread: set[str]) -> list[Edit]:
    """Move every setting of `each` that has a hole, with all lines of its name, into the takes."""
    inside = [setting for each in line.eaches for setting in each.settings]
    names = {setting.name for setting in inside if draws(setting.value)}
    moved = [setting for setting in inside if setting.name in names - unread]
    edits: list[Edit] = []
    for each in line.eaches:
        edits += _removals(text, each, names | unread)
    if not moved:
        return edits
    for number, take in enumerate(line.takes):
        lines = [_rewritten(text, space, table, setting, number) for setting in moved]
        edits.append(_insertion(text, take, lines))
    return edits


def _rewritten(text: str, space: Space, table: Table, setting: Assignment, owner: int) -> str:
    """The text of a line of `each` for one ingredient."""
    start = setting.span.start
    edits = [
        Edit(Span(hole.span.start - start, hole.span.end - start), value)
        for hole, value in _texts(space, table, setting, owner)
    ]
    return apply(text[start : setting.span.end], edits)


def _removals(text: str, each: EachBlock, names: set[str]) -> list[Edit]:
    gone = [setting for setting in each.settings if setting.name in names]
    if (
        gone
        and len(gone) == len(each.settings)
        and not has_comment(text[each.span.start : each.span.end])
    ):
        return [Edit(whole_lines(text, each.span), "")]
    return [Edit(whole_lines(text, setting.span), "") for setting in gone]


def _insertion(text: str, take: Take, lines: list[str]) -> Edit:
    """At the head of a take's block, so that the take's own lines still win."""
    indent = indent_of(text, take.span.start)
    alone = begins_line(text, take.span.start)
    if not take.has_block:
        at = Span(take.span.end, take.span.end)
        if not alone:
            return Edit(at, f" {{ {'; '.join(lines)} }}")
        body = "".join(f"{indent}  {line}\n" for line in lines)
        return Edit(at, f" {{\n{body}{indent}}}")
    brace = text.index("{", take.origin.span.end) + 1
    rest = text[brace : text.find("\n", brace) if "\n" in text[brace:] else len(text)]
    if rest.strip():
        return Edit(Span(brace, brace), "".join(f" {line};" for line in lines))
    return Edit(Span(brace, brace), "".join(f"\n{indent}  {line}" for line in lines))
