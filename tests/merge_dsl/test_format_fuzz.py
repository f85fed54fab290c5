"""Recipes walked from the grammar: laid out they are the same tree, stable, and keep every comment."""

import random
from typing import Any

import pytest

from merge_dsl.text.format import comments, layout, words
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source, Span
from tests.merge_dsl.grammar_walk import grammar, recipe


def without_spans(node: Any) -> Any:
    """A tree as nested tuples of what is written."""
    if not isinstance(node, tuple):
        return node
    kept = (without_spans(value) for value in node if not isinstance(value, Span))
    return (type(node).__name__, *kept)


def holds(text: str) -> bool:
    """Check one recipe; False where it does not parse, so that nothing is to be checked."""
    before = parse(Source("x", text)).tree
    if before is None:
        return False
    result = layout(text)
    after = parse(Source("x", result)).tree
    assert after is not None, (text, result)
    assert without_spans(after) == without_spans(before), (text, result)
    assert words(result) == words(text), (text, result)
    assert comments(result) == comments(text), (text, result)
    assert layout(result) == result, (text, result, layout(result))
    assert result.endswith("\n") and not result.endswith("\n\n") and "\r" not in result
    assert "\n\n\n" not in result and not any(line.endswith(" ") for line in result.split("\n"))
    return True


def checked(seed: int, wanted: int) -> tuple[int, set[str]]:
    """Check so many recipes that parse; returns how many were tried, and what they spelt."""
    draw = random.Random(seed)
    done = tried = 0
    seen: set[str] = set()
    while done < wanted:
        text = recipe(draw)
        tried += 1
        if holds(text):
            done += 1
            seen |= {name for name, _ in words(text)}
    return tried, seen


def test_hundreds_of_recipes() -> None:
    tried, seen = checked(seed=0, wanted=300)
    assert tried < 400  # else the walk is a poor one
    rules, _, _ = grammar()
    terminals = {str(s.name) for options in rules.values() for e in options for s in e}
    wanted = {name for name in terminals if name.isupper() and name not in ("_NL", "SEMICOLON")}
    assert wanted <= seen, wanted - seen


@pytest.mark.slow
def test_thousands_of_recipes() -> None:
    tried, _ = checked(seed=1, wanted=5000)
    assert tried < 6500
