"""Which line of a merge makes which unit, and which units share a value.

In: a merge of a recipe. Out: `Layout`: for each line the units it names and the units it wins, and
`Group`s, one for each value of a `per` clause.
"""

from collections.abc import Sequence
from typing import NamedTuple

from merge_dsl.meaning.parts import (
    STACKS,
    Counts,
    in_order,
    is_implied,
    layer_of,
    leaves,
    part_of,
    units_of,
)
from merge_dsl.meaning.recipe import BlendLine, KeepLine, Merge, OriginRef, Per, Recipe


class Layout(NamedTuple):
    """One merge, unit by unit. Both tuples are parallel to `merge.lines`."""

    counts: Counts
    declared: tuple[tuple[str, ...], ...]
    won: tuple[tuple[str, ...], ...]

    @property
    def covered(self) -> set[str]:
        """Every unit that has an origin."""
        return {unit for units in self.won for unit in units}


class Group(NamedTuple):
    """Units that share a value. `label` is "" where there is one group only."""

    label: str
    units: tuple[str, ...]


def layout_of(recipe: Recipe, merge: Merge) -> Layout:
    """Share the units out: a later line wins, and what is only implied yields to what is named."""
    counts = counts_of(recipe, merge)
    split = split_stacks(merge)
    declared = []
    winners: dict[str, tuple[bool, int]] = {}  # unit -> (named, line)
    for number, line in enumerate(merge.lines):
        units: set[str] = set()
        for part in line.parts:
            for unit in units_of(part, counts, split):
                units.add(unit)
                claim = (not is_implied(part, unit), number)
                if unit not in winners or claim[0] >= winners[unit][0]:
                    winners[unit] = claim
        declared.append(in_order(units))
    won = tuple(
        tuple(unit for unit in units if winners[unit][1] == number)
        for number, units in enumerate(declared)
    )
    return Layout(counts, tuple(declared), won)


def counts_of(recipe: Recipe, merge: Merge) -> dict[str, int]:
    """How many layers each stack of the result has; a stack that nobody knows is left out."""
    counts: dict[str, int] = {}
    for stack in STACKS:
        naming = [line for line in merge.lines if _names_layers(line, stack)]
        for line in [*naming, *merge.lines]:
            heights = (_height(recipe, origin, stack) for origin in origins_of(line))
            known = next((height for height in heights if height is not None), None)
            if known is not None:
                counts[stack] = known
                break
    return counts


def split_stacks(merge: Merge) -> set[str]:
    """The stacks whose layers are cut by kind, because something in the merge names a kind."""
    found: set[str] = set()
    for line in merge.lines:
        named = [*line.parts]
        if isinstance(line, BlendLine):
            blocks = [line.shared, *(e.settings for e in line.eaches)]
            blocks += [take.settings for take in line.takes]
            at = [part for block in blocks for a in block for part in a.at or ()]
            if any(part.is_relative and part.kind for part in at):
                found |= {stack for stack in STACKS if _names_layers(line, stack)}
            named += at
        for part in named:
            if part.kind and part.name is not None:
                found.add(part.name.partition(".")[0])
    return found


def origins_of(line: KeepLine | BlendLine) -> tuple[OriginRef, ...]:
    """The models of a line; the base of a blend comes last."""
    if isinstance(line, KeepLine):
        return (line.origin,)
    taken = tuple(take.origin for take in line.takes)
    return (*taken, line.base) if line.base is not None else taken


def _names_layers(line: KeepLine | BlendLine, stack: str) -> bool:
    return any(f"{stack}.layers" in leaves(part) for part in line.parts)


def _height(recipe: Recipe, origin: OriginRef, stack: str) -> int | None:
    model = recipe.source(origin.model)
    return model.facts.height(stack) if model and model.facts else None


def groups_of(units: Sequence[str], per: Per | None) -> tuple[Group, ...]:
    """Cut units (in canonical order) into groups."""
    if per is None:
        return (Group("", tuple(units)),)
    if per.unit == "part":
        return _collect([(part_of(unit), unit) for unit in units])
    if per.unit != "layers" or per.size < 1:
        return (Group("", tuple(units)),)  # reported by the rules
    return _collect([(label, unit) for unit, label in _labels(units, per.size).items()])


def _collect(labelled: list[tuple[str, str]]) -> tuple[Group, ...]:
    groups: dict[str, list[str]] = {}
    for label, unit in labelled:
        groups.setdefault(label, []).append(unit)
    return tuple(Group(label, tuple(members)) for label, members in groups.items())


def _labels(units: Sequence[str], count: int) -> dict[str, str]:
    """Unit -> label. Groups are counted from the first layer that is named. What has no layers joins
    its neighbour: an embedding the first group of its stack, a norm and a head the last."""
    numbers: dict[str, list[int]] = {}
    for unit in units:
        layer = layer_of(unit)
        if layer is not None:
            numbers.setdefault(layer[0], []).append(layer[1])
    labels: dict[str, str] = {}
    for unit in units:
        stack = unit.partition(".")[0]
        layers = sorted(set(numbers.get(stack, ())))
        layer = layer_of(unit)
        if not layers:
            labels[unit] = part_of(unit)
            continue
        number = layer[1] if layer else layers[0] if unit.endswith(".embed") else layers[-1]
        first = layers[0] + (number - layers[0]) // count * count
        members = [n for n in layers if first <= n < first + count]
        label = f"{members[0]}..{members[-1]}" if len(members) > 1 else f"{members[0]}"
        labels[unit] = f"{stack}.layers.{label}" if len(numbers) > 1 else label
    return labels
