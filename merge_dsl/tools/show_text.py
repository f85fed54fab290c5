"""Diagnostics for people: the place, the line as written, carets under it, and the way out."""

from collections.abc import Callable, Sequence
from functools import cache

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source
from merge_dsl.tools.width import printable, width

LONGEST = 200  # characters of a line that are shown


def show_text(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """All findings of one file, with a blank line between two."""
    line_of = cache(source.line)  # many findings may stand on one long line
    return "\n\n".join(_show(source, diagnostic, line_of) for diagnostic in diagnostics)


def _show(source: Source, diagnostic: Diagnostic, line_of: Callable[[int], str]) -> str:
    line, column = source.line_column(diagnostic.span.start)
    kind = "" if diagnostic.severity == "error" else f" {diagnostic.severity}:"
    head = f"{source.path}:{line}:{column}: {diagnostic.code}{kind} {diagnostic.message}"
    text = line_of(line)
    gutter = " " * len(str(line))
    shown = [printable(head)]
    if text[:LONGEST].strip() or len(text) > LONGEST:
        text, start = _around(text, column - 1)
        length = min(diagnostic.span.end - diagnostic.span.start, max(len(text) - start, 1))
        # A tab stays a tab, so that the caret stands where the terminal puts the text.
        before = "".join("\t" if c == "\t" else " " * width(c) for c in text[:start])
        carets = "^" * max(width(text[start : start + length]), 1)
        shown += [
            f"{gutter} |",
            f"{line} | {printable(text)}",
            f"{gutter} | {before}{carets}",
        ]
    if diagnostic.help:
        shown.append(f"{gutter} = help: {printable(diagnostic.help)}")
    return "\n".join(shown)


def _around(text: str, start: int) -> tuple[str, int]:
    """The piece of a long line that is near a place, and where the place is in it."""
    if len(text) <= LONGEST:
        return text, start
    first = max(0, min(start - LONGEST // 2, len(text) - LONGEST))
    before = "…" if first else ""
    after = "…" if first + LONGEST < len(text) else ""
    return before + text[first : first + LONGEST] + after, start - first + len(before)
