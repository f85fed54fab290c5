"""The data on which the ingredients of a merge are measured, by name, and where the recipe says so.

In: merges. Out: each line such as `on = naming` of a method that reads data. A search and a report name
their data too; those are in `Recipe.searches` and `Recipe.reports`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.recipe import BlendLine, Merge, Recipe
from merge_dsl.meaning.values import Word
from merge_dsl.space.resolve import assignments_of
from merge_dsl.text.source import Span


class Measured(NamedTuple):
    """A data set that a blend reads."""

    merge: str
    data: str
    span: Span


def measured_in(merge: Merge) -> Iterator[Measured]:
    """What the blends of one merge read."""
    for line in merge.lines:
        if not isinstance(line, BlendLine):
            continue
        names = data_settings(line)
        for assignment in assignments_of(line) if names else ():
            if assignment.name in names and isinstance(assignment.value, Word):
                value = assignment.value
                yield Measured(merge.name, value.text, value.span)


def measured(recipe: Recipe) -> Iterator[Measured]:
    """What all merges of a recipe read."""
    for merge in recipe.merges.values():
        yield from measured_in(merge)


def data_settings(line: BlendLine) -> set[str]:
    """The settings of a blend that name data."""
    tables = [METHODS[m.name].settings for m in line.methods if m.name in METHODS]
    return {name for table in tables for name, setting in table.items() if setting.kind == "data"}
