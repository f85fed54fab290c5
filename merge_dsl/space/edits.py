"""Edits of a text at spans, so that every comment and every other line stays as it was."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from merge_dsl.text.draft import QUIET
from merge_dsl.text.format import FormatterError, format_text
from merge_dsl.text.source import Span

Names = dict[str, str]  # what something imported is called -> what stands for it here


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


def renamed(text: str, names: Names) -> str:
    """The text with other names, but for what stands in comments and between quotes."""
    if not names:
        return text
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"{QUIET.pattern}|(?<![\w.])({either})(?![\w.])")
    return pattern.sub(lambda match: names[match[1]] if match[1] else match[0], text)


def behind(text: str, use: Span) -> Span:
    """The end of the line of a `use`, its comment too; of the `use` where more follows on its line."""
    end = text.find("\n", use.end)
    end = len(text) if end < 0 else end
    rest = text[use.end : end].strip()
    at = end if not rest or rest.startswith("#") else use.end
    return Span(at, at)
