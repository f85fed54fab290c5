"""The tree of a recipe: one named tuple for each construct, each with its span.

This is what is *written*, before any name is looked up. What it *means* is `merge_dsl.meaning`. Named tuples
are made in a fraction of the time of dataclasses: the classes at every start, and the records of a text.
"""

from typing import NamedTuple

from merge_dsl.text.source import Span

# ---- names and values -------------------------------------------------------


class Name(NamedTuple):
    text: str
    span: Span


class Slice(NamedTuple):
    """`3`, `0..7` or `*` inside brackets; both ends count. `*` has no ends."""

    low: int | None
    high: int | None
    span: Span


class Path(NamedTuple):
    """`llava.language.layers[0..7]`. `slices` is None where there are no brackets."""

    names: tuple[Name, ...]
    slices: tuple[Slice, ...] | None
    span: Span

    @property
    def dotted(self) -> str:
        return ".".join(name.text for name in self.names)


class Number(NamedTuple):
    value: float | int
    text: str  # as written: `1` and `1.0` differ in a range
    span: Span


class Quantity(NamedTuple):
    """`4GiB`, `48h`, `5%`."""

    amount: float
    unit: str
    span: Span


class Count(NamedTuple):
    """`1000 trials`."""

    amount: float | int
    unit: Name
    span: Span


class Text(NamedTuple):
    value: str
    span: Span


class Argument(NamedTuple):
    name: Name | None
    value: "Value"
    span: Span


class Call(NamedTuple):
    """`dare_ties(seed = 7)`, or a bare name: then `arguments` is None."""

    path: Path
    arguments: tuple[Argument, ...] | None
    span: Span


class Arithmetic(NamedTuple):
    operator: str  # + - * /
    left: "Value"
    right: "Value"
    span: Span


class Range(NamedTuple):
    low: "Value"
    high: "Value"
    log: bool
    whole: bool  # written with `int`
    step: Number | None
    start: Number | None
    bounds: Span  # of `0.0..1.0` alone
    span: Span


class Choice(NamedTuple):
    options: tuple["Value", ...]
    span: Span


class Flag(NamedTuple):
    span: Span


class Limit(NamedTuple):
    """`1000 trials or 48h`."""

    options: tuple["Value", ...]
    span: Span


class Series(NamedTuple):
    """`[0.4, 0.6]`."""

    items: tuple["Value", ...]
    span: Span


Value = (
    Number | Quantity | Count | Text | Call | Arithmetic | Range | Choice | Flag | Limit | Series
)


# ---- settings ---------------------------------------------------------------


class Per(NamedTuple):
    size: int | None
    unit: Name
    span: Span


class At(NamedTuple):
    parts: tuple[Path, ...]
    span: Span


class When(NamedTuple):
    name: Name
    options: tuple[Name, ...]
    span: Span


Clause = Per | At | When


class Setting(NamedTuple):
    name: Name
    value: Value
    clauses: tuple[Clause, ...]
    span: Span


# ---- the lines of blocks ----------------------------------------------------


class Keep(NamedTuple):
    parts: tuple[Path, ...]
    origin: Path
    span: Span


class Base(NamedTuple):
    origin: Path
    span: Span


class Each(NamedTuple):
    settings: tuple[Setting, ...]
    span: Span


class Take(NamedTuple):
    """`settings` is None where there is no block."""

    origin: Path
    settings: tuple[Setting, ...] | None
    span: Span


class Blend(NamedTuple):
    parts: tuple[Path, ...]
    method: Call | Choice
    lines: tuple["Base | Each | Take | Setting", ...]
    span: Span


class Require(NamedTuple):
    left: Value
    compare: str
    right: Value
    span: Span


class Hop(NamedTuple):
    """`maybe (a.layers[0..3] -> b.layers[4]) x int 1..3 scale 0.8..1.2`: one layer path, or a bracket.

    `path` is None for a bracket, which holds `hops`.
    """

    maybe: bool
    path: Path | None
    hops: tuple["Hop", ...]
    repeat: Value | None
    scale: Value | None
    span: Span


class RouteLine(NamedTuple):
    """`begin`, `end` or `pool` with their paths, or a `path` with its hops."""

    kind: str
    paths: tuple[Path, ...]
    hops: tuple[Hop, ...]
    span: Span


class Term(NamedTuple):
    """`0.5 * rouge_l(tokenizer = char) on naming`; `factor` carries the sign before it."""

    factor: float
    metric: Call
    data: Path
    span: Span


class Objective(NamedTuple):
    maximize: bool
    terms: tuple[Term, ...]
    span: Span


# ---- declarations -----------------------------------------------------------


class Use(NamedTuple):
    address: Text
    name: Name | None
    span: Span


class Let(NamedTuple):
    name: Name
    value: Value
    clauses: tuple[Clause, ...]
    span: Span


class Declaration(NamedTuple):
    """`model`, `data` or `write`, told apart by `kind`."""

    kind: str
    name: Name
    address: Text
    settings: tuple[Setting, ...]
    span: Span


class Merge(NamedTuple):
    name: Name
    lines: tuple[Keep | Blend | Require, ...]
    span: Span


class Route(NamedTuple):
    name: Name
    lines: tuple[RouteLine | Require | Setting, ...]
    span: Span


class Search(NamedTuple):
    name: Name
    lines: tuple[Objective | Require | Setting, ...]
    span: Span


class Report(NamedTuple):
    name: Name
    terms: tuple[Term, ...]
    span: Span


Item = Use | Let | Declaration | Merge | Route | Search | Report


class Tree(NamedTuple):
    """A whole file."""

    name: Name
    items: tuple[Item, ...]
