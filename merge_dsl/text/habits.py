"""What hands write that are used to other languages: three dots, curly quotes, `//`, `my-name`, YAML.

In: the place where the parser could not go on, and the line around it. Out: the diagnostic that says how
it is written here, or None where nothing of the kind stands there.
"""

import re
from typing import TYPE_CHECKING

from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.draft import DECLARATION, without_comments
from merge_dsl.text.source import Source, Span

if TYPE_CHECKING:
    from merge_dsl.text.messages import Trouble

NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
LOW = re.compile(rf"(?<![\w.])({NUMBER}) *(?:\.{{0,2}}|(to) *)$", re.ASCII)
HIGH = re.compile(rf"(?:\.+|…|‥|[-–—~～〜:：]|to\b)? *({NUMBER})(?![\w.])", re.ASCII)
QUOTES = "“”„‟«»‹›‘’‚‛「」『』＂'`"
TEXT = re.compile(rf'[{QUOTES}]([^{QUOTES}"\n]*)[{QUOTES}"]')
COMMENT = re.compile(r"//+|/\*+|--+")
NAMED = re.compile(
    r"(?:^|[ \t;{])(?:recipe|let|model|data|merge|route|search|report|write|as)[ \t]+(\w*)$"
)
WHOLE = re.compile(r"[\w.-]*\w")
LATE = re.compile(rf"(?:start|step) +{NUMBER}(?: +(?:start|step) +{NUMBER})?", re.ASCII)
RANGE_AND_CLAUSES = re.compile(r"= *([^={};]*?\.\.[^={};]*?) +((?:per|at|when)\b[^={};]*?) *$")
KEY = re.compile(r"(?:- *)?[a-z_]+ *:(?:\s|$)")
MERGEKIT = re.compile(
    r"^(?:- *)?(models|slices|modules|merge_method|base_model|genome) *:(?=\s|$)", re.MULTILINE
)


def habit(trouble: "Trouble") -> Diagnostic | None:
    """What is known to be meant where an error stands."""
    for looks_like in (_comment, _dots, _quotes, _name, _late_start):
        found = looks_like(trouble)
        if found is not None:
            return found
    return None


def comment_length(trouble: "Trouble") -> int:
    """How much of the line, from before the error on, was meant as the beginning of a comment."""
    before = trouble.ahead[-1:] if trouble.ahead.endswith("/") else ""
    found = COMMENT.match(before + trouble.rest)
    if found is None or (found[0].startswith("-") and trouble.ahead.strip()):
        return 0  # two signs behind a number are arithmetic
    return len(before) + len(trouble.rest)


def _comment(trouble: "Trouble") -> Diagnostic | None:
    length = comment_length(trouble)
    if not length:
        return None
    start = trouble.span.start - (length - len(trouble.rest))
    text = (trouble.ahead + trouble.rest)[-length:]
    sign = COMMENT.match(text)
    assert sign is not None
    span = Span(start, start + sign.end())
    said = text[sign.end() :].strip().removesuffix("*/").strip()
    help = f"write `# {said}`" if said else "write `#`"
    return finding("S001", span, "a comment begins with `#`", help, Fix(span, "#", safe=False))


def _dots(trouble: "Trouble") -> Diagnostic | None:
    """`0.2...1.0`, `0.2.1.0`, `0.2…1.0`, and `[0-7]`, `[0:7]`."""
    low, high = LOW.search(trouble.ahead), HIGH.match(trouble.rest)
    if low is None or high is None or not (low[2] or high.start(1)):
        return None
    if trouble.ahead[: low.start()].rstrip().endswith(".."):
        return None
    start = trouble.span.start - (len(trouble.ahead) - low.start())
    span = Span(start, trouble.span.start + high.end())
    meant = f"{low[1]}..{high[1]}"
    code = "S001" if trouble.kind else "S004"
    message = "a range is written with two dots, and both ends count"
    return finding(code, span, message, f"write `{meant}`", Fix(span, meant, safe=False))


def _quotes(trouble: "Trouble") -> Diagnostic | None:
    """`“out/my”`, as a text processor makes of straight quotes."""
    if trouble.found[:1] not in QUOTES or not trouble.found:
        return None
    message = "a text stands in straight double quotes"
    text = TEXT.match(trouble.rest)
    if text is None:
        return finding("S004", trouble.span, message, 'write `"…"`')
    span = Span(trouble.span.start, trouble.span.start + text.end())
    meant = f'"{text[1]}"'
    return finding("S004", span, message, f"write `{meant}`", Fix(span, meant, safe=False))


def _name(trouble: "Trouble") -> Diagnostic | None:
    """`recipe My-Ties`, `model qwen2.5`, `model 7b`: no name where one is given."""
    named = NAMED.search(trouble.ahead)
    rest = WHOLE.match(trouble.rest)
    if named is None or rest is None or (named[1] and rest[0][0] not in "-."):
        return None
    written = named[1] + rest[0]
    meant = snake(written)
    if meant == written or DECLARATION.match(written):
        return None
    start = trouble.span.start - len(named[1])
    span = Span(start, start + len(written))
    message = f"`{written}`: a name is small letters, digits and `_`, and begins with a letter"
    fix = Fix(span, meant, safe=False) if meant else None
    help = f"write `{meant}`" if meant else "write it in the letters a to z"
    return finding("S004", span, message, help, fix)


def snake(text: str) -> str:
    """`My-Ties`, `MyTies` -> `my_ties`; "" for a text without a letter that a name may have."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", text).lower()
    name = re.sub(r"[^a-z0-9]+", "_", apart).strip("_")
    if name and not name[0].isalpha():
        name = f"m_{name}"
    return f"my_{name}" if name and DECLARATION.match(name) else name


def _late_start(trouble: "Trouble") -> Diagnostic | None:
    """`0.0..1.5 per 4 layers start 1.0`."""
    late = LATE.match(trouble.rest)
    if late is None or "START" in trouble.expected or "AT" not in trouble.expected:
        return None
    word = trouble.found
    range_and_clauses = RANGE_AND_CLAUSES.search(trouble.ahead)
    if range_and_clauses is None:
        message = f"`{word}` is of a range, such as `0.0..1.0 {late[0]}`"
        return finding("S001", trouble.span, message, f"write a range, or remove `{late[0]}`")
    first, clauses = range_and_clauses.groups()
    message = f"`{word}` goes with the range, before `{clauses.partition(' ')[0]}`"
    meant = f"{first} {late[0]} {clauses}"
    span = Span(
        trouble.span.start - (len(trouble.ahead) - range_and_clauses.start(1)),
        trouble.span.start + late.end(),
    )
    return finding("S001", trouble.span, message, f"write `{meant}`", Fix(span, meant, safe=False))


def mergekit(source: Source) -> Diagnostic | None:
    """A whole configuration of mergekit, which would be an error on every line."""
    lines = [line for line in without_comments(source.text).split("\n") if line.strip(" \t\r-")]
    if not lines or KEY.match(lines[0].lstrip("\ufeff")) is None:
        return None
    key = MERGEKIT.search("\n".join(lines[:50]))
    if key is None:
        return None
    at = source.text.find(lines[0])
    span = Span(at, at + len(lines[0].rstrip()))
    name = source.path if not source.path.startswith("<") else "FILE"
    help = f"`awase import {name} -o recipe.merge` turns it into a recipe"
    return finding("S001", span, "this is a mergekit configuration, not a recipe", help)
