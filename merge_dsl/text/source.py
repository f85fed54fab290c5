"""A recipe's text and places in it.

In: a path and its text. Out: `Source`, which turns offsets into 1-based lines and columns. Offsets
and columns count characters, not bytes. Everything that points into a text does so by `Span`.
"""

from bisect import bisect_right
from functools import cached_property
from pathlib import Path
from typing import NamedTuple


class Span(NamedTuple):
    """Characters `start` up to, not including, `end`."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """From the start of this span to the end of another."""
        return Span(self.start, other.end)


class Source:
    """One text. `path` is shown to people and is where relative addresses start."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @property
    def folder(self) -> Path:
        """The folder that relative addresses in this text are relative to."""
        return Path(self.path).absolute().parent

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """The offset at which each line begins."""
        starts = [0]
        starts += [at + 1 for at, character in enumerate(self.text) if character == "\n"]
        return tuple(starts)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Where an offset is: line and column, both from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line by its number from 1, without its end."""
        if not 1 <= number <= len(self.line_starts):
            return ""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def slice(self, span: Span) -> str:
        """The text under a span."""
        return self.text[span.start : span.end]
