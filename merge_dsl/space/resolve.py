"""Which line of a recipe gives a setting its value at one unit, and what that value is.

In: a merge with its layout. Out: `Frame`, and functions on it that `compile` uses to find the holes and
`fill` to read the values. The closer line wins (a `take` over `each`, `each` over the blend), and of two
equally close ones the later.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from merge_dsl.meaning.parts import in_order, layer_of, selected
from merge_dsl.meaning.recipe import Assignment, BlendLine, Let, Merge, Per, Recipe, When
from merge_dsl.meaning.values import (
    Const,
    Curve,
    Draw,
    Expr,
    LetRef,
    Operation,
    Series,
    Strange,
    Word,
    between,
    calculate,
    references,
)
from merge_dsl.space.candidate import Value
from merge_dsl.space.layout import Group, Layout, groups_of, layout_of

SHARED = -1  # the owner of what is drawn once, not once for each ingredient


class SpaceError(Exception):
    """A recipe that cannot be made into a space, although it has no errors."""


class UnknownModel(SpaceError):
    """Nobody knows how many layers a model has that is not on this machine."""

    way_out = "name a folder with `file:`, or fetch it: `awase evolve` and `merge` take --download"


class Slot(NamedTuple):
    """One gene, by where its hole stands, for which ingredient, and for which group."""

    hole: int
    owner: int
    group: int


class Grouping(NamedTuple):
    """The groups of one line, and the number of the group of each unit."""

    groups: tuple[Group, ...]
    group: Mapping[str, int]


class Frame(NamedTuple):
    """A merge ready to be read, unit by unit."""

    recipe: Recipe
    merge: Merge
    layout: Layout
    blends: tuple[tuple[int, BlendLine], ...]  # (number of the line, line), those with units
    groupings: Mapping[int, Grouping]  # by the start of an assignment or of a `let`


Look = Callable[[Slot, Draw], Value]


def frame_of(recipe: Recipe, merge: Merge) -> Frame:
    """Lay a merge out."""
    layout = layout_of(recipe, merge)
    blends = tuple(
        (number, line)
        for number, line in enumerate(merge.lines)
        if isinstance(line, BlendLine) and layout.won[number]
    )
    groupings: dict[int, Grouping] = {}
    users: dict[str, list[str]] = {}
    for number, line in blends:
        units = layout.declared[number]
        for assignment in assignments_of(line):
            picked = _picked(assignment, units, layout)
            groupings[assignment.span.start] = _grouping(assignment.per, picked)
            for name in _lets_used(recipe, assignment):
                users.setdefault(name, []).extend(units)
    for name, let in recipe.lets.items():
        ordered = tuple(u for u in _all_units(layout) if u in set(users.get(name, ())))
        groupings[let.span.start] = _grouping(let.per, ordered)
    return Frame(recipe, merge, layout, blends, groupings)


def assignments_of(line: BlendLine) -> Iterator[Assignment]:
    """Every line of settings of a blend."""
    yield from line.shared
    for each in line.eaches:
        yield from each.settings
    for take in line.takes:
        yield from take.settings


def deciding(
    frame: Frame, line: BlendLine, owner: int, name: str, unit: str
) -> Iterator[tuple[Assignment, int]]:
    """The lines that may set `name` at `unit`, strongest first, each with whose draw it is."""
    levels: list[tuple[tuple[Assignment, ...], int]] = [(line.shared, SHARED)]
    if owner != SHARED:
        levels.append((tuple(s for each in line.eaches for s in each.settings), owner))
        levels.append((line.takes[owner].settings, owner))
    for assignments, drawn_for in reversed(levels):
        for assignment in reversed(assignments):
            grouping = frame.groupings[assignment.span.start]
            if assignment.name == name and unit in grouping.group:
                yield assignment, drawn_for


def value_at(frame: Frame, expr: Expr, home: int, owner: int, unit: str, look: Look) -> Value:
    """What an expression is at a unit. `home` is the start of the line that it stands in."""
    if isinstance(expr, Const):
        return expr.value
    if isinstance(expr, Word):
        return expr.text
    if isinstance(expr, Series):
        grouping = frame.groupings[home]
        item = expr.items[grouping.group[unit]]
        if isinstance(item, Draw):
            return look(Slot(item.span.start, owner, 0), item)
        return value_at(frame, item, home, owner, unit, look)
    if isinstance(expr, Curve):
        heights = [value_at(frame, p, home, owner, unit, look) for p in expr.points]
        return between([float(height) for height in heights], depth_of(frame, home, unit))
    if isinstance(expr, Draw):
        return look(Slot(expr.span.start, owner, frame.groupings[home].group[unit]), expr)
    if isinstance(expr, LetRef):
        let = frame.recipe.lets[expr.name]
        return value_at(frame, let.value, let.span.start, SHARED, unit, look)
    if isinstance(expr, Operation):
        left = value_at(frame, expr.left, home, owner, unit, look)
        right = value_at(frame, expr.right, home, owner, unit, look)
        result = calculate(expr.operator, float(left), float(right))
        if result is None:
            raise SpaceError(f"{left} {expr.operator} {right} has no value")
        return result
    what = expr.what if isinstance(expr, Strange) else "a network"
    raise SpaceError(f"{what} is no value")


def depth_of(frame: Frame, home: int, unit: str) -> float:
    """How deep a unit lies among the layers of its line: 0 for the first, 1 for the last.

    What comes before all layers is at 0, what comes after them at 1.
    """
    stack = unit.partition(".")[0]
    layer = layer_of(unit)
    if layer is None:
        return 0.0 if unit.endswith(".embed") or unit == "projector" else 1.0
    others = [found for other in frame.groupings[home].group if (found := layer_of(other))]
    numbers = sorted({number for other, number in others if other == stack})
    return numbers.index(layer[1]) / max(len(numbers) - 1, 1)


def holds(frame: Frame, when: When, method: str, unit: str, look: Look) -> bool:
    """Whether a condition is true at a unit."""
    if when.name == "method":
        return method in when.options
    let = frame.recipe.lets[when.name]
    value = value_at(frame, let.value, let.span.start, SHARED, unit, look)
    return spoken(value) in when.options


def spoken(value: Value) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def lets_of(recipe: Recipe, expr: Expr) -> Iterator[Let]:
    """Every `let` that a value depends on."""
    for ref in references(expr):
        let = recipe.lets.get(ref.name)
        if let is not None and let.span.end <= ref.span.start:  # a name is defined before its use
            yield let
            yield from lets_of(recipe, let.value)


def _lets_used(recipe: Recipe, assignment: Assignment) -> set[str]:
    names = {let.name for let in lets_of(recipe, assignment.value)}
    for when in assignment.when:
        let = recipe.lets.get(when.name)
        if let is not None:
            names |= {let.name} | {inner.name for inner in lets_of(recipe, let.value)}
    return names


def _picked(assignment: Assignment, units: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    if assignment.at is None:
        return units
    chosen = {u for part in assignment.at for u in selected(part, units, layout.counts)}
    return tuple(unit for unit in units if unit in chosen)


def _grouping(per: Per | None, units: tuple[str, ...]) -> Grouping:
    groups = groups_of(units, per)
    index = {unit: number for number, group in enumerate(groups) for unit in group.units}
    return Grouping(groups, index)


def _all_units(layout: Layout) -> tuple[str, ...]:
    return in_order({unit for units in layout.declared for unit in units})
