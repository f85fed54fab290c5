"""A text that parses -> its outline: statements, the blocks inside them, and the comments between.

In: the text of a recipe without syntax errors. Out: `Block`, the whole file as the inside of a block.
It knows where lines end and what may be broken, and nothing of what the words mean; so it costs a
fraction of parsing, and every comment has its place in it.
"""

import re
from typing import NamedTuple

TOKEN = re.compile(
    r'(?P<string>"[^"\n]*")'
    r"|(?P<comment>#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<blank>[ \t\r]+)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?(?:%|\w*))"
    r"|(?P<word>\w+)"
    r"|(?P<sign>->|\.\.|<=|>=|.)",
    re.DOTALL,
)
GOES_ON = ("->", "|")  # a line that begins with one of these continues the one before


class Token(NamedTuple):
    """A word or sign. `breaks`: it began a line although its statement was already begun."""

    kind: str
    text: str
    breaks: bool = False


class Comment(NamedTuple):
    """`alone`: nothing but white space stands before it on its line."""

    text: str
    alone: bool
    blank_before: bool = False


class Statement:
    """One line of the language, over however many lines of text. `comment` stands behind its end."""

    def __init__(self, blank_before: bool) -> None:
        self.tokens: list[Token | Comment] = []
        self.block: Block | None = None
        self.comment: str | None = None
        self.blank_before = blank_before

    @property
    def has_inner_comment(self) -> bool:
        return any(isinstance(token, Comment) for token in self.tokens)


class Block:
    """What stands between braces. `comment` stands right behind the opening one."""

    def __init__(self, has_braces: bool) -> None:
        self.has_braces = has_braces  # not so the file itself
        self.items: list[Statement | Comment] = []
        self.one_line = True
        self.comment: str | None = None


class _Piece(NamedTuple):
    kind: str
    text: str
    newlines: int  # line ends since the piece before


def outline(text: str) -> Block:
    """The outline of a whole file."""
    return _Reader(_pieces(text)).block(has_braces=False)


def _pieces(text: str) -> list[_Piece]:
    found, newlines = [], 1  # the first line begins a line
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "newline":
            newlines += 1
        elif kind != "blank":
            found.append(_Piece(kind, match[0].rstrip(), newlines))
            newlines = 0
    return found


class _Reader:
    """Walks the pieces once. Lives only while `outline` runs."""

    def __init__(self, pieces: list[_Piece]) -> None:
        self.pieces = pieces
        self.at = 0
        self.follows: list[str] = []  # of each piece: the first text from it on that is no comment
        text = ""
        for piece in reversed(pieces):
            text = text if piece.kind == "comment" else piece.text
            self.follows.append(text)
        self.follows.reverse()

    def block(self, has_braces: bool) -> Block:
        """Up to the brace that closes it, or the end."""
        block = Block(has_braces)
        blank = False
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            block.one_line &= piece.newlines == 0
            blank = blank or piece.newlines > 1
            if piece.text == "}":
                self.at += 1
                break
            if piece.text == ";":
                self.at += 1
            elif piece.kind == "comment":
                self.at += 1
                self._comment(block, piece, blank)
                blank = False
            else:
                block.items.append(self._statement(blank))
                blank = False
        return block

    def _comment(self, block: Block, piece: _Piece, blank: bool) -> None:
        last = block.items[-1] if block.items else None
        behind = piece.newlines == 0  # or behind a `;` that stands alone
        if behind and isinstance(last, Statement) and last.comment is None:
            last.comment = piece.text
        elif behind and last is None and block.comment is None and block.has_braces:
            block.comment = piece.text
        else:
            block.items.append(Comment(piece.text, True, blank))

    def _statement(self, blank: bool) -> Statement:
        statement = Statement(blank_before=blank)
        depth = 0
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            begun = bool(statement.tokens)
            if depth == 0 and begun and (piece.text in ("}", ";") or self._ends_before(piece)):
                break
            self.at += 1
            if piece.text == "{":
                statement.block = self.block(has_braces=True)
                break
            if piece.kind == "comment":
                statement.tokens.append(Comment(piece.text, piece.newlines > 0))
                continue
            depth += (piece.text in ("(", "[")) - (piece.text in (")", "]"))
            broken = begun and piece.newlines > 0
            statement.tokens.append(Token(piece.kind, piece.text, broken))
        return statement

    def _ends_before(self, piece: _Piece) -> bool:
        """Whether the statement is over here: at a new line or a comment that nothing continues."""
        if piece.newlines == 0 and piece.kind != "comment":
            return False
        return self.follows[self.at] not in GOES_ON
