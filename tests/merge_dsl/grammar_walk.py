"""Random recipes from the grammar itself: a walk through Lark's own rules, badly laid out.

In: a seeded generator. Out: a text. Nearly all parse; a soft keyword where a name may stand makes the
others. Comments, blank lines, semicolons and odd spacing go wherever the language lets them.
"""

import random
from functools import cache

from lark.grammar import NonTerminal, Symbol

from merge_dsl.text.grammar import parser

NAMES = ("llava", "shisa", "layers", "language", "weight", "trials", "a", "b2", "long_name_of_it")
SPELLINGS = {
    "NAME": NAMES,
    "NUMBER": ("0", "7", "1.0", "0.25", "1e-5", "31"),
    "QUANTITY": ("48h", "4GiB", "5%", "1.5min"),
    "STRING": ('"hf:org/name"', '""', '"a # b"', '"{ ; }"', '"日本語 -> ..x"'),
    "COMPARE": ("<=", ">=", "<", ">"),
}
COMMENTS = ("# why", "#", "#tight", '# "quoted" { ; } ->', "#   日本語  ", "# | -> |")
SIGNS = set(")],.;=|*/+-<>({[")
DEEP = 26


@cache
def grammar() -> tuple[dict[str, list[list[Symbol]]], dict[str, int], dict[str, str]]:
    """Rule -> its expansions; rule -> how deep the shallowest of them is; terminal -> its text."""
    rules: dict[str, list[list[Symbol]]] = {}
    for rule in parser().rules:
        rules.setdefault(str(rule.origin.name), []).append(list(rule.expansion))
    depths: dict[str, int] = {}
    for _ in rules:
        for name, expansions in rules.items():
            known = [_depth(e, depths) for e in expansions]
            best = min((d for d in known if d is not None), default=None)
            if best is not None:
                depths[name] = min(best + 1, depths.get(name, best + 1))
    texts = {t.name: t.pattern.value for t in parser().terminals if t.pattern.type == "str"}
    return rules, depths, texts


def _depth(expansion: list[Symbol], depths: dict[str, int]) -> int | None:
    inner = [depths.get(str(s.name)) for s in expansion if isinstance(s, NonTerminal)]
    return None if None in inner else max((d for d in inner if d is not None), default=0)


def recipe(draw: random.Random) -> str:
    """One recipe."""
    return _laid_out(draw, _terminals(draw))


def _terminals(draw: random.Random) -> list[tuple[str, str]]:
    """A walk from `start`; beyond `DEEP` it takes the shortest way out."""
    rules, depths, texts = grammar()
    found: list[tuple[str, str]] = []
    stack: list[tuple[Symbol, int]] = [(NonTerminal("start"), 0)]
    while stack:
        symbol, depth = stack.pop()
        name = str(symbol.name)
        if isinstance(symbol, NonTerminal):
            options = rules[name]
            if depth > DEEP or len(found) > 400:
                best = min(_depth(e, depths) or 0 for e in options)
                options = [e for e in options if (_depth(e, depths) or 0) == best]
            stack += [(inner, depth + 1) for inner in reversed(draw.choice(options))]
        else:
            found.append((name, draw.choice(SPELLINGS.get(name, (texts.get(name, "\n"),)))))
    return found


def _laid_out(draw: random.Random, terminals: list[tuple[str, str]]) -> str:
    """The terminals with white space and comments between them."""
    end = draw.choice(("\n", "\n", "\n", "\r\n"))
    text, depth = "", 0
    for name, spelling in terminals:
        if name == "_NL":
            text += _line_end(draw, end)
            continue
        goes_on = spelling in ("->", "|")
        if (depth and draw.random() < 0.08) or (goes_on and draw.random() < 0.4):
            text += _line_end(draw, end)
        elif text and _glued(text[-1], spelling[0]):
            text += draw.choice((" ", " ", "  ", "\t"))
        else:
            text += draw.choice(("", "", " ", "   "))
        text += spelling
        depth += (name in ("LPAR", "LSQB")) - (name in ("RPAR", "RSQB"))
    return text + draw.choice(("", end, end * 3, f"  # the end{end}", "# the end"))


def _glued(before: str, after: str) -> bool:
    """Whether two words would be read as one."""
    return not (before in SIGNS or before in " \t\n" or after in SIGNS) or before == after == "."


def _line_end(draw: random.Random, end: str) -> str:
    text = draw.choice(("", "", " ", "\t")) + (draw.choice(COMMENTS) if draw.random() < 0.2 else "")
    text += end
    while draw.random() < 0.3:
        text += draw.choice(("", "  ")) + draw.choice(("", "", draw.choice(COMMENTS))) + end
    return text + " " * draw.choice((0, 0, 1, 2, 4, 7))
