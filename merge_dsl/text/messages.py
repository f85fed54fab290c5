"""What to say about a syntax error.

In: what the parser could have read on, and what it found. Out: code, sentence, help, fix. What could
have stood there is put into words by `merge_dsl/text/wanted.py`.
"""

from dataclasses import dataclass

from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.habits import habit, snake
from merge_dsl.text.source import Span
from merge_dsl.text.wanted import wanted
from merge_dsl.text.words import listed, nearest

DECLARATIONS = ("use", "let", "model", "data", "merge", "route", "search", "report", "write")
LINE_WORDS = (
    "keep",
    "base",
    "each",
    "take",
    "maximize",
    "minimize",
    "require",
    "begin",
    "end",
    "pool",
    "path",
)


@dataclass(frozen=True)
class Trouble:
    """A place where the parser could not go on."""

    expected: frozenset[str]  # terminals
    found: str  # the text it met, "" at the end of a line or file
    kind: str  # the terminal it met, "" where no terminal begins so
    before: str  # the last word or sign before it
    span: Span
    depth: int  # of braces
    ahead: str = ""  # of the line, up to the error
    rest: str = ""  # of the line, from the error on


def describe(trouble: Trouble, terminals: dict[str, str]) -> Diagnostic:
    """The diagnostic of an error. `terminals` maps a terminal to its text, where it has one."""
    if trouble.kind in ("_NL", "$END"):
        return _ends_early(trouble)
    known = habit(trouble)
    if known is not None:
        return known
    if not trouble.kind:
        return _no_token(trouble)
    special = _special(trouble)
    if special is not None:
        return special
    if trouble.found in (*DECLARATIONS, "recipe") and "NAME" in trouble.expected:
        message = f"`{trouble.found}` is a word of the language and cannot be a name"
        return finding(
            "S005", trouble.span, message, f"choose another, such as `my_{trouble.found}`"
        )
    words = {terminals[t] for t in trouble.expected if t in terminals and terminals[t].isalpha()}
    close = nearest(trouble.found, words)
    wanted = f"`{close}`" if close else _wanted(trouble.expected)
    after = f" after `{trouble.before}`" if trouble.before else ""
    message = f"expected {wanted}{after}, found `{trouble.found}`"
    fix = Fix(trouble.span, close) if close else None
    return finding("S001", trouble.span, message, f"write `{close}`" if close else None, fix)


def never_closed(opener: str, line: int, span: Span, sign: str = "}") -> Diagnostic:
    """`merge student {` on line 15 is never closed."""
    help = f"add `{sign}` where it ends"
    return finding("S003", span, f"`{opener}` on line {line} is never closed", help)


def _ends_early(trouble: Trouble) -> Diagnostic:
    what = "file" if trouble.kind == "$END" else "line"
    if trouble.expected & {"RECIPE"}:
        return _no_header(trouble)
    missing = _wanted(trouble.expected)
    where = (
        f"the {what} ends after `{trouble.before}`" if trouble.before else f"the {what} ends here"
    )
    help = None
    if trouble.expected == {"LBRACE"}:
        help = "open the block on this line: a `{` on the next line is not seen"
    elif missing == "a value":
        help = "write a number, a range such as 0.0..1.0, or a name"
    return finding("S002", trouble.span, f"{where}; {missing} is missing", help)


def _no_token(trouble: Trouble) -> Diagnostic:
    character = trouble.found[:1]
    if character == '"':
        message = "this text in quotes is not closed on its line"
        return finding("S003", trouble.span, message, 'add `"` at its end')
    if character.isascii() and character.isupper():
        message = f"`{trouble.found}`: names are written in small letters, as in `snake_case`"
        meant = snake(trouble.found)
        fix = Fix(trouble.span, meant, safe=False)
        return finding("S004", trouble.span, message, f"write `{meant}`", fix)
    if character.isdigit() and character.isascii():
        message = f"`{trouble.found}` is neither a number nor a quantity"
        return finding("S004", trouble.span, message, "units are KiB MiB GiB TiB ms s min h d %")
    if not character.isascii() and character.isdigit():
        message = f"`{character}` is a full-width digit"
        return finding("S004", trouble.span, message, "write the digits 0 to 9")
    shown = character if character.isprintable() else f"U+{ord(character or ' '):04X}"
    message = f"expected {_wanted(trouble.expected)}, found `{shown}`"
    swaps = {"\u3000": "a space", "：": "`=`", ":": "`=`", "＝": "`=`", "、": "`,`", "，": "`,`"}
    help = f"write {swaps[character]}" if character in swaps else None
    return finding("S004", trouble.span, message, help)


def _special(trouble: Trouble) -> Diagnostic | None:
    """Mistakes whose cause is known better than by what was expected."""
    if "RECIPE" in trouble.expected:
        return _no_header(trouble)
    found, before, expected = trouble.found, trouble.before, trouble.expected
    if found == "recipe":
        return finding("S001", trouble.span, "a file holds one recipe", "move it to its own file")
    if found == "}" and trouble.depth == 0:
        return finding("S001", trouble.span, "this `}` closes nothing", "remove it")
    if found == "=" and before in ("base", "each", "take"):
        message = f"`{before}` begins a line of its own here; it is no setting"
        return finding("S001", trouble.span, message, f"write `{before} NAME`, without `=`")
    if found == "=" and "BY" in expected and trouble.depth == 1:
        message = f"`{before}` is a setting, and a merge has none"
        help = "put it inside a blend: `language.layers by linear { … }`"
        return finding("S001", trouble.span, message, help)
    if found == "=" and trouble.depth == 1 and "ON" in expected:
        return finding("S001", trouble.span, "a report lists terms", "write `rouge_l on my_data`")
    if trouble.depth == 0 and {"MODEL", "MERGE"} <= expected:
        close = nearest(found, DECLARATIONS)
        message = f"`{found}` begins no line; a line begins with {listed(_spoken_words(), 'or')}"
        fix = Fix(trouble.span, close) if close else None
        return finding("S001", trouble.span, message, f"write `{close}`" if close else None, fix)
    if trouble.kind == "NAME" and "EQUAL" in expected and nearest(before, LINE_WORDS):
        close = nearest(before, LINE_WORDS)
        message = f"`{before} {found}` begins no line; did you mean `{close}`?"
        return finding("S001", trouble.span, message, f"write `{close} {found}`")
    if found == "," and ("RBRACE" in expected or "SEMICOLON" in expected):
        message = "lines are not separated by commas"
        return finding("S001", trouble.span, message, "end the line, or write `;`")
    return None


def _no_header(trouble: Trouble) -> Diagnostic:
    close = trouble.found if trouble.found and nearest(trouble.found, ["recipe"]) else None
    fix = Fix(trouble.span, "recipe") if close else None
    message = "a recipe begins with its name"
    return finding("S001", trouble.span, message, "write `recipe my_name` on the first line", fix)


def _spoken_words() -> list[str]:
    return [f"`{word}`" for word in DECLARATIONS]


def _wanted(expected: frozenset[str]) -> str:
    """What could have stood here, in words."""
    return wanted(expected) or "something else"
