"""Space + values -> the same recipe with its holes filled.

In: the text, its space, one value for each gene. Out: a text that parses, has no genes, and fills to a
candidate equal to the original one. A hole becomes its value; a `per` hole a list of its values; a hole
inside `each` moves into the `take`s; a random method gets the seed of its masks; of a choice of methods, all
that stands there for the others goes: settings that the drawn one does not read, a base that it refuses, and
`when method is …`. Nothing else changes.
"""

from collections.abc import Sequence

from merge_dsl.meaning.methods import BLEND, METHODS
from merge_dsl.meaning.recipe import Assignment, BlendLine, EachBlock, Let, Recipe, Take
from merge_dsl.meaning.values import Draw, Series, draws
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import Space, gene_of
from merge_dsl.space.edits import (
    Edit,
    apply,
    begins_line,
    has_comment,
    indent_of,
    renamed,
    whole_lines,
)
from merge_dsl.space.fill import method_of, seed_of
from merge_dsl.space.freeze_lets import local_lets
from merge_dsl.space.freeze_route import freeze_route
from merge_dsl.space.resolve import SHARED, Slot, assignments_of, spoken
from merge_dsl.space.routes import RouteSpace
from merge_dsl.text.source import Source, Span

Table = dict[Slot, Value]
METHOD = "method"  # what `when` asks of a choice of methods


def freeze(source: Source, space: Space | RouteSpace, values: Sequence[Value], seed: int) -> str:
    """The frozen text. It is to lie where the original lies; `relocate` moves it elsewhere."""
    if isinstance(space, RouteSpace):
        return freeze_route(source, space, values)
    table: Table = dict(zip(space.slots, values, strict=True))
    edits: list[Edit] = []
    gone: list[Span] = []
    for number, line in enumerate(space.frame.merge.lines):
        if not isinstance(line, BlendLine):
            continue
        drawn = method_of(space, values, line)
        edits += _method(space, values, seed, number, line)
        bases = _bases(source.text, line, drawn)
        edits += [Edit(whole_lines(source.text, span), "") for span in bases]
        leaving = _leaving(space, line, drawn)
        for assignment in _outside_each(line):
            if assignment in leaving:
                edits.append(Edit(whole_lines(source.text, assignment.span), ""))
                continue
            edits += _clauses(source.text, line, assignment)
            edits += _holes(space, table, assignment, _owner(line, assignment))
        edits += _each(source.text, space, table, line, leaving)
        gone += [*bases, *(assignment.span for assignment in leaving)]
    unnamed = _unnamed(space.recipe, gone)
    edits += [Edit(whole_lines(source.text, span), "") for span in unnamed]
    for let in space.recipe.lets.values():
        drawn_here = any(slot.hole == d.span.start for d in draws(let.value) for slot in table)
        if drawn_here and not let.imported and let.span not in unnamed:
            edits += _holes(space, table, let, SHARED)
    gone += unnamed
    lines, names = local_lets(
        source,
        space.recipe,
        {r.name for r in space.recipe.references if not any(_holds(s, r.span) for s in gone)},
        {slot.hole for slot in table},
        lambda let: _texts(space, table, let, SHARED),
    )
    return renamed(apply(source.text, [*edits, *lines]), names)


def _method(
    space: Space, values: Sequence[Value], seed: int, number: int, line: BlendLine
) -> list[Edit]:
    """The drawn method, and the seed of its masks where the recipe gives none."""
    name = method_of(space, values, line)
    found = seed_of(space, values, seed, number, line)
    if len(line.methods) == 1 and (found is None or line.methods[0].seed is not None):
        return []
    return [Edit(line.method_span, name if found is None else f"{name}(seed = {found})")]


def _bases(text: str, line: BlendLine, drawn: str) -> list[Span]:
    """The `base` lines, where the drawn method of a choice refuses one."""
    if METHODS[drawn].base != "refused":
        return []
    return [Span(text.rindex("base", 0, o.span.start), o.span.end) for o in line.bases]


