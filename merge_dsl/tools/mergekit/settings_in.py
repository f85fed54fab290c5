"""`parameters` of a mergekit configuration -> settings of a blend.

In: the tables of parameters that hold for a model or for a whole blend, the strongest first. Out:
`Settings`; what cannot be carried becomes a note. mergekit asks each table in turn and each filter in
turn, and the first that fits a tensor decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from merge_dsl.meaning.methods import METHODS as OWN
from merge_dsl.meaning.parts import KINDS
from merge_dsl.text.words import nearest, quoted
from merge_dsl.tools.mergekit.notes import Notes, shown
from merge_dsl.tools.mergekit.plan import Curve, Regions, Settings, Value, canonical
from merge_dsl.tools.mergekit.schema import (
    INERT,
    KIND_FILTERS,
    METHODS,
    RENAMED,
    Default,
    Method,
    region_of,
)
from merge_dsl.tools.mergekit.yaml_in import Entry, Items, Leaf, Node, Table

Case = tuple[str | int, Value]  # a region, and the value there
Region = str | int


@dataclass(frozen=True)
class Level:
    """One table of parameters, and its path of keys."""

    table: Table | None
    where: str


def settings_of(method: str, own: Level | None, outer: Sequence[Level], notes: Notes) -> Settings:
    """The settings that `own` gives to a model, or, where it is None, those of the whole blend."""
    known = METHODS.get(method)
    found: dict[str, list[Case]] = {}
    for level in (own,) if own is not None else outer:
        for entry in level.table.entries if level.table else ():
            if not carried(method, known, entry, level.where, notes, inner=own is not None):
                continue
            cases = _cases(known, entry, f"{level.where}.{entry.key}", notes)
            _extend(found.setdefault(entry.key, []), cases)
    settings = []
    for name, cases in found.items():
        if own is not None and not _closed(cases):
            for level in outer:  # mergekit goes on to the next table where no filter fits
                outside = level.table.entry(name) if level.table else None
                if outside is not None:
                    _extend(cases, _cases(known, outside, f"{level.where}.{name}", Notes()))
        cases = _in_reach(cases, name, own, outer, notes)
        if cases:
            settings.append((RENAMED.get(name, name), _regions(cases, known, name)))
    order = list(known.settings) if known else []
    rank = {RENAMED.get(name, name): number for number, name in enumerate(order)}
    return tuple(sorted(settings, key=lambda item: (rank.get(item[0], len(rank)), item[0])))


def _in_reach(
    cases: list[Case], name: str, own: Level | None, outer: Sequence[Level], notes: Notes
) -> list[Case]:
    """Without single layers behind a kind of tensors: in a recipe a single layer goes before."""
    late = [
        case
        for number, case in enumerate(cases)
        if isinstance(case[0], int) and any(region in KINDS for region, _ in cases[:number])
    ]
    if late:
        levels = [level for level in (own, *outer) if level is not None and level.table is not None]
        entry = next((e for lv in levels if lv.table and (e := lv.table.entry(name))), None)
        where = entry.place if entry is not None else None
        what = "a filter for one layer behind one for a kind of tensors: put it before"
        line, column = (where.line, where.column) if where is not None else (1, 1)
        notes.lose(name, what, line, column)
    return [case for case in cases if case not in late]


def carried(
    method: str, known: Method | None, entry: Entry, where: str, notes: Notes, inner: bool
) -> bool:
    """Whether awase can say this setting at all; if not, a note says so."""
    path, place = f"{where}.{entry.key}", entry.place
    if known is None:
        if entry.key.isascii() and entry.key.isidentifier() and entry.key.islower():
            return True
        notes.lose(path, "this is no name of a setting in awase", place.line, place.column)
        return False
    if entry.key not in known.settings:
        elsewhere = any(entry.key in other.settings for other in METHODS.values())
        close = nearest(entry.key, known.settings)
        what = f"{method} has no setting {shown(entry.key)}"
        if elsewhere:
            what = f"{method} ignores {shown(entry.key)}"
        elif close:
            what += f"; did you mean `{close}`?"
        notes.lose(path, what, place.line, place.column)
        return False
    if inner and entry.key in known.shared:
        what = f"{shown(entry.key)} is of the whole blend: mergekit ignores it at one model"
        notes.lose(path, what, place.line, place.column)
        return False
    if entry.key in INERT:
        notes.tell(path, "left out: it does not change the result", place.line, place.column)
        return False
    ours = OWN.get(method)
    if ours is None or RENAMED.get(entry.key, entry.key) in ours.settings:
        return True
    if isinstance(entry.node, Leaf) and entry.node.value == known.default(entry.key):
        notes.tell(path, "left out: it is what mergekit does anyway", place.line, place.column)
    else:
        what = f"`{method}` of awase has no such setting; it has {quoted(ours.settings)}"
        notes.lose(path, what, place.line, place.column)
    return False


def density_everywhere(method: str, shared: Settings, inputs: Sequence[Settings]) -> Settings:
    """mergekit keeps everything where no density is given and awase a half, so it is written out."""
    known = METHODS.get(method)
    if known is None or "density" not in known.inputs:
        return shared
    if OWN.get(method) is not None and "density" not in OWN[method].settings:
        return shared
    if any(name == "density" for name, _ in shared):
        return shared
    if inputs and all(any(name == "density" for name, _ in own) for own in inputs):
        return shared
    return (("density", Regions(1.0)), *shared)


def _extend(cases: list[Case], more: Sequence[Case]) -> None:
    if not _closed(cases):
        cases += more


def _closed(cases: Sequence[Case]) -> bool:
    return any(region == "all" for region, _ in cases)


def _cases(known: Method | None, entry: Entry, where: str, notes: Notes) -> list[Case]:
    default = known.default(entry.key) if known else None
    if isinstance(entry.node, Table):
        return _conditions((entry.node,), default, where, notes)
    if isinstance(entry.node, Items) and any(isinstance(i, Table) for i in entry.node.items):
        return _conditions(entry.node.items, default, where, notes)
    value = value_of(entry.node, default, where, notes)
    return [] if value is None else [("all", value)]


def _conditions(items: Sequence[Node], default: Default, where: str, notes: Notes) -> list[Case]:
    cases: list[Case] = []
    for number, item in enumerate(items):
        path = f"{where}[{number}]" if len(items) > 1 else where
        if not isinstance(item, Table) or item.get("value") is None:
            what = "a `filter` and a `value` belong here"
            notes.lose(path, what, item.place.line, item.place.column)
            continue
        for entry in item.entries:
            if entry.key not in ("filter", "value"):
                close = nearest(entry.key, ("filter", "value"))
                meant = f"; did you mean `{close}`?" if close else ""
                what = f"mergekit does not know {shown(entry.key)}{meant}"
                notes.lose(path, what, entry.place.line, entry.place.column)
        filter = item.get("filter")
        region = region_of(filter.text) if isinstance(filter, Leaf) else "all"
        if filter is not None and (region is None or not isinstance(filter, Leaf)):
            word = shown(filter.text) if isinstance(filter, Leaf) else "this"
            what = f"the filter {word}: awase has no word for these tensors alone"
            notes.lose(path, what, filter.place.line, filter.place.column)
            continue
        found = item.get("value")
        value = value_of(found, default, path, notes) if found is not None else None
        if isinstance(region, int) and isinstance(value, Curve):
            what = "a gradient for one layer: write the number"
            notes.lose(path, what, item.place.line, item.place.column)
        elif value is not None and region is not None:
            cases.append((region, value))
    return cases


def value_of(node: Node, default: Default, where: str, notes: Notes) -> Value | None:
    """A number, a truth or a gradient; None, and a note, where it is something else."""
    if isinstance(node, Items) and node.items:
        points = [value_of(item, default, where, Notes()) for item in node.items]
        numbers = [float(p) for p in points if isinstance(p, float | int) and not _truth(p)]
        if len(numbers) == len(node.items):
            constant = len(set(numbers)) == 1
            return _kept(numbers[0], default) if constant else Curve(tuple(numbers))
    elif isinstance(node, Leaf):
        value = _truth_of(node) if isinstance(default, bool) else _number_of(node)
        if value is not None:
            return value if _truth(value) else _kept(value, default)
    what = "this is true or false" if isinstance(default, bool) else "this is no number"
    if isinstance(node, Items):
        what = "a gradient is a list of numbers"
    elif isinstance(node, Leaf):
        what = f"{shown(node.text)} is {'neither true nor false' if isinstance(default, bool) else 'no number'}"
    notes.lose(where, what, node.place.line, node.place.column)
    return None


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _kept(value: float, default: Default) -> float | int:
    whole = isinstance(default, int) and not isinstance(default, bool)
    return int(value) if whole and value == int(value) else float(value)


def _truth_of(node: Leaf) -> bool | None:
    if isinstance(node.value, bool):
        return node.value
    return {"0": False, "1": True, "true": True, "false": False}.get(node.text.lower())


def _number_of(node: Leaf) -> float | bool | None:
    if isinstance(node.value, bool):
        return node.value
    try:
        value = float(node.value if isinstance(node.value, int | float) else node.text)
    except (ValueError, OverflowError):  # `1e-5` is a text in YAML, and a number to mergekit
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _regions(cases: Sequence[Case], known: Method | None, name: str) -> Regions:
    def first(*regions: Region) -> Value | None:
        return next((value for region, value in cases if region in regions), None)

    default = known.default(name) if known else None
    fallback = float(default) if isinstance(default, float) else default
    rest = first("layers", "all")
    rest = fallback if rest is None else rest
    outside: dict[str, Value | None] = {}
    for region in ("embed", "norm", "head"):
        value = first(region, "all")
        value = value.points[0] if isinstance(value, Curve) else value  # its depth there is 0
        outside[region] = fallback if value is None else value
    numbers = sorted({region for region, _ in cases if isinstance(region, int)})
    layers = []
    for number in numbers:
        value = first(number, "layers", "all")
        if value is not None:
            layers.append((number, number, value))
    kinds = [(kind, first(kind, "layers", "all")) for kind in KIND_FILTERS]
    written = {region for region, _ in cases}
    given = tuple((kind, v) for kind, v in kinds if kind in written and v is not None)
    return canonical(Regions(rest, **outside, layers=tuple(layers), kinds=given))
