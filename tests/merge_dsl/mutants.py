"""Mutants of a recipe: small damage of every kind, the same for the same seed."""

import random
import re
from collections.abc import Iterator

TOKEN = re.compile(r'"[^"\n]*"|[\w.]*\w|->|\.\.|[<>]=|\S|\n')
WORDS = (
    "recipe", "use", "as", "let", "model", "from", "data", "merge", "keep", "by", "base", "each",
    "take", "route", "begin", "end", "pool", "path", "maybe", "x", "scale", "search", "maximize",
    "minimize", "report", "on", "require", "write", "to", "per", "at", "when", "is", "log", "int",
    "flag", "choice", "or", "start", "step", "true", "=", "{", "}", "(", ")", "[", "]", ",", ";",
    ".", "..", "|", "->", "+", "-", "*", "/", "<=", "1", "0.5", "4GiB", "8h", "1e999", '"text"',
    '"', "#", "\n", "@", "A", "日", "　", "１",
)  # fmt: skip


def mutants(text: str, count: int, seed: int) -> Iterator[str]:
    """`count` texts, each with one to three mistakes."""
    draw = random.Random(seed)
    for _ in range(count):
        mutant = text
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            mutant = _token(mutant, draw) if draw.random() < 0.75 else _character(mutant, draw)
        yield mutant


def _token(text: str, draw: random.Random) -> str:
    tokens = list(TOKEN.finditer(text))
    if len(tokens) < 2:
        return text + draw.choice(WORDS)
    one, other = sorted(draw.sample(tokens, 2), key=lambda match: match.start())
    kind = draw.randrange(6)
    if kind == 0:  # delete
        return text[: one.start()] + text[one.end() :]
    if kind == 1:  # duplicate
        return text[: one.end()] + " " + one[0] + text[one.end() :]
    if kind == 2:  # swap two
        middle = text[one.end() : other.start()]
        return text[: one.start()] + other[0] + middle + one[0] + text[other.end() :]
    if kind == 3:  # insert a word of the language
        return text[: one.start()] + draw.choice(WORDS) + " " + text[one.start() :]
    if kind == 4:  # replace
        return text[: one.start()] + draw.choice(WORDS) + text[one.end() :]
    end = text.find("\n", one.start())  # cut the rest of a line off
    return text[: one.start()] + text[end if end >= 0 else len(text) :]


def _character(text: str, draw: random.Random) -> str:
    if not text:
        return "\t"
    at = draw.randrange(len(text))
    kind = draw.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
    return (
        text[:at] + chr(draw.choice((0, 9, 10, 13, 32, 34, 39, 46, 61, 95, 233, 8238))) + text[at:]
    )