def _unnamed(recipe: Recipe, gone: list[Span]) -> list[Span]:
    """The models and `let`s that nothing names but what goes: with a lint they would be a finding."""
    declared = {name: m.span for name, m in recipe.models.items() if not m.imported}
    declared |= {name: let.span for name, let in recipe.lets.items() if not let.imported}
    places: dict[str, list[Span]] = {}
    for ref in recipe.references:
        places.setdefault(ref.name, []).append(ref.span)
    found: list[Span] = []
    for name, spans in reversed(places.items()):  # a `let` before those that it is made from
        inside = all(any(_holds(span, ref) for span in [*gone, *found]) for ref in spans)
        if name in declared and inside:
            found.append(declared[name])
    return found


def _holds(span: Span, inner: Span) -> bool:
    return span.start <= inner.start and inner.end <= span.end


def _leaving(space: Space, line: BlendLine, drawn: str) -> list[Assignment]:
    """The settings that stand there for others of a choice, and those that are covered without it."""
    others = [a for a in assignments_of(line) if not _is_for(line, drawn, a)]
    if len(line.methods) == 1:
        return others
    each = tuple(setting for block in line.eaches for setting in block.settings)
    for block in (line.shared, each, *(take.settings for take in line.takes)):
        kept = [setting for setting in block if setting not in others]
        for number, early in enumerate(kept):
            if _is_covered(space, line, early, kept[number + 1 :]):
                others.append(early)
    return others


def _is_for(line: BlendLine, drawn: str, assignment: Assignment) -> bool:
    read = assignment.name in METHODS[drawn].settings or assignment.name in BLEND
    asked = [when for when in assignment.when if when.name == METHOD and len(line.methods) > 1]
    return read and all(drawn in when.options for when in asked)


def _is_covered(
    space: Space, line: BlendLine, early: Assignment, later: Sequence[Assignment]
) -> bool:
    """Whether a line of the frozen block is covered whole by a later one there: lint calls it X310."""

    def units(assignment: Assignment) -> set[str]:
        grouping = space.frame.groupings.get(assignment.span.start)
        return set(grouping.group) if grouping is not None else set()

    mine = units(early)
    for late in later:
        asks = any(when.name != METHOD or len(line.methods) == 1 for when in late.when)
        whole = late.at is None or (mine and mine <= units(late))
        if late.name == early.name and not asks and whole:
            return True
    return False


def _clauses(text: str, line: BlendLine, assignment: Assignment) -> list[Edit]:
    """`when method is …` goes with the choice. One with a comment inside stays: it is still true."""
    edits = []
    for when in assignment.when if len(line.methods) > 1 else ():
        if when.name == METHOD and not has_comment(text[when.span.start : when.span.end]):
            start = len(text[: when.span.start].rstrip(" \t"))
            edits.append(Edit(Span(start, when.span.end), ""))
    return edits


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


def _each(
    text: str, space: Space, table: Table, line: BlendLine, leaving: Sequence[Assignment]
) -> list[Edit]:
    """Move every setting of `each` that has a hole, with all lines of its name, into the takes."""
    inside = [setting for each in line.eaches for setting in each.settings]
    kept = [setting for setting in inside if setting not in leaving]
    names = {setting.name for setting in kept if draws(setting.value)}
    moved = [setting for setting in kept if setting.name in names]
    stay = [setting for setting in kept if setting.name not in names]
    edits = [edit for setting in stay for edit in _clauses(text, line, setting)]
    for each in line.eaches:
        edits += _removals(text, each, [setting for setting in inside if setting not in stay])
    if not moved:
        return edits
    for number, take in enumerate(line.takes):
        own = [setting for setting in take.settings if setting not in leaving]
        lines = [
            _rewritten(text, space, table, line, setting, number)
            for setting in moved
            if not _is_covered(space, line, setting, own)
        ]
        edits += [_insertion(text, take, lines)] if lines else []
    return edits


def _rewritten(
    text: str, space: Space, table: Table, line: BlendLine, setting: Assignment, owner: int
) -> str:
    """The text of a line of `each` for one ingredient."""
    start = setting.span.start
    edits = [Edit(hole.span, value) for hole, value in _texts(space, table, setting, owner)]
    edits += _clauses(text, line, setting)
    moved = [Edit(Span(e.span.start - start, e.span.end - start), e.text) for e in edits]
    return apply(text[start : setting.span.end], moved)


def _removals(text: str, each: EachBlock, leaving: Sequence[Assignment]) -> list[Edit]:
    gone = [setting for setting in each.settings if setting in leaving]
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
