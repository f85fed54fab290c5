"""Recipe + target -> space: its genes, in the order of the recipe.

In: a recipe without errors and the name of a merge. Out: `Space`. A hole yields one gene for each group
of its `per` clause, and inside `each` one for each ingredient; a hole that no unit of the result ever
reads yields none.
"""

from collections.abc import Iterator
from typing import NamedTuple

from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.parts import STACKS, leaves
from merge_dsl.meaning.recipe import Assignment, BlendLine, KeepLine, Recipe, When
from merge_dsl.meaning.values import Const, Curve, Draw, Expr, LetRef, Operation, Series, Word
from merge_dsl.space.genes import Gene, decode, encode, middle
from merge_dsl.space.layout import origins_of
from merge_dsl.space.resolve import (
    SHARED,
    Frame,
    Slot,
    SpaceError,
    UnknownModel,
    deciding,
    frame_of,
    spoken,
)


class Space(NamedTuple):
    """What may vary in one merge. `slots` are parallel to `genes`."""

    target: str
    genes: tuple[Gene, ...]
    slots: tuple[Slot, ...]
    frame: Frame

    @property
    def recipe(self) -> Recipe:
        return self.frame.recipe


class Found(NamedTuple):
    """A live hole: its gene's name, and what sorts it."""

    slot: Slot
    draw: Draw
    stem: str
    label: str
    place: tuple[int, int, int, int]
    part: str  # of the blend, where a name alone is ambiguous


def compile_space(recipe: Recipe, target: str, frame: Frame | None = None) -> Space:
    """The space of a merge. Raises SpaceError for an unknown target or an unknown layer count.

    `frame` is the merge laid out, where the caller has it.
    """
    if target not in recipe.merges:
        raise SpaceError(f"there is no merge `{target}` in this recipe")
    frame = frame or frame_of(recipe, recipe.merges[target])
    for line in frame.merge.lines:
        _must_be_known(frame, line)
    found: dict[Slot, Found] = {}
    for number, line in frame.blends:
        for hole in _of_blend(frame, number, line):
            found.setdefault(hole.slot, hole)
    ordered = sorted(found.values(), key=lambda hole: hole.place)
    names = _names(ordered)
    genes = tuple(gene_of(hole.draw, name) for hole, name in zip(ordered, names, strict=True))
    return Space(target, genes, tuple(hole.slot for hole in ordered), frame)


def _must_be_known(frame: Frame, line: KeepLine | BlendLine) -> None:
    for stack in STACKS:
        named = any(f"{stack}.layers" in leaves(part) for part in line.parts)
        if named and stack not in frame.layout.counts:
            names = ", ".join(origin.model for origin in origins_of(line))
            raise UnknownModel(f"nothing is known of {names}: how many {stack} layers are there?")
    for method in line.methods if isinstance(line, BlendLine) else ():
        if method.name not in METHODS:
            raise SpaceError(f"`{method.name}` is no method of this version")


def gene_of(draw: Draw, name: str) -> Gene:
    """The gene of a hole; its start is a value that it can take."""
    if draw.kind == "flag":
        return Gene(name, "flag", None, None, True, options=(False, True))
    if draw.kind == "choice":
        gene = Gene(name, "choice", None, None, draw.options[0], options=draw.options)
    elif draw.kind == "int":
        low, high = round(draw.low), round(draw.high)
        gene = Gene(name, "int", low, high, low, draw.log, draw.step)
    else:
        gene = Gene(name, "real", draw.low, draw.high, draw.low, draw.log, draw.step)
    if draw.start is None:
        return gene._replace(start=gene.start if gene.options else middle(gene))
    return gene._replace(start=decode(gene, encode(gene, draw.start)))


def _of_blend(frame: Frame, number: int, line: BlendLine) -> Iterator[Found]:
    part = "+".join(part.text for part in line.parts)
    if len(line.methods) > 1:
        yield method_hole(line)
    names = {name for m in line.methods for name in METHODS[m.name].settings}
    for unit in frame.layout.won[number]:
        for owner in range(SHARED, len(line.takes)):
            for name in sorted(names):
                yield from _of_setting(frame, line, owner, name, unit, part)


