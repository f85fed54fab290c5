"""F: how a recipe is written, where that does not change what it means."""

import re
from collections.abc import Iterator

from merge_dsl.rules.checked import Checked
from merge_dsl.text.diagnostics import Diagnostic, finding

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")  # the grammar lets no capitals through


def snake_case(checked: Checked) -> Iterator[Diagnostic]:
    """F902: names of words that one underscore joins."""
    for definition in checked.recipe.definitions:
        name = definition.name
        if "." in name or SNAKE.fullmatch(name):
            continue  # names with a point are those of an import
        better = re.sub("_+", "_", name).strip("_")
        help = f"write `{better}`, here and wherever it is used"
        yield finding("F902", definition.span, f"`{name}` is not snake_case", help)
