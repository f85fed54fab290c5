"""Changes of a text: quick fixes, all fixes, and the house layout.

In: a document. Out: `Change`s, spans and their new text. Nothing is written; the editor does that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from merge_dsl.text.diagnostics import Diagnostic, is_error
from merge_dsl.text.format import FormatterError, format_text
from merge_dsl.text.source import Span
from merge_dsl.tools.fixing import mend
from merge_dsl.tools.lsp.document import Document

LONGEST = 60


@dataclass(frozen=True)
class Change:
    """One replacement."""

    span: Span
    text: str


@dataclass(frozen=True)
class QuickFix:
    """A fix of one finding. Safe ones cannot change what was meant."""

    title: str
    change: Change
    safe: bool
    diagnostic: Diagnostic


def quick_fixes(document: Document, span: Span) -> Iterator[QuickFix]:
    """The fixes of the findings that touch a span."""
    for found in document.diagnostics:
        fix = found.fix
        if fix is None or found.span.start > span.end or found.span.end < span.start:
            continue
        yield QuickFix(
            _title(found), _least(document.source.text, fix.span, fix.text), fix.safe, found
        )


def _title(found: Diagnostic) -> str:
    fix = found.fix
    if fix is None:
        return ""
    if found.code == "F901":
        return "Lay the recipe out in the house style"
    wrote = fix.text.strip()
    title = f"Write `{wrote}`" if wrote else "Remove this"
    if len(title) > LONGEST or "\n" in title:
        title = "Mend this"
    unsure = "" if fix.safe else ", unsafe: it may not be what was meant"
    return f"{title} ({found.code}{unsure})"


def fix_all(document: Document) -> Change | None:
    """Every safe fix at once, in as many rounds as it takes; None where there is none."""
    if not any(d.fix is not None and d.fix.safe for d in document.diagnostics):
        return None
    result = mend(document.source, document.find)
    text = document.source.text
    if result.source.text == text:
        return None
    return _least(text, Span(0, len(text)), result.source.text)


def formatted(document: Document) -> Change | None:
    """The house layout; None where nothing changes or the text does not parse."""
    text = document.source.text
    if any(found.code.startswith("S") and is_error(found) for found in document.diagnostics):
        return None  # the formatter takes only what parses
    try:
        better = format_text(text)
    except (FormatterError, RecursionError):
        return None
    return None if better == text else _least(text, Span(0, len(text)), better)


def _least(text: str, span: Span, new: str) -> Change:
    """The same change without the whole lines that stay at its ends, so that the cursor can stay."""
    old = text[span.start : span.end]
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    start = span.start + sum(map(len, before[:head]))
    end = span.end - sum(map(len, before[len(before) - tail :]))
    return Change(Span(start, end), "".join(after[head : len(after) - tail]))
