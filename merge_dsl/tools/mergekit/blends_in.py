"""`models` and `slices` of a mergekit configuration -> blends and walks.

In: the table that holds them, and what surrounds it. Out: blends of one part, or the stages of a
frankenmerge. Layer ranges become ranges of which both ends count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from merge_dsl.tools.mergekit.fields_in import Context, items_of, model_of, only, range_of, table_of
from merge_dsl.tools.mergekit.notes import shown
from merge_dsl.tools.mergekit.plan import Blend, Hop, Input, Model, Stage, Walk
from merge_dsl.tools.mergekit.schema import INPUT, METHODS, SLICE, SOURCE
from merge_dsl.tools.mergekit.settings_in import Level, density_everywhere, settings_of
from merge_dsl.tools.mergekit.yaml_in import Entry, Node, Table


@dataclass(frozen=True)
class Around:
    """What holds for every model of a blend."""

    method: str
    part: str
    base: Model | None
    levels: tuple[Level, ...]  # parameters, the strongest first
    context: Context
    where: str = ""


@dataclass(frozen=True)
class Source:
    model: Model
    own: Level
    range: tuple[int, int] | None  # half-open, as in the file
    node: Table


def of_models(table: Table, around: Around) -> Blend | None:
    """`models:` blends whole parts."""
    sources = []
    for number, item in enumerate(items_of(table, "models", around.where, around.context)):
        found = _source(item, f"{around.where}models[{number}]", INPUT, around.context)
        if found is not None:
            sources.append(found)
    return _blend(sources, around, None, whole=True) if sources else None


def of_slices(table: Table, around: Around) -> Sequence[Blend | Stage]:
    """`slices:` blends layers where they stand, or stacks them: then the last stage is a walk."""
    pieces = []
    for number, item in enumerate(items_of(table, "slices", around.where, around.context)):
        piece = _slice(item, f"{around.where}slices[{number}]", around)
        if piece is not None:
            pieces.append(piece)
    if not pieces:
        return []
    walks = around.part == "language" and not around.where
    if walks and around.method == "passthrough":
        return _walk(pieces)
    at = 0
    blends: list[Blend] = []
    for inner, sources in pieces:
        low, high = sources[0].range or (0, 0)
        if low == at and high > low and all(source.range == (low, high) for source in sources):
            span = (low, high - 1)
            last = len(blends) == len(pieces) - 1
            blends.append(replace(_blend(sources, inner, span), first=not blends, last=last))
        at = high
    if len(blends) == len(pieces):
        return blends
    return _stacked(pieces) if walks else _lost(pieces, around.context)


def _source(item: Node, where: str, known: Sequence[str], context: Context) -> Source | None:
    if not isinstance(item, Table):
        context.lose(where, "a table with `model` belongs here", item)
        return None
    only(item, known, where, context)
    model = model_of(item.get("model"), f"{where}.model", context)
    if model is None:
        if item.get("model") is None:
            context.lose(where, "it names no model", item)
        return None
    span = None
    if "layer_range" in known:
        span = range_of(item.get("layer_range"), f"{where}.layer_range", context)
        if span is None:
            if item.get("layer_range") is None:
                context.lose(where, "it has no layer_range", item)
            return None
    parameters = table_of(item, "parameters", f"{where}.", context)
    return Source(model, Level(parameters, f"{where}.parameters"), span, item)


def _slice(item: Node, where: str, around: Around) -> tuple[Around, list[Source]] | None:
    context = around.context
    if not isinstance(item, Table):
        context.lose(where, "a table with `sources` belongs here", item)
        return None
    only(item, SLICE, where, context)
    if item.get("residual_weight") is not None:
        context.tell(f"{where}.residual_weight", "left out: mergekit does not read it", item)
    sources = []
    for number, node in enumerate(items_of(item, "sources", f"{where}.", context)):
        found = _source(node, f"{where}.sources[{number}]", SOURCE, context)
        if found is not None:
            sources.append(found)
    if not sources:
        context.lose(where, "it has no source that awase can read", item)
        return None
    parameters = Level(table_of(item, "parameters", f"{where}.", context), f"{where}.parameters")
    base = model_of(item.get("base_model"), f"{where}.base_model", context) or around.base
    return replace(around, base=base, levels=(parameters, *around.levels)), sources


def _blend(
    sources: Sequence[Source], around: Around, span: tuple[int, int] | None, whole: bool = False
) -> Blend:
    method, context, base = around.method, around.context, around.base
    known = METHODS.get(method)
    if known is not None and known.base == "ignored":
        sources = _without_base(sources, around, whole)
        base = None
    inputs = []
    for source in sources:
        if base is not None and source.model == base:
            for entry in source.own.table.entries if source.own.table else ():
                path = f"{source.own.where}.{entry.key}"
                context.tell(path, f"left out: {shown(method)} gives its base no settings", entry)
            continue
        inputs.append(
            Input(source.model, settings_of(method, source.own, around.levels, context.notes))
        )
    shared = settings_of(method, None, around.levels, context.notes)
    shared = density_everywhere(method, shared, [inner.settings for inner in inputs])
    if method == "passthrough":
        shared, inputs = (), _one(inputs, sources, around)
    if known is not None and known.base == "required" and base is None:
        context.lose(f"{around.where}base_model", f"{shown(method)} needs one", sources[0].node)
    return Blend(around.part, method, tuple(inputs), base, shared, span)


def _without_base(sources: Sequence[Source], around: Around, whole: bool) -> list[Source]:
    """A method without a base takes it as one more model; the result has its tokenizer, so it leads."""
    base, context = around.base, around.context
    if base is None:
        return list(sources)
    named = [source for source in sources if source.model == base]
    if not named and whole and around.method != "passthrough":
        weighted = any(level.table and level.table.get("weight") for level in around.levels)
        if weighted or around.method == "karcher":
            named = [Source(base, Level(None, ""), None, sources[0].node)]
        else:
            what = f"{shown(around.method)} has no base; mergekit asks for a weight of it"
            context.lose("base_model", what, sources[0].node)
    elif not named:
        context.tell("base_model", f"left out: {shown(around.method)} has no base", sources[0].node)
    return [*named, *(source for source in sources if source.model != base)]


def _one(inputs: Sequence[Input], sources: Sequence[Source], around: Around) -> list[Input]:
    """passthrough takes one model as it is."""
    for source in sources[1:]:
        around.context.lose(around.where + "models", "passthrough takes one model", source.node)
    for source in sources[:1]:
        _lose_settings((source.own, *around.levels), around.context)
    return [Input(inner.model) for inner in inputs[:1]]


def _lose_settings(levels: Sequence[Level], context: Context) -> None:
    for level in levels:
        for entry in level.table.entries if level.table else ():
            what = "the recipe keeps this model unscaled; write `by passthrough` with its `scale`"
            context.lose(f"{level.where}.{entry.key}", what, entry)


def _walk(pieces: Sequence[tuple[Around, list[Source]]]) -> list[Stage]:
    """A frankenmerge: the layers of the slices, one after the other."""
    hops, ends = [], []
    for inner, sources in pieces:
        _one([], sources, inner)
        low, high = sources[0].range or (0, 0)
        ends.append(sources[0].model)
        if high > low:  # a slice without layers only brings what stands before or after them
            hops.append(Hop(sources[0].model, low, high - 1))
    if not hops:
        return []
    return [Stage("", Walk(ends[0], tuple(hops), ends[-1]))]


def _stacked(pieces: Sequence[tuple[Around, list[Source]]]) -> Sequence[Blend | Stage]:
    """Slices that are blended and stacked: one merge for each, and a walk through them."""
    context = pieces[0][0].context
    if not all(len({source.range for source in sources}) == 1 for _, sources in pieces):
        return _lost(pieces, context)
    stages: list[Stage] = []
    hops = []
    for number, (inner, sources) in enumerate(pieces, 1):
        low, high = sources[0].range or (0, 0)
        name = f"slice_{number}"
        while name in context.stages:
            name += "_"
        stages.append(Stage(name, (_blend(sources, inner, None),)))
        if any(value for level in inner.levels for value in _gradients(level)):
            what = "a gradient in a stacked slice runs over the whole model here"
            context.lose(f"{inner.where}slices[{number - 1}]", what, sources[0].node)
        if high > low:
            hops.append(Hop(Model(f"stage:{name}"), low, high - 1))
    if not hops:
        return []
    return [*stages, Stage("", Walk(hops[0].model, tuple(hops), hops[-1].model))]


def _gradients(level: Level) -> list[Entry]:
    from merge_dsl.tools.mergekit.yaml_in import Items

    entries = level.table.entries if level.table else ()
    return [entry for entry in entries if isinstance(entry.node, Items)]


def _lost(pieces: Sequence[tuple[Around, list[Source]]], context: Context) -> list[Blend]:
    for inner, sources in pieces:
        if len({source.range for source in sources}) > 1 or inner.where:
            what = "layers of different numbers are blended; in awase layer 3 comes from layer 3"
            context.lose(f"{inner.where}slices", what, sources[0].node)
    return []
