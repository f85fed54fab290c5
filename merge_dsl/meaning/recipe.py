"""The checked recipe: what the text means, with names bound, and the place of everything in the text.

In: nothing; `merge_dsl/meaning/check.py` makes it. Out: the one door through which every later stage
goes. It is complete even where the text is wrong, so that each rule can look at all of it; only a
recipe without errors leaves `load_recipe`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.parts import PartRef
from merge_dsl.meaning.values import Expr
from merge_dsl.space.candidate import Place
from merge_dsl.text.source import Span
from merge_dsl.text.tree import Setting, Value


class Reference(NamedTuple):
    """A name used somewhere. `noun` is what it must name: model, data, target or let."""

    noun: str
    name: str
    span: Span


class Definition(NamedTuple):
    """A name given to something. `noun` as in `Reference`; it is known from offset `since` on."""

    noun: str
    name: str
    span: Span
    since: int


class Written(NamedTuple):
    """A setting as written, for the rules that judge names and kinds."""

    owner: str  # "model", "data", "write", "search", or "engine cma_es"
    name: str
    value: Value
    name_span: Span
    span: Span


class Model(NamedTuple):
    name: str
    place: Place
    folder: Path | None
    facts: Facts | None
    span: Span
    name_span: Span
    address_span: Span
    trained_on: tuple[str, ...] = ()
    licence: str | None = None
    difference: bool = False  # what is added to a model, not a model
    runs_code: bool = False  # this recipe allows the code in its folder to be run
    reads_pickles: bool = False  # this recipe allows tensors to be read out of its pickles
    problem: tuple[str, str, str | None] | None = None  # code, message, help
    imported: bool = False
    architecture: str | None = None  # of open_clip, where its file is a bare checkpoint


class Data(NamedTuple):
    name: str
    place: Place
    path: Path | None
    split: str | None
    rows: tuple[tuple[int, int], ...] | None
    subset: str | None
    prompt: str | None
    span: Span
    name_span: Span
    address_span: Span
    problem: tuple[str, str, str | None] | None = None
    imported: bool = False


class Per(NamedTuple):
    """`per 8 layers`: unit is "layers" or "part"; `size` layers share a value."""

    unit: str
    size: int
    span: Span


class When(NamedTuple):
    """`when method is ties | dare_ties`."""

    name: str
    options: tuple[str, ...]
    span: Span


class Let(NamedTuple):
    name: str
    value: Expr
    per: Per | None
    other_clauses: tuple[Span, ...]  # `at` and `when`, which a let cannot have
    span: Span
    name_span: Span
    imported: bool = False  # then its spans are of no text: see `merge_dsl/meaning/brought.py`


class Assignment(NamedTuple):
    """One line of settings inside a blend."""

    name: str
    value: Expr
    per: Per | None
    at: tuple[PartRef, ...] | None
    when: tuple[When, ...]
    span: Span
    name_span: Span


class OriginRef(NamedTuple):
    """`llava.language`. `part` is None where the model has no such part."""

    model: str
    part: PartRef | None
    whole: bool  # no part is named
    span: Span


class KeepLine(NamedTuple):
    parts: tuple[PartRef, ...]
    origin: OriginRef
    span: Span


class MethodRef(NamedTuple):
    """A method, or one of a choice; `span` is that of its name."""

    name: str
    span: Span
    arguments: tuple[tuple[str | None, Value, Span], ...] = ()
    seed: int | None = None


class Take(NamedTuple):
    origin: OriginRef
    settings: tuple[Assignment, ...]
    has_block: bool
    span: Span


class EachBlock(NamedTuple):
    settings: tuple[Assignment, ...]
    span: Span


class BlendLine(NamedTuple):
    parts: tuple[PartRef, ...]
    methods: tuple[MethodRef, ...]  # several where the method is a choice
    method_span: Span  # of the call, or of the choice
    bases: tuple[OriginRef, ...]
    shared: tuple[Assignment, ...]
    eaches: tuple[EachBlock, ...]
    takes: tuple[Take, ...]
    span: Span

    @property
    def base(self) -> OriginRef | None:
        """The base; where several are written the later line wins."""
        return self.bases[-1] if self.bases else None


class Require(NamedTuple):
    """`require layers <= 48`. Sides are as written; `merge_dsl/meaning/requires.py` reads them."""

    left: Value
    compare: str
    right: Value
    span: Span


class Merge(NamedTuple):
    name: str
    lines: tuple[KeepLine | BlendLine, ...]
    requires: tuple[Require, ...]
    span: Span
    name_span: Span


class Hop(NamedTuple):
    """A step of a road: the layers of `origin` one after another, or the hops of a bracket.

    Left out with `maybe`; walked `repeat` times; what enters it is multiplied by `scale`.
    """

    maybe: bool
    origin: OriginRef | None
    hops: tuple["Hop", ...]
    repeat: Expr | None
    scale: Expr | None
    span: Span


class Route(NamedTuple):
    """A road through layers: drawn as a `path`, or laid out in slots from a `pool`."""

    name: str
    begins: tuple[OriginRef, ...]
    ends: tuple[OriginRef, ...]
    paths: tuple[tuple[Hop, ...], ...]
    pool: tuple[OriginRef, ...]
    settings: tuple[Assignment, ...]
    requires: tuple[Require, ...]
    origins: tuple[OriginRef, ...]  # everything named, in the order of the text
    span: Span
    name_span: Span

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The road as drawn; where several lines draw one, the later wins."""
        return self.paths[-1] if self.paths else ()

    def setting(self, name: str) -> Assignment | None:
        """The line that sets `repeat`, `walk` or `scale`."""
        return next((s for s in reversed(self.settings) if s.name == name), None)


