"""The tree of a recipe: one frozen dataclass for each construct, each with its span.

This is what is *written*, before any name is looked up. What it *means* is `merge_dsl.meaning`.
"""

from dataclasses import dataclass

from merge_dsl.text.source import Span

# ---- names and values -------------------------------------------------------


@dataclass(frozen=True)
class Name:
    text: str
    span: Span


@dataclass(frozen=True)
class Slice:
    """`3`, `0..7` or `*` inside brackets; both ends count. `*` has no ends."""

    low: int | None
    high: int | None
    span: Span


@dataclass(frozen=True)
class Path:
    """`llava.language.layers[0..7]`. `slices` is None where there are no brackets."""

    names: tuple[Name, ...]
    slices: tuple[Slice, ...] | None
    span: Span

    @property
    def dotted(self) -> str:
        return ".".join(name.text for name in self.names)


@dataclass(frozen=True)
class Number:
    value: float | int
    text: str  # as written: `1` and `1.0` differ in a range
    span: Span


@dataclass(frozen=True)
class Quantity:
    """`4GiB`, `48h`, `5%`."""

    amount: float
    unit: str
    span: Span


@dataclass(frozen=True)
class Count:
    """`1000 trials`."""

    amount: float | int
    unit: Name
    span: Span


@dataclass(frozen=True)
class Text:
    value: str
    span: Span


@dataclass(frozen=True)
class Argument:
    name: Name | None
    value: "Value"
    span: Span


@dataclass(frozen=True)
class Call:
    """`dare_ties(seed = 7)`, or a bare name: then `arguments` is None."""

    path: Path
    arguments: tuple[Argument, ...] | None
    span: Span


@dataclass(frozen=True)
class Arithmetic:
    operator: str  # + - * /
    left: "Value"
    right: "Value"
    span: Span


@dataclass(frozen=True)
class Range:
    low: "Value"
    high: "Value"
    log: bool
    whole: bool  # written with `int`
    step: Number | None
    start: Number | None
    bounds: Span  # of `0.0..1.0` alone
    span: Span


@dataclass(frozen=True)
class Choice:
    options: tuple["Value", ...]
    span: Span


@dataclass(frozen=True)
class Flag:
    span: Span


@dataclass(frozen=True)
class Limit:
    """`1000 trials or 48h`."""

    options: tuple["Value", ...]
    span: Span


@dataclass(frozen=True)
class Series:
    """`[0.4, 0.6]`."""

    items: tuple["Value", ...]
    span: Span


Value = (
    Number | Quantity | Count | Text | Call | Arithmetic | Range | Choice | Flag | Limit | Series
)


# ---- settings ---------------------------------------------------------------


@dataclass(frozen=True)
class Per:
    count: int | None
    unit: Name
    span: Span


@dataclass(frozen=True)
class At:
    parts: tuple[Path, ...]
    span: Span


@dataclass(frozen=True)
class When:
    name: Name
    options: tuple[Name, ...]
    span: Span


Clause = Per | At | When


@dataclass(frozen=True)
class Setting:
    name: Name
    value: Value
    clauses: tuple[Clause, ...]
    span: Span


# ---- the lines of blocks ----------------------------------------------------


@dataclass(frozen=True)
class Keep:
    parts: tuple[Path, ...]
    origin: Path
    span: Span


@dataclass(frozen=True)
class Base:
    origin: Path
    span: Span


@dataclass(frozen=True)
class Each:
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True)
class Take:
    """`settings` is None where there is no block."""

    origin: Path
    settings: tuple[Setting, ...] | None
    span: Span


@dataclass(frozen=True)
class Blend:
    parts: tuple[Path, ...]
    method: Call | Choice
    lines: tuple["Base | Each | Take | Setting", ...]
    span: Span


@dataclass(frozen=True)
class Require:
    left: Value
    compare: str
    right: Value
    span: Span


@dataclass(frozen=True)
class Hop:
    """`maybe (a.layers[0..3] -> b.layers[4]) x int 1..3 scale 0.8..1.2`: one layer path, or a bracket.

    `path` is None for a bracket, which holds `hops`.
    """

    maybe: bool
    path: Path | None
    hops: tuple["Hop", ...]
    repeat: Value | None
    scale: Value | None
    span: Span


@dataclass(frozen=True)
class RouteLine:
    """`begin`, `end`, `pool` or `path`. `paths` and `values` are all that stand in it, in order."""

    kind: str
    paths: tuple[Path, ...]
    values: tuple[Value, ...]
    span: Span
    hops: tuple[Hop, ...] = ()  # of a `path`


@dataclass(frozen=True)
class Term:
    """`0.5 * rouge_l(tokenizer = char) on naming`; `factor` carries the sign before it."""

    factor: float
    metric: Call
    data: Path
    span: Span


@dataclass(frozen=True)
class Objective:
    maximize: bool
    terms: tuple[Term, ...]
    span: Span


# ---- declarations -----------------------------------------------------------


@dataclass(frozen=True)
class Use:
    address: Text
    name: Name | None
    span: Span


@dataclass(frozen=True)
class Let:
    name: Name
    value: Value
    clauses: tuple[Clause, ...]
    span: Span


@dataclass(frozen=True)
class Declaration:
    """`model`, `data` or `write`, told apart by `kind`."""

    kind: str
    name: Name
    address: Text
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True)
class Merge:
    name: Name
    lines: tuple[Keep | Blend | Require, ...]
    span: Span


@dataclass(frozen=True)
class Route:
    name: Name
    lines: tuple[RouteLine | Require | Setting, ...]
    span: Span


@dataclass(frozen=True)
class Search:
    name: Name
    lines: tuple[Objective | Require | Setting, ...]
    span: Span


@dataclass(frozen=True)
class Report:
    name: Name
    terms: tuple[Term, ...]
    span: Span


Item = Use | Let | Declaration | Merge | Route | Search | Report


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    name: Name
    items: tuple[Item, ...]
