"""What the highlighters make of a text, for the tests: a class for each character.

A walker over the match patterns of `grammars/recipe.tmLanguage.json`, in the order in which an editor
tries them (the first that matches furthest left), and the same from Pygments. Classes: keyword, name,
string, number, comment, sign, blank, invalid.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).parents[2] / "grammars" / "recipe.tmLanguage.json"
SCOPES = {
    "keyword.operator.word": "keyword",
    "keyword.operator": "sign",
    "keyword": "keyword",
    "comment": "comment",
    "string": "string",
    "constant.numeric": "number",
    "punctuation": "sign",
    "entity.name": "name",
    "variable": "name",
    "invalid": "invalid",
}


def textmate(text: str) -> list[str]:
    """The class of each character, by the TextMate grammar."""
    classes: list[str] = []
    for line in text.split("\n"):
        classes += [*_line(line), "blank"]
    return classes[:-1]


def _line(line: str) -> list[str]:
    classes = ["blank"] * len(line)
    at = 0
    while at < len(line):
        found = [(m.start(), n, m) for n, (p, _) in enumerate(rules()) if (m := p.search(line, at))]
        if not found:
            break
        _, number, match = min(found, key=lambda entry: entry[:2])
        rule = rules()[number][1]
        if "name" in rule:
            _paint(classes, match.span(), rule["name"])
        for group, capture in rule.get("captures", {}).items():
            if match[int(group)] is not None:
                _paint(classes, match.span(int(group)), capture["name"])
        at = max(match.end(), at + 1)
    return classes


def _paint(classes: list[str], span: tuple[int, int], scope: str) -> None:
    kind = next(kind for start, kind in SCOPES.items() if scope.startswith(start))
    classes[slice(*span)] = [kind] * (span[1] - span[0])


@cache
def rules() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Every match of the grammar, in order. What the walker does not know is a mistake here."""
    grammar = json.loads(GRAMMAR.read_text(encoding="utf-8"))

    def walk(patterns: list[dict[str, Any]]) -> Iterator[tuple[re.Pattern[str], dict[str, Any]]]:
        for rule in patterns:
            if "include" in rule:
                yield from walk([grammar["repository"][rule["include"].removeprefix("#")]])
            elif "patterns" in rule:
                yield from walk(rule["patterns"])
            else:
                assert set(rule) <= {"match", "name", "captures", "comment"}, rule
                yield re.compile(rule["match"]), rule

    return list(walk(grammar["patterns"]))


def pygments(text: str) -> list[str]:
    """The class of each character, by the Pygments lexer."""
    from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String

    from merge_dsl.tools.pygments_lexer import RecipeLexer

    kinds = {
        Operator.Word: "keyword",
        Keyword: "keyword",
        Name: "name",
        String: "string",
        Number: "number",
        Comment: "comment",
        Error: "invalid",
    }
    classes: list[str] = []
    for _, token, value in RecipeLexer().get_tokens_unprocessed(text):
        kind = next((kind for of, kind in kinds.items() if token in of), "sign")
        classes += ["blank" if c.isspace() and kind != "comment" else kind for c in value]
    return classes