class Term(NamedTuple):
    factor: float
    metric: str
    settings: Mapping[str, str]
    data: str
    span: Span
    metric_span: Span
    arguments: tuple[tuple[str | None, Value, Span], ...] = ()


class Objective(NamedTuple):
    terms: tuple[Term, ...]
    maximize: bool
    span: Span


class Engine(NamedTuple):
    name: str
    settings: Mapping[str, float | int | str]
    span: Span


class Budget(NamedTuple):
    """When to stop, whichever comes first."""

    trials: int | None = None
    generations: int | None = None
    seconds: float | None = None


class Search(NamedTuple):
    target: str
    objectives: tuple[Objective, ...]
    engine: Engine
    budget: Budget
    seed: int | None
    pick: str | None
    requires: tuple[Require, ...]
    span: Span
    target_span: Span
    pick_span: Span | None = None


class Report(NamedTuple):
    target: str
    terms: tuple[Term, ...]
    span: Span


class Write(NamedTuple):
    target: str
    path: str
    dtype: str | None
    shard: int | None  # bytes
    span: Span


class Import(NamedTuple):
    """`use "common/coco.merge" as coco`. `problem` says why it could not be read."""

    name: str
    address: str
    span: Span
    address_span: Span
    problem: tuple[str, str] | None = None  # code, message


class Recipe(NamedTuple):
    """A whole recipe. Dictionaries are in the order of the text; imported names are `coco.name`."""

    name: str
    folder: Path
    models: dict[str, Model]
    data: dict[str, Data]
    lets: dict[str, Let]
    merges: dict[str, Merge]
    routes: dict[str, Route]
    stages: dict[str, Model]  # merges and routes that are taken from
    parents: dict[str, frozenset[str]]  # the models behind each merge and route
    searches: tuple[Search, ...] = ()
    reports: tuple[Report, ...] = ()
    writes: tuple[Write, ...] = ()
    imports: tuple[Import, ...] = ()
    definitions: tuple[Definition, ...] = ()
    references: tuple[Reference, ...] = ()
    written: tuple[Written, ...] = ()
    route_settings: tuple[Setting, ...] = ()

    def source(self, name: str) -> Model | None:
        """What parts can be taken from: a model, or what an earlier merge or route makes."""
        return self.models.get(name) or self.stages.get(name)

    def search_of(self, target: str) -> Search | None:
        """The search of a target, or None."""
        return next((search for search in self.searches if search.target == target), None)
