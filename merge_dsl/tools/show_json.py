"""Diagnostics as one JSON list. The keys are a contract: others script against them.

Messages are shown to people, and come without marks of direction; paths and fixes are exact, and
such marks in them are escaped.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source, Span
from merge_dsl.tools.width import escaped, printable

Findings = Iterable[tuple[Source, Sequence[Diagnostic]]]


def show_json(findings: Findings) -> str:
    """All findings of all files. Lines and columns count from 1; ends are exclusive."""
    table = [_entry(source, d) for source, diagnostics in findings for d in diagnostics]
    return escaped(json.dumps(table, ensure_ascii=False, indent=2))


def _entry(source: Source, diagnostic: Diagnostic) -> dict[str, Any]:
    fix = diagnostic.fix
    return {
        "code": diagnostic.code,
        "slug": diagnostic.slug,
        "severity": diagnostic.severity,
        "path": source.path,
        **place_of(source, diagnostic.span),
        "message": printable(diagnostic.message),
        "help": diagnostic.help and printable(diagnostic.help),
        "fix": None
        if fix is None
        else {**place_of(source, fix.span), "text": fix.text, "safe": fix.safe},
    }


def place_of(source: Source, span: Span) -> dict[str, int]:
    """Where a span is; a span at the end of the text stays inside it."""
    line, column = source.line_column(span.start)
    end_line, end_column = source.line_column(min(span.end, len(source.text)))
    if (end_line, end_column) < (line, column):
        end_line, end_column = line, column
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
