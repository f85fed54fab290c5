"""A recipe in the house layout.

In: a text that parses. Out: the same recipe with one declaration a line, one setting a line, two
spaces of indent, at most one blank line between two things and exactly one between declarations of
different kinds. Words, numbers, strings and comments stay as they are written, in their order.

`layout` lays a text out; `format_text` also checks the result, in the manner of gdtoolkit: the same
words, nothing left to change, every comment kept.
"""

from collections.abc import Iterator

from merge_dsl.text.draft import QUIET, without_comments
from merge_dsl.text.outline import Block, Comment, Statement, Token, outline
from merge_dsl.text.tables import machine

WIDTH = 88
STEP = "  "
TOUCHING = ("use", "let", "model", "data", "write")  # those of one kind may stand line by line
BEFORE_VALUE = {"choice", "or", "log", "int", "require", "scale"}  # a bracket here opens a value
BEFORE_GROUP = BEFORE_VALUE | {"path", "maybe", "x"}
BEFORE_SIGN = BEFORE_GROUP | {"maximize", "minimize"}
END = ("END", "")  # of a statement, as `words` counts it


class FormatterError(Exception):
    """A check of the formatter failed: a mistake of ours. The text must be left as it is."""


def format_text(text: str) -> str:
    """The text in the house layout. Raises FormatterError rather than change one that does not parse,
    or that would not read the same."""
    try:
        result = layout(text)
    except RecursionError:
        raise FormatterError("blocks are nested too deeply") from None
    if result == text:
        return result
    if words(result) != words(text):
        raise FormatterError("the formatted recipe would not read the same")
    if comments(result) != comments(text):
        raise FormatterError("a comment would be lost or moved past another")
    if layout(result) != result:
        raise FormatterError("formatting twice would not give the same as formatting once")
    return result


def layout(text: str) -> str:
    """The same without the checks."""
    lines = _file(outline(text))
    return "\n".join(lines) + "\n" if lines else ""


def words(text: str) -> list[tuple[str, str]]:
    """What the parser reads, every end of a statement as one. Equal words are equal trees."""
    read: list[tuple[str, str]] = []
    if machine().read(without_comments(text), read) is None:
        raise FormatterError("the recipe does not parse")
    found: list[tuple[str, str]] = []
    for word in read:
        if word[0] not in ("_NL", "SEMICOLON"):
            if word[0] == "RBRACE" and found and found[-1] == END:
                found.pop()
            found.append(word)
        elif found and found[-1] != END and found[-1][0] != "LBRACE":
            found.append(END)
    return found[:-1] if found and found[-1] == END else found


def comments(text: str) -> list[str]:
    """Every comment, in order, without the white space behind it."""
    return [match[0].rstrip() for match in QUIET.finditer(text) if match[0][0] == "#"]


# ---- blocks -----------------------------------------------------------------


def _file(block: Block) -> list[str]:
    lines: list[str] = []
    last: tuple[str, bool] | None = None  # kind of the declaration above, and whether it is tall
    since = 0  # where the lines below it begin
    for item in block.items:
        if item.blank_before and lines:
            lines.append("")
        if isinstance(item, Comment):
            lines.append(item.text)
            continue
        shown = _statement(item, "")
        kind, tall = _kind(item), len(shown) > 1
        if last is not None and "" not in lines[since:]:
            apart = kind != last[0] or kind not in TOUCHING
            if apart or ((tall or last[1]) and kind not in ("model", "data")):
                lines.insert(since, "")
        lines += shown
        last, since = (kind, tall), len(lines)
    return lines


def _kind(statement: Statement) -> str:
    return statement.tokens[0].text if statement.tokens else ""  # `{` of a text that does not parse


def _inside(block: Block, indent: str) -> Iterator[str]:
    for number, item in enumerate(block.items):
        if item.blank_before and number:
            yield ""
        if isinstance(item, Comment):
            yield indent + item.text
        else:
            yield from _statement(item, indent)


def _statement(statement: Statement, indent: str) -> list[str]:
    """The lines of a statement, with its block and the comment behind it."""
    flat = _flat(statement) if statement.block is not None else None
    if flat is not None and len(indent) + len(flat) <= WIDTH:
        lines = [indent + flat]
    else:
        lines = _broken(statement, indent)
        if statement.block is not None:
            lines[-1] += " {" + _behind(statement.block.comment)
            lines += _inside(statement.block, indent + STEP)
            lines.append(indent + "}")
    lines[-1] += _behind(statement.comment)
    return lines


def _behind(comment: str | None) -> str:
    return "" if comment is None else f"{STEP}{comment}"


