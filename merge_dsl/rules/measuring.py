"""K: methods that measure their ingredients on data."""

from collections.abc import Iterable, Iterator

from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.recipe import BlendLine, Merge, MethodRef
from merge_dsl.rules.checked import Checked, blends
from merge_dsl.space.resolve import deciding
from merge_dsl.text.diagnostics import Diagnostic, finding


def measured(checked: Checked) -> Iterator[Diagnostic]:
    """K214: a method that measures its ingredients is told on which data."""
    for merge, number, line in blends(checked.recipe):
        needs = [m for m in line.methods if m.name in METHODS and METHODS[m.name].reads]
        units = checked.frame(merge).layout.won[number] if needs else ()
        for take in range(len(line.takes)):
            lacking = next(
                (m for m in needs if not _is_told(checked, merge, line, take, m, units)), None
            )
            if lacking is not None:
                name = line.takes[take].origin.model
                message = f"`{lacking.name}` measures `{name}` on data, and none are named"
                help = "add a line `on = NAME` of data that the report does not score"
                yield finding("K214", lacking.span, message, help)
                break


def _is_told(
    checked: Checked,
    merge: Merge,
    line: BlendLine,
    take: int,
    method: MethodRef,
    units: Iterable[str],
) -> bool:
    frame = checked.frame(merge)
    return all(
        any(
            all(when.name == "method" and method.name in when.options for when in found.when)
            for found, _ in deciding(frame, line, take, "on", unit)
        )
        for unit in units
    )
