"""A recipe -> the plan of what mergekit can be told of it.

In: a recipe that parses. Out: the stages that the last one needs, its search, its dtype; every line that
mergekit has no word for becomes a note.
"""

import os
from pathlib import Path

from merge_dsl.meaning.places import locate
from merge_dsl.text import tree
from merge_dsl.text.source import Source
from merge_dsl.tools.mergekit.notes import Notes
from merge_dsl.tools.mergekit.plan import Blend, Hop, Model, Plan, Stage, Walk, models_of
from merge_dsl.tools.mergekit.search_from import search_from
from merge_dsl.tools.mergekit.steps import without_steps
from merge_dsl.tools.mergekit.tree_blends import blends_from, model_from
from merge_dsl.tools.mergekit.tree_values import Reader


def plan_from(source: Source, parsed: tree.Tree, notes: Notes) -> Plan:
    """What mergekit can be told of a recipe. A plan without stages says nothing."""
    lets = {item.name.text: item for item in parsed.items if isinstance(item, tree.Let)}
    reader = Reader(source, lets, notes)
    models: dict[str, Model] = {}
    stages: dict[str, Stage] = {}
    for item in parsed.items:
        if isinstance(item, tree.Use):
            reader.lose(item.span, "mergekit imports no file: write its lines here")
        elif isinstance(item, tree.Declaration) and item.kind == "model":
            model = _model(item, reader)
            if model is not None:
                models[item.name.text] = model
        elif isinstance(item, tree.Merge | tree.Route):
            stage = _stage(item, models, reader)
            if stage is not None:
                stages[item.name.text] = stage
                models[item.name.text] = Model(f"stage:{item.name.text}")
    target = _target(parsed)
    if target not in stages:
        return Plan(())
    chosen = _needed(target, stages)
    for item in parsed.items:
        if isinstance(item, tree.Merge | tree.Route) and item.name.text not in chosen:
            if item.name.text in stages:
                reader.lose(item.name.span, f"`{target}` does not need `{item.name.text}`")
        elif isinstance(item, tree.Report):
            reader.lose(item.span, "mergekit reports no scores")
    dtype = _dtype(parsed, target, reader)
    search = search_from(parsed, target, reader)
    return Plan(tuple(stages[name] for name in chosen), dtype, search)


def _target(parsed: tree.Tree) -> str | None:
    """What the recipe is about: what is written last, else searched last, else made last."""
    for kinds in ((tree.Declaration,), (tree.Search,), (tree.Merge, tree.Route)):
        found = [item for item in parsed.items if isinstance(item, kinds)]
        names = [
            i.name.text for i in found if not isinstance(i, tree.Declaration) or i.kind == "write"
        ]
        if names:
            return names[-1]
    return None


def _needed(target: str, stages: dict[str, Stage]) -> list[str]:
    chosen = {target}
    for name in reversed(stages):  # a name is defined before it is used
        if name in chosen:
            chosen |= {m.stage for m in models_of(stages[name]) if m.stage is not None}
    return [name for name in stages if name in chosen]


def _model(item: tree.Declaration, reader: Reader) -> Model | None:
    scheme, _, rest = item.address.value.partition(":")
    revision = None
    for setting in item.settings:
        if setting.name.text == "revision" and isinstance(setting.value, tree.Text):
            revision = setting.value.value
        else:
            reader.tell(setting.span, f"left out: mergekit knows no `{setting.name.text}`")
    if scheme == "file" and rest:
        path = os.path.expanduser(rest)
        if not os.path.isabs(path) and "\\" not in path:
            # a recipe reads paths from where it lies, mergekit from where it is started
            path = os.path.relpath(Path(reader.source.folder, path)).replace(os.sep, "/")
            path = path if path.startswith(".") else f"./{path}"
        return Model(f"file:{path}", revision)
    if scheme == "zoo":
        found = locate(item.address.value, "model", reader.source.folder).path
        if found is not None:
            return Model(f"file:{found}")
    if scheme != "hf" or not rest:
        reader.lose(item.address.span, f'mergekit cannot open "{item.address.value}"')
        return None
    return Model(item.address.value, revision)