def method_hole(line: BlendLine) -> Found:
    """The hole of `by choice ties | dare_ties`."""
    options = tuple(method.name for method in line.methods)
    draw = Draw("choice", line.method_span, line.method_span, options=options)
    start = line.method_span.start
    part = "+".join(part.text for part in line.parts)
    return Found(Slot(start, SHARED, 0), draw, "method", "", (start, SHARED, start, 0), part)


def _of_setting(
    frame: Frame, line: BlendLine, owner: int, name: str, unit: str, part: str
) -> Iterator[Found]:
    if not _applies(line, owner, name):
        return
    methods = {method.name for method in line.methods}
    for assignment, drawn_for in deciding(frame, line, owner, name, unit):
        certain = [certainty(frame, when, methods) for when in assignment.when]
        if any(truth is False for truth in certain):
            continue
        for when in assignment.when:
            if when.name != "method":
                let = frame.recipe.lets[when.name]
                yield from _of_let(frame, let.name, unit)
        stem = f"{line.takes[drawn_for].origin.model}.{name}" if drawn_for != SHARED else name
        home = assignment.span.start
        place = (_position(line, assignment, drawn_for), drawn_for)
        yield from _of_value(frame, assignment.value, home, drawn_for, unit, (stem, part), place)
        if all(truth is True for truth in certain):
            return


def _applies(line: BlendLine, owner: int, name: str) -> bool:
    """Settings of an ingredient are read for each of them, shared ones once."""
    scopes = {
        METHODS[m.name].settings[name].scope
        for m in line.methods
        if name in METHODS[m.name].settings
    }
    return ("shared" if owner == SHARED else "ingredient") in scopes


def _of_let(frame: Frame, name: str, unit: str) -> Iterator[Found]:
    let = frame.recipe.lets[name]
    home = let.span.start
    yield from _of_value(frame, let.value, home, SHARED, unit, (name, ""), (home, SHARED))


def _of_value(
    frame: Frame,
    expr: Expr,
    home: int,
    owner: int,
    unit: str,
    names: tuple[str, str],
    place: tuple[int, int],
) -> Iterator[Found]:
    if isinstance(expr, Operation):
        for side in (expr.left, expr.right):
            yield from _of_value(frame, side, home, owner, unit, names, place)
        return
    if isinstance(expr, LetRef):
        yield from _of_let(frame, expr.name, unit)
        return
    if isinstance(expr, Curve):
        for number, point in enumerate(expr.points, 1):
            for hole in _of_value(frame, point, home, owner, unit, names, place):
                own = expr.span.start <= hole.slot.hole < expr.span.end  # not of a `let`
                yield hole._replace(label=f"point {number}") if own else hole
        return
    grouping = frame.groupings[home]
    group = grouping.group[unit]
    label = grouping.groups[group].label
    if isinstance(expr, Series):
        item = expr.items[group]
        if not isinstance(item, Draw):
            yield from _of_value(frame, item, home, owner, unit, names, place)
            return
        slot = Slot(item.span.start, owner, 0)
        yield Found(slot, item, names[0], label, (*place, expr.span.start, group), names[1])
    elif isinstance(expr, Draw):
        slot = Slot(expr.span.start, owner, group)
        yield Found(slot, expr, names[0], label, (*place, expr.span.start, group), names[1])


def _position(line: BlendLine, assignment: Assignment, owner: int) -> int:
    """Where a line counts: that of an `each` where the block stands, for all ingredients there."""
    for each in line.eaches:
        if assignment in each.settings:
            return each.span.start
    return line.takes[owner].span.start if owner != SHARED else assignment.span.start


def certainty(frame: Frame, when: When, methods: set[str]) -> bool | None:
    """Whether a condition is true whatever is drawn, false whatever is drawn, or open."""
    if when.name == "method":
        inside = methods & set(when.options)
        return True if inside == methods else None if inside else False
    value = frame.recipe.lets[when.name].value
    if isinstance(value, Const):
        return spoken(value.value) in when.options
    if isinstance(value, Word):
        return value.text in when.options
    return None


def _names(holes: list[Found]) -> list[str]:
    """Readable and unique: the part is put before, and then a number behind, only where needed."""

    def plain(hole: Found) -> str:
        return f"{hole.stem}[{hole.label}]" if hole.label else hole.stem

    names = [plain(hole) for hole in holes]
    twice = {name for name in names if names.count(name) > 1}
    names = [
        f"{hole.part}.{name}" if name in twice and hole.part else name
        for hole, name in zip(holes, names, strict=True)
    ]
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return unique
