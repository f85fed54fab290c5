"""What is wrong with a text, as data: a code, a place, one sentence, and a way out.

Every mistake of a user becomes a `Diagnostic`; exceptions are for our own.
"""

from collections.abc import Iterable
from typing import NamedTuple

from merge_dsl.text.codes import CODES, Severity
from merge_dsl.text.source import Span


class Fix(NamedTuple):
    """An edit that mends the text. `safe` means that it cannot change what was meant."""

    span: Span
    text: str
    safe: bool = True


class Diagnostic(NamedTuple):
    """One finding. Sorted by place."""

    code: str
    slug: str
    severity: Severity
    message: str
    span: Span
    help: str | None = None
    fix: Fix | None = None


def finding(
    code: str,
    span: Span,
    message: str,
    help: str | None = None,
    fix: Fix | None = None,
    severity: Severity | None = None,
) -> Diagnostic:
    """A diagnostic whose slug and severity are those of its code."""
    slug, usual = CODES[code]
    return Diagnostic(code, slug, severity or usual, message, span, help, fix)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By place, each said once."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda d: (d.span.start, d.span.end, d.code, d.message)))


def is_error(diagnostic: Diagnostic) -> bool:
    """Whether this finding forbids to go on."""
    return diagnostic.severity is Severity.ERROR


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any finding forbids to go on."""
    return any(map(is_error, diagnostics))


__all__ = ["Diagnostic", "Fix", "Severity", "finding", "has_errors", "in_order", "is_error"]
