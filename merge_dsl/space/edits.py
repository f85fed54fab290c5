"""Edits of a text at spans, so that every comment and every other line stays as it was."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from merge_dsl.text.draft import QUIET
from merge_dsl.text.format import FormatterError, format_text
from merge_dsl.text.source import Span


@dataclass(frozen=True, order=True)
class Edit:
    """Put `text` where `span` is. An empty span inserts."""

    span: Span
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """All edits at once. They must not overlap; insertions at one place keep their order."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        pieces += [text[at : edit.span.start], edit.text]
        at = edit.span.end
    return "".join([*pieces, text[at:]])


def laid_out(text: str) -> str:
    """The text in the house layout: values are longer or shorter than the holes that they fill. One
    that the formatter gives up on comes back as it is."""
    try:
        return format_text(text)
    except FormatterError:
        return text


def has_comment(text: str) -> bool:
    """Whether a piece of a recipe holds a comment."""
    return any(match[0].startswith("#") for match in QUIET.finditer(text))


def whole_lines(text: str, span: Span) -> Span:
    """The span with its lines, when nothing else stands on them; else the span itself."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    if text[start : span.start].strip() or text[span.end : end].strip():
        return span
    return Span(start, end)


def indent_of(text: str, offset: int) -> str:
    """The white space that begins the line of an offset."""
    start = text.rfind("\n", 0, offset) + 1
    match = re.match(r"[ \t]*", text[start:])
    return match[0] if match else ""


def begins_line(text: str, offset: int) -> bool:
    """Whether nothing but white space stands before an offset on its line."""
    start = text.rfind("\n", 0, offset) + 1
    return not text[start:offset].strip()
