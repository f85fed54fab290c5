"""Where in a recipe a place is: the blocks around it and the words before it, whatever the text holds.

In: a text, which seldom parses while it is typed, and an offset. Out: `Cursor`. It reads words and
brackets only; a declaration at the start of a line ends every block that was left open above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from merge_dsl.text.draft import QUIET
from merge_dsl.text.outline import GOES_ON, TOKEN
from merge_dsl.text.source import Span

DECLARATIONS = (
    *("recipe", "use", "let", "model", "data"),
    *("merge", "route", "search", "report", "write"),
)


class Word(NamedTuple):
    """A word, number, string or sign, and where it stands."""

    kind: str
    text: str
    span: Span


Words = tuple[Word, ...]


@dataclass(frozen=True)
class Statement:
    """One line of the language. `heads` are the statements whose blocks it stands in."""

    words: Words
    heads: tuple[Words, ...]


@dataclass(frozen=True)
class Cursor:
    """`word` is the word or address at the place; `before` what stands before it in its statement."""

    place: str  # "code", "string" or "comment"
    heads: tuple[Words, ...]
    before: Words
    word: Span

    @property
    def texts(self) -> tuple[str, ...]:
        """The words before, as text."""
        return tuple(word.text for word in self.before)

    @property
    def last(self) -> str:
        return self.before[-1].text if self.before else ""

    def head(self, first: str) -> Words | None:
        """The innermost block that begins with this word."""
        return next((h for h in reversed(self.heads) if h and h[0].text == first), None)


def words_of(text: str) -> Iterator[Word]:
    """Every word and line end; comments and blanks are left out."""
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind not in ("comment", "blank"):
            yield Word(kind, match[0], Span(match.start(), match.end()))


def statements(text: str) -> list[Statement]:
    """Every statement of a text, in the order in which it begins. The last may be unfinished."""
    return _Walk(list(words_of(text))).found


class _Walk:
    """Goes through the words once. Lives only while `statements` runs."""

    def __init__(self, words: list[Word]) -> None:
        self.found: list[Statement] = []
        self.heads: list[Words] = []
        self.now: list[Word] = []
        depth = 0
        follows = _follows(words)
        for at, word in enumerate(words):
            fresh = at == 0 or words[at - 1].kind == "newline"
            if fresh and word.text in DECLARATIONS:
                self.end()
                self.heads, depth = [], 0
            if word.kind == "newline":
                if depth == 0 and follows[at] not in GOES_ON:
                    self.end()
            elif word.text == "{":
                head = tuple(self.now)
                self.end()
                self.heads.append(head)
                depth = 0
            elif word.text == "}":
                self.end()
                del self.heads[-1:]
                depth = 0
            elif word.text == ";":
                self.end()
            else:
                depth = max(0, depth + (word.text in ("(", "[")) - (word.text in (")", "]")))
                self.now.append(word)
        self.found.append(Statement(tuple(self.now), tuple(self.heads)))

    def end(self) -> None:
        if self.now:
            self.found.append(Statement(tuple(self.now), tuple(self.heads)))
        self.now = []


def _follows(words: list[Word]) -> list[str]:
    """Of each word: the next text that is no line end, itself among them."""
    found, text = [], ""
    for word in reversed(words):
        text = text if word.kind == "newline" else word.text
        found.append(text)
    return found[::-1]


def cursor_at(text: str, offset: int) -> Cursor:
    """Where an offset is. The word that is being typed, or that stands there, is `word`."""
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset)
    line_end = len(text) if line_end < 0 else line_end
    place, word = "code", _word(text, offset)
    for quiet in QUIET.finditer(text, line_start, line_end):
        if quiet.start() < offset <= quiet.end() and quiet[0][0] == "#":
            place, word = "comment", _word(text, offset)
        elif quiet.start() < offset < quiet.end():
            place, word = "string", Span(quiet.start() + 1, quiet.end() - 1)
    if place == "code" and text.count('"', line_start, offset) % 2:
        place = "string"  # it is not closed yet
        word = Span(text.rfind('"', line_start, offset) + 1, line_end)
    until = word.start - (place == "string")
    here = statements(text[:until])[-1]
    return Cursor(place, here.heads, here.words, word)


def _word(text: str, offset: int) -> Span:
    start = end = offset
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return Span(start, end)