# ---- stages -----------------------------------------------------------------


def _stage(item: tree.Merge | tree.Route, models: dict[str, Model], reader: Reader) -> Stage | None:
    name = item.name.text
    if isinstance(item, tree.Route):
        walk = _walk(item, models, reader)
        return Stage(name, walk) if walk is not None else None
    blends = blends_from(item, models, reader)
    blends = tuple(piece for blend in blends for piece in without_steps(blend, item, reader))
    if not blends:
        reader.lose(item.name.span, f"nothing of `{name}` can be said to mergekit")
        return None
    walk = _layers(blends)
    return Stage(name, walk if walk is not None else blends)


def _layers(blends: tuple[Blend, ...]) -> Walk | None:
    """Layers that are kept, range by range, are slices; so they become a walk."""
    hops = []
    for blend in blends:
        if blend.method != "passthrough" or blend.span is None or blend.part != "language":
            return None
        hops.append(Hop(blend.inputs[0].model, *blend.span))
    return Walk(hops[0].model, tuple(hops), hops[-1].model)


def _walk(item: tree.Route, models: dict[str, Model], reader: Reader) -> Walk | None:
    ends: dict[str, Model | None] = {}
    hops: list[Hop] | None = None
    for line in item.lines:
        if isinstance(line, tree.Require):
            reader.lose(line.span, "mergekit has no `require`")
        elif isinstance(line, tree.Setting) or line.kind == "pool":
            reader.lose(line.span, "mergekit searches no route")
        elif line.kind == "path":
            hops = _hops(line, models, reader)
        else:
            ends[line.kind] = model_from(line.paths[0], models, reader)
    if not hops:
        reader.lose(item.name.span, f"nothing of `{item.name.text}` can be said to mergekit")
        return None
    begin, end = ends.get("begin") or hops[0].model, ends.get("end") or hops[-1].model
    return Walk(begin, tuple(hops), end)


def _hops(line: tree.RouteLine, models: dict[str, Model], reader: Reader) -> list[Hop] | None:
    """The hops of a path that does nothing but walk; None where one repeats, scales or may be left out."""
    paths = _plain(line.hops)
    if paths is None:
        reader.lose(line.span, "mergekit has no `maybe`, no `x` and no `scale` on its way")
        return None
    hops = []
    for path in paths:
        model = model_from(path, models, reader)
        inner = ".".join(name.text for name in path.names[1:])
        if model is None or inner not in ("layers", "language.layers") or not path.slices:
            reader.lose(path.span, "a slice of mergekit is `model.layers[first..last]`")
            return None
        for piece in path.slices:
            if piece.low is None or piece.high is None or piece.low > piece.high:
                reader.lose(path.span, "mergekit must be told the first and the last layer")
                return None
            hops.append(Hop(model, piece.low, piece.high))
    return hops


def _plain(hops: tuple[tree.Hop, ...]) -> list[tree.Path] | None:
    """The paths of hops that do nothing but walk, in order."""
    found: list[tree.Path] = []
    for hop in hops:
        inner = [hop.path] if hop.path is not None else _plain(hop.hops)
        if hop.maybe or hop.repeat is not None or hop.scale is not None or inner is None:
            return None
        found += inner
    return found


# ---- the result -------------------------------------------------------------


def _dtype(parsed: tree.Tree, target: str, reader: Reader) -> str | None:
    dtype = None
    for item in parsed.items:
        if not isinstance(item, tree.Declaration) or item.kind != "write":
            continue
        if item.name.text != target:
            reader.lose(item.span, f"mergekit writes `{target}` alone")
            continue
        for setting in item.settings:
            if setting.name.text == "dtype" and isinstance(setting.value, tree.Call):
                dtype = setting.value.path.dotted
            else:
                what = f"`{setting.name.text}` is an option of mergekit's command"
                reader.tell(setting.span, f"left out: {what}")
    return dtype
