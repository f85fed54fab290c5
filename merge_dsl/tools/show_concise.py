"""Diagnostics one to a line, for pipes and editors."""

from collections.abc import Sequence

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source
from merge_dsl.tools.width import printable


def show_concise(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """`path:line:column: CODE message`."""
    shown = []
    for diagnostic in diagnostics:
        line, column = source.line_column(diagnostic.span.start)
        found = f"{source.path}:{line}:{column}: {diagnostic.code} {diagnostic.message}"
        shown.append(printable(found))
    return "\n".join(shown)