def _flat(statement: Statement) -> str | None:
    """A statement on one line, where its own lines and those of its block allow it."""
    if statement.has_inner_comment or _is_chain(statement):
        return None
    line = spaced([token for token in statement.tokens if isinstance(token, Token)])
    block = statement.block
    if block is None:
        return line
    if not block.items and block.comment is None:
        return f"{line} {{}}"
    if not block.one_line:
        return None
    inner = [_flat(item) if isinstance(item, Statement) else None for item in block.items]
    if None in inner:
        return None
    return f"{line} {{ {'; '.join(filter(None, inner))} }}"


# ---- the words of one statement ---------------------------------------------


def _is_chain(statement: Statement) -> bool:
    """Whether a chain of hops was written over several lines; then it stays so."""
    return any(isinstance(t, Token) and t.breaks and t.text == "->" for t in statement.tokens)


def _broken(statement: Statement, indent: str) -> list[str]:
    """The head of a statement, broken where it must be."""
    if statement.has_inner_comment:
        return _around_comments(statement, indent)
    tokens = [token for token in statement.tokens if isinstance(token, Token)]
    if not _is_chain(statement):
        flat = indent + spaced(tokens)
        if len(flat) <= WIDTH - (2 if statement.block is not None else 0):
            return [flat]
    for sign in ("->", "|"):
        lines = _split(tokens, sign)
        if len(lines) > 1:
            first, *others = map(spaced, lines)
            return [indent + first, *(indent + STEP + line for line in others)]
    return _filled(tokens, indent) or [indent + spaced(tokens)]


def _split(tokens: list[Token], sign: str) -> list[list[Token]]:
    """The tokens, cut before each `sign` that stands outside brackets."""
    lines: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == sign and depth == 0 and token.kind == "sign":
            lines.append([])
        lines[-1].append(token)
    return lines


def _filled(tokens: list[Token], indent: str) -> list[str]:
    """The longest list or call of a line too long, its items on lines of their own."""
    start, end = _widest(tokens)
    items = _items(tokens[start + 1 : end])
    if len(items) < 2:
        return []
    lines = [indent + spaced(tokens[: start + 1])]
    line = ""
    for number, item in enumerate(items):
        text = spaced(item) + ("," if number < len(items) - 1 else "")
        if line and len(indent) + len(STEP) + len(line) + 1 + len(text) > WIDTH:
            lines.append(indent + STEP + line)
            line = ""
        line = f"{line} {text}".lstrip()
    return [*lines, indent + STEP + line, indent + spaced(tokens[end:])]


def _widest(tokens: list[Token]) -> tuple[int, int]:
    """Where the longest brackets that stand in no others open and close."""
    best, depth, opened = (0, 0), 0, 0
    for at, token in enumerate(tokens):
        if token.text in ("(", "["):
            opened = at if depth == 0 else opened
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
            if depth == 0 and at - opened > best[1] - best[0]:
                best = (opened, at)
    return best


def _items(tokens: list[Token]) -> list[list[Token]]:
    items: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items


def _around_comments(statement: Statement, indent: str) -> list[str]:
    """A statement with comments inside keeps its lines where they are, or cuts before each hop."""
    lines: list[str] = []
    run: list[Token] = []
    deep = indent + STEP

    def flush() -> None:
        if run:
            for part in _split(run, "->"):
                if part:
                    lines.append((deep if lines else indent) + spaced(part))
            run.clear()

    for token in statement.tokens:
        if isinstance(token, Token):
            run.append(token)
            continue
        flush()
        if token.alone:
            lines.append(deep + token.text)
        else:
            lines[-1] += _behind(token.text)
    flush()
    return lines


def spaced(tokens: list[Token]) -> str:
    """Tokens with the spaces that belong between them."""
    parts: list[str] = []
    before: Token | None = None
    tight = False  # behind a sign that belongs to the number after it
    for token in tokens:
        if before is not None and not tight and _apart(before, token):
            parts.append(" ")
        parts.append(token.text)
        tight = token.text == "-" and _is_sign_of_number(before)
        before = token
    return "".join(parts)


def _apart(before: Token, token: Token) -> bool:
    if "string" in (before.kind, token.kind):
        return token.text not in (",", ")", "]") and before.text not in ("(", "[")
    if token.text in (",", ")", "]", ".", "..") or before.text in ("(", "[", ".", ".."):
        return False
    if token.text == "(":
        return before.kind != "word" or before.text in BEFORE_GROUP
    if token.text == "[":
        return before.kind != "word" or before.text in BEFORE_VALUE
    return True


def _is_sign_of_number(before: Token | None) -> bool:
    if before is None:
        return True
    if before.kind == "sign":
        return before.text not in (")", "]")
    return before.kind == "word" and before.text in BEFORE_SIGN
