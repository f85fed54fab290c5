"""Offsets into a text and the lines and columns of the protocol.

In: a text and the encoding that editor and server agreed on. Out: `Positions`. The protocol counts
columns in UTF-16 units unless told otherwise, so that an emoji is two; our spans count characters. It
also takes a carriage return alone for the end of a line.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from lsprotocol import types

from merge_dsl.text.source import Span

LINE_END = re.compile(r"\r\n|\n|\r")


class Positions:
    """One text, counted as the editor counts."""

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self.encoding = encoding

    @cached_property
    def starts(self) -> Sequence[int]:
        """The offset at which each line begins."""
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    def position(self, offset: int) -> types.Position:
        """An offset -> line and column, both from 0."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self.starts, offset) - 1
        return types.Position(line, self._units(self.text[self.starts[line] : offset]))

    def offset(self, position: types.Position) -> int:
        """Line and column -> an offset. What lies outside the text is brought inside."""
        if position.line < 0 or position.line >= len(self.starts):
            return 0 if position.line < 0 else len(self.text)
        start = self.starts[position.line]
        last = position.line + 1 == len(self.starts)
        end = len(self.text) if last else self.starts[position.line + 1]
        line = self.text[start:end].rstrip("\r\n")
        if line.isascii() or self.encoding == "utf-32":
            return start + min(max(position.character, 0), len(line))
        units = 0
        for at, character in enumerate(line):
            units += self._units(character)
            if units > position.character:
                return start + at
        return start + len(line)

    def range(self, span: Span) -> types.Range:
        """A span -> a range."""
        return types.Range(self.position(span.start), self.position(span.end))

    def span(self, range: types.Range) -> Span:
        """A range -> a span."""
        return Span(self.offset(range.start), self.offset(range.end))

    def _units(self, text: str) -> int:
        if text.isascii() or self.encoding == "utf-32":
            return len(text)
        if self.encoding == "utf-8":
            return len(text.encode("utf-8", "replace"))
        return len(text) + sum(character > "\uffff" for character in text)
