"""Text -> tree, or every syntax error at once.

In: a `Source`. Out: `Parsed`: a tree when the text is clean, else diagnostics.
"""

import re
from typing import NamedTuple

from merge_dsl.text.build import build_tree
from merge_dsl.text.diagnostics import Diagnostic, finding, in_order
from merge_dsl.text.draft import without_comments
from merge_dsl.text.source import Source, Span
from merge_dsl.text.tables import machine
from merge_dsl.text.tree import Tree

MOST = 150_000  # words, signs and line ends that are parsed; ten thousand lines have 60,000
DEEPEST = 100  # brackets inside brackets
BRACKET = re.compile(r'"[^"\n]*"|[(){}\[\]]')
WORD = re.compile(r'"[^"\n]*"|[\w.]*\w|->|\.\.|[<>]=|\S')


class Parsed(NamedTuple):
    """What became of a text."""

    tree: Tree | None
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse a whole recipe."""
    text = without_comments(source.text)
    refused = _too_much(text) or _too_deep(text)
    if refused is not None:
        return Parsed(None, (refused,))
    try:
        parsed = machine().read(text)
        if parsed is not None:
            return Parsed(build_tree(parsed), ())
        from merge_dsl.text.mistakes import all_errors  # with Lark, which a clean text never needs

        return Parsed(None, in_order(all_errors(source)))
    except RecursionError:
        whole = Span(0, 0)
        return Parsed(None, (finding("S001", whole, "values are nested too deeply to be read"),))


def _too_much(text: str) -> Diagnostic | None:
    """A text within the limit may still be a million signs, and each costs the parser its time."""
    if len(text) <= MOST:
        return None
    count = text.count("\n") + sum(1 for _ in WORD.finditer(text))
    if count <= MOST:
        return None
    message = f"this file has {count} words, signs and lines; a recipe has a few hundred"
    return finding("S013", Span(0, 0), message, "is this a recipe?")


def _too_deep(text: str) -> Diagnostic | None:
    """Where `(` and `[` are nested beyond reason, which would cost seconds to find out later."""
    if text.count("(") + text.count("[") <= DEEPEST:
        return None
    depth = 0
    for match in BRACKET.finditer(text):
        sign = match[0][0]
        depth += (sign in "([") - (sign in ")]")
        if sign in "{}" or depth < 0:
            depth = 0
        if depth > DEEPEST:
            message = f"brackets are nested more than {DEEPEST} deep here"
            help = "name what is inside with `let`"
            return finding("S001", Span(match.start(), match.end()), message, help)
    return None
