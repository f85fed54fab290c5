"""Defaults of searches, reports and writes, spelled out.

In: a recipe without errors, its tree and text. Out: `Spelled`s, as in `spell.py`. The preset of an
engine is kept, for it means more than its settings; what it stands for goes into a comment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.meaning.headers import HeaderError, read_checkpoint
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.recipe import Recipe, Search
from merge_dsl.meaning.stages import sources_in
from merge_dsl.search.cma_es import SIGMA
from merge_dsl.space.compile import compile_space
from merge_dsl.space.edits import Edit, begins_line
from merge_dsl.space.estimate import population_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.text import tree
from merge_dsl.text.source import Source, Span
from merge_dsl.tools.spell import Spelled

NAME = re.compile(r"[a-z][a-z0-9_]*")
SPELT = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}


@dataclass(frozen=True)
class Written:
    """What the functions here look at."""

    text: str
    recipe: Recipe


def runs(source: Source, recipe: Recipe, parsed: tree.Tree) -> Iterator[Spelled]:
    """The defaults of all that stands outside merges and routes."""
    written = Written(source.text, recipe)
    searches = iter(recipe.searches)
    for item in parsed.items:
        if isinstance(item, tree.Search):
            yield from _search(written, item, next(searches))
        elif isinstance(item, tree.Report):
            for term in item.terms:
                yield from _metric(written.text, f"report {item.name.text}", term.metric)
        elif isinstance(item, tree.Declaration) and item.kind == "write":
            yield from _write(written, item)
        elif isinstance(item, tree.Use) and item.name is None:
            stem = re.sub(r".*/|\.[^./]*$", "", item.address.value)
            if NAME.fullmatch(stem):
                yield Spelled(f"use {stem}", "as", stem, _at(item.span.end, f" as {stem}"))


def _at(offset: int, said: str) -> Edit:
    return Edit(Span(offset, offset), said)


# ---- search -----------------------------------------------------------------


def _search(written: Written, item: tree.Search, search: Search) -> Iterator[Spelled]:
    owner = f"search {item.name.text}"
    settings = {line.name.text: line for line in item.lines if isinstance(line, tree.Setting)}
    for line in item.lines:
        if isinstance(line, tree.Objective):
            for term in line.terms:
                yield from _metric(written.text, owner, term.metric)
    last = item.span.end - 1  # the closing brace
    engine = _engine(written.recipe, search)
    by = settings.get("by")
    if by is None:
        said = f"{search.engine.name}({_arguments(engine)})"
        yield Spelled(owner, "by", said, _before_brace(written.text, last, f"by = {said}"))
    elif isinstance(by.value, tree.Call) and "preset" in search.engine.settings:
        means = f"{_arguments(engine)}, every gene starts in its middle, the best trial wins"
        if f"# the preset: {means}" not in written.text:  # else it is spelled out already
            lead = "" if begins_line(written.text, by.span.start) else "\n"
            comment = f"{lead}# the preset: {means}\n"
            yield Spelled(owner, "preset", means, _at(by.span.start, comment))
    elif isinstance(by.value, tree.Call):
        yield from _call(written.text, owner, by.value, engine)
    if search.seed is None and "seed" not in settings:
        yield Spelled(owner, "seed", "0", _before_brace(written.text, last, "seed = 0"))


def _engine(recipe: Recipe, search: Search) -> dict[str, str]:
    """Settings that the engine has and the recipe does not write."""
    if search.engine.name != "cma_es":
        return {}
    found = {"sigma": repr(SIGMA)}
    try:
        dimensions = len(compile_space(recipe, search.target).genes)
    except SpaceError:  # of a route, or of a model that is not here: λ is not known yet
        dimensions = 0
    if dimensions:
        found["population"] = str(population_of(search, dimensions))
    return {name: value for name, value in found.items() if name not in search.engine.settings}


def _before_brace(text: str, brace: int, said: str) -> Edit:
    """A line at the end of a block."""
    return _at(brace, f"{said}\n" if begins_line(text, brace) else f"; {said} ")


# ---- calls ------------------------------------------------------------------


def _metric(text: str, owner: str, call: tree.Call) -> Iterator[Spelled]:
    metric = METRICS.get(call.path.dotted)
    if metric is not None:
        given = {argument.name.text for argument in call.arguments or () if argument.name}
        known = {name: words[0] for name, words in metric.settings.items() if name not in given}
        yield from _call(text, f"{owner}, {call.path.dotted}", call, known)


def _call(text: str, owner: str, call: tree.Call, defaults: dict[str, str]) -> Iterator[Spelled]:
    """Arguments behind those that are written."""
    said = _arguments(defaults)
    if not said:
        return
    if call.arguments is None:
        edit = _at(call.span.end, f"({said})")
    else:
        edit = _at(call.span.end - 1, f", {said}" if call.arguments else said)
    for number, (name, value) in enumerate(defaults.items()):
        # One edit says them all; the others are listed, and change nothing more.
        yield Spelled(owner, name, value, edit if number == 0 else replace(edit, text=""))


def _arguments(defaults: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in defaults.items())


# ---- write ------------------------------------------------------------------


def _write(written: Written, item: tree.Declaration) -> Iterator[Spelled]:
    owner = f"write {item.name.text}"
    given = {setting.name.text for setting in item.settings}
    defaults = {"dtype": _only_dtype(written.recipe, item.name.text), "shard": _size(SHARD_BYTES)}
    said = {k: v for k, v in defaults.items() if v is not None and k not in given}
    if not said:
        return
    lines = "; ".join(f"{name} = {value}" for name, value in said.items())
    if "{" in written.text[item.address.span.end : item.span.end]:
        edit = _before_brace(written.text, item.span.end - 1, lines)
    else:
        edit = _at(item.span.end, f" {{ {lines} }}")
    for number, (name, value) in enumerate(said.items()):
        yield Spelled(owner, name, value, edit if number == 0 else replace(edit, text=""))


def _size(count: int) -> str:
    """Bytes in the largest unit that says them exactly."""
    return f"{count // 1024**3}GiB" if count % 1024**3 == 0 else f"{count / 1024**2!r}MiB"


def _only_dtype(recipe: Recipe, target: str) -> str | None:
    """The one type of all rounded numbers of a merge's parents; None where they have several, each
    tensor its own, and where a parent is not on this machine."""
    if target not in recipe.merges:
        return None
    found: set[str | None] = set()
    for name in {origin.model for origin in sources_in(recipe, target)}:
        found |= _dtypes_of(recipe, name)
    return found.pop() if len(found) == 1 else None


def _dtypes_of(recipe: Recipe, model: str) -> set[str | None]:
    folder = recipe.models[model].folder if model in recipe.models else None
    try:
        entries = read_checkpoint(folder) if folder is not None else {}
    except (HeaderError, OSError):
        return {None}
    dtypes = {entry.dtype for entry in entries.values() if entry.dtype.startswith(("F", "BF"))}
    return {SPELT.get(dtype) for dtype in dtypes} or {None}
