"""Settings of a recipe's blend -> settings of a plan.

In: nodes of the tree. Out: `Settings` with mergekit's names and meaning; what cannot be said is noted by
the line of the recipe. `Reader` is what one recipe is read with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from merge_dsl.meaning.methods import METHODS as OWN
from merge_dsl.meaning.parts import KINDS
from merge_dsl.meaning.parts import canonical as part_named
from merge_dsl.meaning.settings import text_of
from merge_dsl.meaning.values import calculate, constant
from merge_dsl.text import tree
from merge_dsl.text.source import Source, Span
from merge_dsl.tools.mergekit.notes import Notes
from merge_dsl.tools.mergekit.plan import Curve, Hole, Regions, Settings, Steps, Value, canonical
from merge_dsl.tools.mergekit.schema import KIND_FILTERS, METHODS, Default, theirs


@dataclass(frozen=True)
class Reader:
    """The recipe, its `let`s, and the notes."""

    source: Source
    lets: Mapping[str, tree.Let]
    notes: Notes

    def lose(self, span: Span, what: str) -> None:
        line, column = self.source.line_column(span.start)
        self.notes.lose("", what, line, column)

    def tell(self, span: Span, what: str) -> None:
        line, column = self.source.line_column(span.start)
        self.notes.tell("", what, line, column)


def settings_from(
    lines: Sequence[tree.Setting], method: str, tail: bool, reader: Reader
) -> Settings:
    """The settings that some lines give; `tail` says whether the blend makes the head."""
    found: dict[str, Regions] = {}
    for line in lines:
        if line.name.text == "compat" or says_union(line):
            continue  # they are read where they matter
        name = theirs(method, line.name.text)
        known = METHODS.get(method)
        if known is not None and name not in known.settings:
            reader.lose(line.span, f"`{method}` of mergekit has no setting `{line.name.text}`")
            continue
        if not _applies(line, method, reader):
            continue
        default = known.default(name) if known else None
        value = value_from(line.value, _per(line), default, reader)
        if value is None:
            reader.lose(line.span, f"mergekit cannot say `{reader.source.slice(line.span)}`")
            continue
        found[name] = _placed(found.get(name, Regions()), line, value, reader)
    return tuple((name, canonical(_ended(regions, tail))) for name, regions in found.items())


def says_union(line: tree.Setting) -> bool:
    """Whether a line is `vocabulary = union`."""
    said = line.value.path.dotted if isinstance(line.value, tree.Call) else None
    return line.name.text == "vocabulary" and said == "union"


def with_defaults(method: str, shared: Settings, inputs: Sequence[Settings]) -> Settings:
    """The shared settings, and what awase means without saying and mergekit does not."""
    known, own = METHODS.get(method), OWN.get(method)
    if known is None or own is None:
        return shared
    added: list[tuple[str, Regions]] = []
    for ours, setting in own.settings.items():
        name = theirs(method, ours)
        given = any(name == n for n, _ in shared)
        given = given or (bool(inputs) and all(any(name == n for n, _ in own) for own in inputs))
        told = given or setting.default is None or name not in known.settings
        if told or isinstance(setting.default, str) or known.default(name) == setting.default:
            continue
        added.append((name, Regions(setting.default)))
    return (*added, *shared)


def compat_from(lines: Sequence[tree.Setting], method: str, span: Span, reader: Reader) -> None:
    """A note where a blend is computed as papers have it: mergekit computes as mergekit does."""
    setting = OWN[method].settings.get("compat") if method in OWN else None
    written = [line for line in lines if line.name.text == "compat"]
    values = [text_of(line.value) for line in written]
    if setting is not None and (not values or any(value != "mergekit" for value in values)):
        what = f"`{method}` without `compat = mergekit`; {setting.about}"
        reader.lose(written[-1].span if written else span, what)


def value_from(
    node: tree.Value, per: int | None, default: Default, reader: Reader, depth: int = 0
) -> Value | None:
    """What a value node is, with the names of `let`s looked up; None where mergekit has no such thing."""
    if depth > 50:
        return None
    if isinstance(node, tree.Number):
        whole = isinstance(default, int) and not isinstance(default, bool)
        return node.value if whole and isinstance(node.value, int) else float(node.value)
    if isinstance(node, tree.Quantity):
        return constant(node)
    if isinstance(node, tree.Range):
        return _hole(node, per, reader)
    if isinstance(node, tree.Arithmetic):
        left = value_from(node.left, None, default, reader, depth + 1)
        right = value_from(node.right, None, default, reader, depth + 1)
        numbers = (left, right)
        if any(isinstance(n, bool) or not isinstance(n, float | int) for n in numbers):
            return None
        return calculate(node.operator, float(left), float(right))  # type: ignore[arg-type]
    if isinstance(node, tree.Series):
        return _steps(node, per, default, reader)
    return _called(node, per, default, reader, depth) if isinstance(node, tree.Call) else None


def _called(
    node: tree.Call, per: int | None, default: Default, reader: Reader, depth: int
) -> Value | None:
    name = node.path.dotted
    if node.path.slices is not None:
        return None
    if node.arguments is None:
        if name in ("true", "false"):
            return name == "true"
        let = reader.lets.get(name)
        if let is None or let.span.end > node.span.start:
            return None
        return value_from(let.value, _per(let) or per, default, reader, depth + 1)
    if name != "curve" or any(argument.name for argument in node.arguments):
        return None
    points = [value_from(a.value, None, default, reader, depth + 1) for a in node.arguments]
    plain = [p for p in points if isinstance(p, float | int | Hole) and not isinstance(p, bool)]
    return Curve(tuple(plain)) if plain and len(plain) == len(points) else None


def _hole(node: tree.Range, per: int | None, reader: Reader) -> Hole | None:
    low = value_from(node.low, None, None, reader)
    high = value_from(node.high, None, None, reader)
    if not isinstance(low, float) or not isinstance(high, float) or node.log or node.whole:
        return None
    if node.step is not None:
        return None
    return Hole(low, high, float(node.start.value) if node.start else None, per)


def _steps(node: tree.Series, per: int | None, default: Default, reader: Reader) -> Value | None:
    values = [value_from(item, None, default, reader) for item in node.items]
    numbers = [float(v) for v in values if isinstance(v, float | int) and not isinstance(v, bool)]
    if not numbers or len(numbers) < len(values) or per is None or per < 1:
        return None
    return Steps(tuple(numbers), per)


def _per(line: tree.Setting | tree.Let) -> int | None:
    for clause in line.clauses:
        if isinstance(clause, tree.Per) and clause.unit.text in ("layer", "layers"):
            return clause.size or 1
    return None


def _applies(line: tree.Setting, method: str, reader: Reader) -> bool:
    for clause in line.clauses:
        if isinstance(clause, tree.When):
            if clause.name.text != "method":
                reader.lose(clause.span, "mergekit has no conditions")
            if method not in [option.text for option in clause.options]:
                return False
        elif isinstance(clause, tree.Per) and clause.unit.text not in ("layer", "layers"):
            reader.lose(clause.span, f"mergekit has no `per {clause.unit.text}`")
    return True


def _placed(before: Regions, line: tree.Setting, value: Value, reader: Reader) -> Regions:
    """The setting with one more line; a later line wins."""
    places = [path for c in line.clauses if isinstance(c, tree.At) for path in c.parts]
    if not places:
        return Regions(value)
    for path in places:
        before = _at(before, path, value, reader)
    return before


def _at(before: Regions, path: tree.Path, value: Value, reader: Reader) -> Regions:
    name = part_named(path.dotted)
    part, _, kind = path.dotted.rpartition(".")
    if kind in KINDS and part in ("layers", "language.layers", "vision.layers"):
        return _of_kind(before, path, kind, value, reader)
    if path.dotted == "layers" or name == "language.layers":
        if path.slices and not any(s.low is None for s in path.slices):
            if isinstance(value, Curve | Steps):
                reader.lose(path.span, "mergekit has no curve over some layers alone")
                return before
            runs = tuple((s.low or 0, s.high or 0, value) for s in path.slices)
            return replace(before, layers=(*runs, *before.layers))
        outside = {"embed": before.embed, "norm": before.norm, "head": before.head}
        old = before.rest.points[0] if isinstance(before.rest, Curve) else before.rest
        kept = {key: old if there is None else there for key, there in outside.items()}
        return Regions(value, kept["embed"], kept["norm"], kept["head"])
    if name == "language.embed":
        return replace(before, embed=value)
    if name == "language.head":
        return replace(before, norm=value, head=value)
    if name == "language.norm":
        return replace(before, norm=value)
    reader.lose(path.span, f"mergekit has no setting for `{path.dotted}` alone")
    return before


def _of_kind(before: Regions, path: tree.Path, kind: str, value: Value, reader: Reader) -> Regions:
    """A kind of tensors is a filter in mergekit, for all layers at once."""
    said = reader.source.slice(path.span)
    if kind not in KIND_FILTERS:
        reader.lose(path.span, f"mergekit has no filter for `{said}`")
    elif path.slices and not any(s.low is None for s in path.slices):
        reader.lose(path.span, f"mergekit has no filter for `{said}`: some layers and some tensors")
    elif before.layers:
        reader.lose(path.span, "behind single layers mergekit has no filter for a kind of tensors")
    else:
        kept = tuple(pair for pair in before.kinds if pair[0] != kind)
        return replace(before, kinds=(*kept, (kind, value)))
    return before


def _ended(regions: Regions, tail: bool) -> Regions:
    """Where a recipe names nothing, the norm and the head are at the end of a curve."""
    last: Value | None = None
    if isinstance(regions.rest, Curve):
        last = regions.rest.points[-1]
    elif isinstance(regions.rest, Steps):
        last = regions.rest.values[-1]
    if last is None or not tail:
        return regions
    norm = last if regions.norm is None else regions.norm
    return replace(regions, norm=norm, head=last if regions.head is None else regions.head)
