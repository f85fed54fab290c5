"""Diagnostics as annotations of a GitHub workflow."""

from collections.abc import Sequence

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source
from merge_dsl.tools.width import printable

LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def show_github(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """`::error file=…,line=…,col=…,title=…::message`."""
    shown = []
    for diagnostic in diagnostics:
        line, column = source.line_column(diagnostic.span.start)
        level, title = LEVELS[diagnostic.severity], f"{diagnostic.code} {diagnostic.slug}"
        message = diagnostic.message + (f" ({diagnostic.help})" if diagnostic.help else "")
        place = f"file={_property(source.path)},line={line},col={column},title={_property(title)}"
        shown.append(printable(f"::{level} {place}::{_data(message)}"))
    return "\n".join(shown)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
