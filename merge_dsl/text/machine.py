"""A text -> its parse tree, by the tables that Lark made of the grammar.

In: a text without comments, and `Tables`. Out: the tree, or None where the grammar does not allow the
text. It reads what Lark reads, in the same way: a terminal is looked for among those that the parser
can go on with. But importing Lark takes longer than linting a recipe; so Lark makes the tables
(`merge_dsl/text/tables.py`) and says what is wrong with a text, and this loop reads what is right.
"""

import re
from typing import Any, NamedTuple, TypeAlias

END = "$END"
NAME = "NAME"
LINE_END = "_NL"  # may stand anywhere inside ( ) and [ ], and is dropped there
DEPTH = {"LPAR": 1, "LSQB": 1, "RPAR": -1, "RSQB": -1}


class Word(NamedTuple):
    """A terminal that the tree keeps, and where it stands."""

    type: str
    text: str
    start: int
    end: int


class Node:
    """A rule of the grammar and what it found; what is optional and missing is None."""

    __slots__ = ("children", "data", "end", "start")

    def __init__(self, data: str, children: "list[Child]", start: int, end: int) -> None:
        self.data, self.children, self.start, self.end = data, children, start, end


Child: TypeAlias = Node | Word | None


class Rule(NamedTuple):
    """What becomes of the symbols of a rule when it is complete."""

    origin: str
    size: int
    name: str  # of its node; "" where its children become those of the rule around it
    alone: bool  # a single child stands for the node
    through: bool  # it has one symbol, whose value is its own
    picks: list[tuple[int, bool, int]]  # of a child: its place, whether it is a list, Nones before
    behind: int  # Nones behind the last child


class Tables(NamedTuple):
    """The parser as plain data."""

    start: int
    end: int
    moves: list[dict[str, int]]  # by state and symbol: the state to go to, or `~` a rule to end
    rules: list[Rule]
    patterns: dict[str, str]  # of the terminals, in the order in which Lark tries them
    soft: dict[str, str]  # words that are a terminal where the parser wants it, else a NAME
    ignored: list[str]
    kept: list[str]  # terminals that the tree keeps somewhere


class Machine:
    """Tables made ready to run."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.kept = frozenset(tables.kept)
        ignored = "|".join(tables.patterns[name] for name in tables.ignored)
        apart = {*tables.ignored, *tables.soft.values()}  # a soft word is found as a NAME
        others = [f"(?P<{n}>{p})" for n, p in tables.patterns.items() if n not in apart]
        # Whatever stands next. Nearly always the parser wants it, and need not look again.
        self.scan = re.compile(f"(?:{ignored})*(?:{'|'.join(others)})?").match

    def read(self, text: str, words: list[tuple[str, str]] | None = None) -> Node | None:
        """The tree of a text. Every terminal and its text go to `words`."""
        tables, scan, kept, soft = self.tables, self.scan, self.kept, self.tables.soft
        states = [tables.start]
        values: list[Any] = []  # of every symbol so far: a child, or the children of a `_rule`
        starts: list[int] = []
        ends: list[int] = []
        moves = tables.moves[tables.start]
        at = depth = 0
        while True:
            found = scan(text, at)
            kind = found.lastgroup if found else None
            if found is None or kind is None:
                if found is None or found.end() < len(text):
                    return None
                kind, start = END, at
            else:
                start, at = found.span(kind)
                if kind == NAME and soft.get(text[start:at]) in moves:
                    kind = soft[text[start:at]]
                elif kind not in moves and kind != LINE_END:
                    kind, at = self._again(text, start, moves)
                if kind in DEPTH:
                    depth = max(0, depth + DEPTH[kind])
                elif kind == LINE_END and depth:
                    continue
            while (move := moves.get(kind)) is not None and move < 0:
                rule = tables.rules[~move]
                size = rule.size
                if not rule.through:
                    values[-size:] = [_value(rule, values[-size:], starts[-size], ends[-1])]
                    if size > 1:
                        del states[1 - size :], starts[1 - size :], ends[-size:-1]
                states[-1] = state = tables.moves[states[-2]][rule.origin]
                moves = tables.moves[state]
                if kind == END and state == tables.end:
                    root: Node = values[0]
                    return root
            if move is None:
                return None
            if words is not None:
                words.append((kind, text[start:at]))
            states.append(move)
            moves = tables.moves[move]
            values.append(Word(kind, text[start:at], start, at) if kind in kept else None)
            starts.append(start)
            ends.append(at)

    def _again(self, text: str, start: int, wanted: dict[str, int]) -> tuple[str, int]:
        """What the parser wants and what stands here: behind a hop, `x3` is `x` and `3`."""
        for name, pattern in self.tables.patterns.items():
            hidden = NAME in wanted and name in self.tables.soft.values()  # a NAME is longer
            if name in wanted and not hidden:
                found = re.compile(pattern).match(text, start)
                if found is not None:
                    return name, found.end()
        return "", start


def _value(rule: Rule, symbols: list[Any], start: int, end: int) -> Any:
    """The node of a complete rule, or its children where it has none of its own."""
    children: list[Any] = []
    for place, is_list, nones in rule.picks:
        if nones:
            children += [None] * nones
        if not is_list:
            children.append(symbols[place])
        elif children:
            children += symbols[place]
        else:
            children = symbols[place]  # a list of many lines grows, and is not copied
    if rule.behind:
        children += [None] * rule.behind
    if not rule.name:
        return children
    if rule.alone and len(children) == 1:
        return children[0]
    return Node(rule.name, children, start, end)
