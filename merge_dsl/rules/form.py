"""F: how a recipe is written, which changes nothing of what it says."""

from collections.abc import Iterator

from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.format import FormatterError, format_text, layout
from merge_dsl.text.source import Source, Span


def formatted(source: Source) -> Iterator[Diagnostic]:
    """F901: not in the house layout. The text must parse. The fix is the whole text."""
    text = source.text
    if layout(text) == text:  # cheap, and so it is for nearly every recipe
        return
    try:
        better = format_text(text)
    except FormatterError:
        return  # `awase fmt` says so; no one can mend it in the recipe
    span = _first_difference(text, better)
    line = source.line_column(span.start)[0]
    message = f"not formatted, from line {line} on"
    yield finding("F901", span, message, "run `awase fmt`", Fix(Span(0, len(text)), better))


def _first_difference(text: str, better: str) -> Span:
    """The first line that would change. Text that is only cut off at its end points there."""
    start = 0
    for old, new in zip(text.split("\n"), better.split("\n"), strict=False):
        if old != new:
            return Span(start, start + len(old.rstrip()))
        start += len(old) + 1
    return Span(min(start, len(text)), len(text))
