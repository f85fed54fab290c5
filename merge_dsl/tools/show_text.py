"""Diagnostics for people: the place, the line as written, carets under it, and the way out."""

from collections.abc import Sequence

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source
from merge_dsl.tools.width import width


def show_text(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """All findings of one file, with a blank line between two."""
    return "\n\n".join(_show(source, diagnostic) for diagnostic in diagnostics)


def _show(source: Source, diagnostic: Diagnostic) -> str:
    line, column = source.line_column(diagnostic.span.start)
    kind = "" if diagnostic.severity == "error" else f" {diagnostic.severity}:"
    head = f"{source.path}:{line}:{column}: {diagnostic.code}{kind} {diagnostic.message}"
    text = source.line(line)
    gutter = " " * len(str(line))
    shown = [head]
    if text.strip():
        start = column - 1
        length = min(diagnostic.span.end - diagnostic.span.start, max(len(text) - start, 1))
        # A tab stays a tab, so that the caret stands where the terminal puts the text.
        before = "".join("\t" if c == "\t" else " " * width(c) for c in text[:start])
        carets = "^" * max(width(text[start : start + length]), 1)
        shown += [
            f"{gutter} |",
            f"{line} | {_printable(text)}",
            f"{gutter} | {before}{carets}",
        ]
    if diagnostic.help:
        shown.append(f"{gutter} = help: {diagnostic.help}")
    return "\n".join(shown)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
