"""A `merge` of a recipe -> the blends of a stage.

In: the tree of a `merge`, and the models that names stand for. Out: for each part that mergekit can be
told to make, blends of one method; what is left is noted by its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from merge_dsl.meaning.parts import KINDS
from merge_dsl.meaning.parts import canonical as part_named
from merge_dsl.text import tree
from merge_dsl.tools.mergekit.plan import Blend, Curve, Input, Model, Regions, Settings, Value
from merge_dsl.tools.mergekit.schema import METHODS
from merge_dsl.tools.mergekit.tree_values import (
    Reader,
    compat_from,
    says_union,
    settings_from,
    with_defaults,
)

ENDS = {  # what stands before the layers of a part, and what after
    "language": (("language.embed",), ("language.norm", "language.head")),
    "vision": (("vision.embed",), ("vision.norm",)),
    "projector": ((), ()),
}
Line = tree.Keep | tree.Blend


@dataclass
class Claims:
    """Which line makes what of one part; lives only while a merge is read."""

    ends: dict[str, Line] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    whole: Line | None = None
    runs: list[tuple[int, int, Line]] = field(default_factory=list)

    def claim(self, leaf: str, line: Line, named: bool) -> None:
        """The later line has it, but what is only implied yields to what is named."""
        if named or leaf not in self.named:
            self.ends[leaf] = line
            self.named |= {leaf} if named else set()


def blends_from(item: tree.Merge, models: Mapping[str, Model], reader: Reader) -> tuple[Blend, ...]:
    """The blends of a merge, language last."""
    claims: dict[str, Claims] = {}
    for line in item.lines:
        if isinstance(line, tree.Require):
            reader.lose(line.span, "mergekit has no `require`")
            continue
        for path in line.parts:
            _claim(claims, path, line, reader)
    main = _method(item, reader)
    if main is None:
        return ()
    found: list[Blend] = []
    for part in ("vision", "projector", "language"):
        if part in claims:
            found += _part(part, claims[part], main, models, reader)
    if all(blend.part == "language" for blend in found):
        for line in item.lines:
            if isinstance(line, tree.Blend):
                _whole_models(line, reader)
    return tuple(found)


def _claim(claims: dict[str, Claims], path: tree.Path, line: Line, reader: Reader) -> None:
    name = part_named(path.dotted)
    if name is None:
        reader.lose(path.span, f"there is no part `{path.dotted}`")
        return
    part = name.partition(".")[0]
    if name.rpartition(".")[2] in KINDS:
        reader.lose(path.span, "mergekit makes whole layers by one method; use `at layers.…` in it")
        return
    mine = claims.setdefault(part, Claims())
    before, after = ENDS[part]
    if name == part:
        mine.whole, mine.runs = line, []
        for leaf in (*before, *after):
            mine.claim(leaf, line, named=part == "language")
    elif name == f"{part}.layers":
        if path.slices and not any(s.low is None for s in path.slices):
            mine.runs += [(s.low or 0, s.high or 0, line) for s in path.slices]
        else:
            mine.whole, mine.runs = line, []
    else:
        mine.claim(name, line, named=True)
        if name == "language.head":
            mine.claim("language.norm", line, named=False)


def _method(item: tree.Merge, reader: Reader) -> str | None:
    """The one method of a merge: mergekit has one for a whole configuration."""
    methods: dict[str, tree.Blend] = {}
    for line in item.lines:
        if isinstance(line, tree.Blend):
            methods.setdefault(_called(line, reader), line)
    if not methods:
        return "passthrough"
    first = next(iter(methods))
    for name, line in list(methods.items())[1:]:
        what = f"`{name}` beside `{first}`: a mergekit configuration has one method"
        reader.lose(line.method.span, what)
    if first not in METHODS:
        reader.lose(methods[first].method.span, f"mergekit has no method `{first}`")
    return first if len(methods) == 1 and first in METHODS else None


def _called(line: tree.Blend, reader: Reader) -> str:
    method = line.method
    if isinstance(method, tree.Choice):
        reader.lose(method.span, "mergekit searches no method; it is the first here")
        options = [option for option in method.options if isinstance(option, tree.Call)]
        return options[0].path.dotted if options else ""
    for argument in method.arguments or ():
        what = f"`{reader.source.slice(argument.span)}`: mergekit has it for a whole run alone"
        reader.lose(argument.span, what)
    return method.path.dotted


def _part(
    part: str, claims: Claims, main: str, models: Mapping[str, Model], reader: Reader
) -> list[Blend]:
    pieces = _pieces(part, claims, reader)
    if not pieces:
        return []
    found: list[Blend] = []
    for number, (span, line) in enumerate(pieces):
        last = number == len(pieces) - 1
        blend = _blend(part, line, main, last and part == "language", models, reader)
        if blend is None:
            return []
        found.append(replace(blend, span=span, first=number == 0, last=last))
    before, after = ENDS[part]
    found[0] = _end(found[0], before, claims, pieces[0][1], models, reader)
    found[-1] = _end(found[-1], after, claims, pieces[-1][1], models, reader)
    embed = claims.ends.get("language.embed") if part == "language" else None
    if isinstance(embed, tree.Blend) and any(map(_is_union, embed.lines)):
        found = [replace(blend, union=blend.first or blend.last) for blend in found]
    return found


def _is_union(line: object) -> bool:
    return isinstance(line, tree.Setting) and says_union(line)


def _pieces(part: str, claims: Claims, reader: Reader) -> list[tuple[tuple[int, int] | None, Line]]:
    if not claims.runs:
        return [(None, claims.whole)] if claims.whole is not None else []
    if claims.whole is not None:
        reader.lose(
            claims.runs[0][2].span, "some layers apart: mergekit must be told of all others"
        )
        return [(None, claims.whole)]
    at = 0
    pieces: list[tuple[tuple[int, int] | None, Line]] = []
    for low, high, line in sorted(claims.runs, key=lambda run: run[0]):
        if low != at or high < low:
            reader.lose(line.span, f"the layers of `{part}` do not follow each other from 0")
            return []
        pieces.append(((low, high), line))
        at = high + 1
    return pieces


def _blend(
    part: str,
    line: Line,
    main: str,
    tail: bool,
    models: Mapping[str, Model],
    reader: Reader,
) -> Blend | None:
    if isinstance(line, tree.Keep):
        model = model_from(line.origin, models, reader)
        if model is None:
            return None
        if main == "passthrough":
            return Blend(part, main, (Input(model),))
        if main == "linear":
            return Blend(part, main, (Input(model, (("weight", Regions(1.0)),)),))
        what = f"`{part}` is kept from one model: mergekit cannot do that beside `{main}`"
        reader.lose(line.span, what)
        return None
    bases = [inner.origin for inner in line.lines if isinstance(inner, tree.Base)]
    base = model_from(bases[-1], models, reader) if bases else None
    each = [s for inner in line.lines if isinstance(inner, tree.Each) for s in inner.settings]
    inputs = []
    for inner in line.lines:
        if isinstance(inner, tree.Take):
            model = model_from(inner.origin, models, reader)
            lines = (*each, *(inner.settings or ()))
            if model is not None:
                inputs.append(Input(model, settings_from(lines, main, tail, reader)))
    own = [inner for inner in line.lines if isinstance(inner, tree.Setting)]
    compat_from(own, main, line.method.span, reader)
    shared = settings_from(own, main, tail, reader)
    shared = with_defaults(main, shared, [inner.settings for inner in inputs])
    return Blend(part, main, tuple(inputs), base, shared) if inputs else None


def model_from(path: tree.Path, models: Mapping[str, Model], reader: Reader) -> Model | None:
    """The model that a path begins with."""
    model = models.get(path.names[0].text)
    if model is None:
        reader.lose(path.span, f"`{path.dotted}` is no model that mergekit could be told of")
    return model


def _whole_models(line: tree.Blend, reader: Reader) -> None:
    for inner in line.lines:
        if isinstance(inner, tree.Take | tree.Base) and len(inner.origin.names) > 1:
            what = f"`{inner.origin.dotted}`: mergekit takes whole models here"
            reader.lose(inner.origin.span, what)


def _end(
    blend: Blend,
    leaves: tuple[str, ...],
    claims: Claims,
    line: Line,
    models: Mapping[str, Model],
    reader: Reader,
) -> Blend:
    """What stands before or after the layers, where another line makes it."""
    for leaf in leaves:
        other = claims.ends.get(leaf)
        name = leaf.partition(".")[2]
        if other is line:
            continue
        if other is None:
            if not leaf.startswith("vision"):  # a tower's own come with it
                reader.tell(line.span, f"mergekit makes `{name}` like the layers beside it")
            continue
        kept = None
        if isinstance(other, tree.Keep) and blend.part == "language":
            kept = _only(blend, name, model_from(other.origin, models, reader))
        if kept is None:
            what = f"`{name}` comes from another line: mergekit makes it like the layers beside it"
            reader.lose(other.span, what)
        else:
            blend = kept
    return blend


def _only(blend: Blend, name: str, model: Model | None) -> Blend | None:
    """The blend with settings that leave one region as it is in one model; None where none do."""
    if model is None:
        return None
    among = any(inner.model == model for inner in blend.inputs)
    if blend.method == "passthrough":
        return blend if among else None
    if blend.method == "slerp" and (among or model == blend.base):
        return replace(blend, shared=_with(blend.shared, "t", name, 1.0 if among else 0.0))
    by_weight = "weight" in METHODS[blend.method].inputs
    if by_weight and blend.method == "linear" and among:
        chosen = {inner.model: float(inner.model == model) for inner in blend.inputs}
    elif by_weight and METHODS[blend.method].base == "required" and model == blend.base:
        chosen = {inner.model: 0.0 for inner in blend.inputs}
    else:
        return None
    outer = dict(blend.shared).get("weight")
    inputs = []
    for inner in blend.inputs:
        settings = inner.settings
        if outer is not None and "weight" not in dict(settings):
            settings = (("weight", outer), *settings)
        inputs.append(Input(inner.model, _with(settings, "weight", name, chosen[inner.model])))
    return replace(blend, inputs=tuple(inputs))


def _with(settings: Settings, setting: str, region: str, value: Value) -> Settings:
    found = dict(settings)
    before = found.get(setting, Regions())
    quiet = before.rest.points[0] if isinstance(before.rest, Curve) else before.rest
    there = None if value == quiet else value
    found[setting] = replace(before, **{region: there})  # type: ignore[arg-type]
    return tuple(found.items())
