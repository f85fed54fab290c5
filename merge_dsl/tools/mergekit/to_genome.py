"""A plan with holes -> the configuration of mergekit-evolve, as far as that goes.

In: a plan. Out: a table for `yaml_out`, or None where mergekit-evolve cannot search it at all; then
`filled` puts its start in each hole. mergekit-evolve searches every weight (and density) of every model,
with bounds and starts of its own, so whatever differs from them is noted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from merge_dsl.tools.mergekit.notes import Notes
from merge_dsl.tools.mergekit.plan import (
    Blend,
    Curve,
    Hole,
    Model,
    Plan,
    Regions,
    Search,
    Settings,
    Value,
    Walk,
)
from merge_dsl.tools.mergekit.references_out import Written, reference
from merge_dsl.tools.mergekit.schema import EVOLVED, METRICS_OUT
from merge_dsl.tools.mergekit.steps import mapped

USUAL = {"ties": True, "dare_ties": True, "linear": True}  # normalize, where a genome says nothing


def holes(plan: Plan) -> list[Hole]:
    """Every hole of a plan."""
    blends = [
        blend for stage in plan.stages if not isinstance(stage.body, Walk) for blend in stage.body
    ]
    return [
        hole
        for blend in blends
        for settings in (blend.shared, *(inner.settings for inner in blend.inputs))
        for _, regions in settings
        for value in regions.values
        for hole in _of(value)
    ]


def filled(plan: Plan, notes: Notes) -> Plan:
    """The plan with each hole at its start."""
    if holes(plan):
        notes.lose("", "mergekit-evolve cannot search this: each hole has its start here")
    stages = []
    for stage in plan.stages:
        if not isinstance(stage.body, Walk):
            stage = replace(stage, body=tuple(mapped(blend, _start) for blend in stage.body))
        stages.append(stage)
    return replace(plan, stages=tuple(stages))


def genome_of(plan: Plan, notes: Notes) -> Mapping[str, Written] | None:
    """The table of mergekit-evolve."""
    body = plan.stages[-1].body
    if len(plan.stages) > 1 or isinstance(body, Walk) or plan.search is None:
        return None
    blend = body[0]
    if len(body) > 1 or blend.part != "language" or blend.span is not None:
        return None
    if blend.method not in EVOLVED or not plan.search.tasks:
        return None
    found = _slerp(blend, notes) if blend.method == "slerp" else _weights(blend, notes)
    if found is None:
        return None
    if plan.dtype not in (None, "bf16"):
        notes.lose("dtype", "mergekit-evolve writes bfloat16")
    if blend.union:
        found["tokenizer_source"] = "union"
    table: dict[str, Written] = {"genome": found, **_tasks(plan.search)}
    return table


def _weights(blend: Blend, notes: Notes) -> dict[str, Written] | None:
    models: list[Written] = []
    searched = EVOLVED[blend.method]
    found: dict[str, set[Hole]] = {name: set() for name in searched}
    for inner in blend.inputs:
        models.append(reference(inner.model))
        for name, regions in inner.settings:
            if name not in searched:
                notes.lose(name, f"mergekit-evolve sets no `{name}`")
            elif isinstance(regions.rest, Hole):
                found[name].add(regions.rest)
                embed = regions.embed == replace(regions.rest, per=None)
                if replace(regions, rest=None, embed=None if embed else regions.embed) != Regions():
                    notes.lose(name, f"mergekit-evolve sets `{name}` in groups of layers alone")
            else:
                notes.lose(name, f"mergekit-evolve searches `{name}` of every model")
    if not found["weight"]:
        return None
    pers = {hole.per for holes in found.values() for hole in holes}
    if len(pers) > 1:
        notes.lose("per", "mergekit-evolve has one layer_granularity for everything")
    signed = any(hole.low < 0 for hole in found["weight"])
    for name, mine in found.items():
        start = round(1 / len(models), 4) if name == "weight" else 1.0
        usual = Hole(-1.0 if signed and name == "weight" else 0.0, 1.0, start, min(pers, key=str))
        if not mine:
            notes.lose(name, f"mergekit-evolve searches `{name}` as well")
        elif mine != {usual}:
            shown = f"{usual.low}..{usual.high} start {usual.start}"
            notes.lose(name, f"mergekit-evolve has its own bounds and starts: here, {shown}")
    table: dict[str, Written] = {"models": models, "merge_method": blend.method}
    if blend.base is not None:
        table["base_model"] = reference(blend.base)
    if (per := next(iter(pers))) is not None:
        table["layer_granularity"] = per
    if (normal := _normalize(blend, notes)) != USUAL.get(blend.method, False):
        table["normalize"] = normal
    if signed:
        table["allow_negative_weights"] = True
    if any(regions.embed is not None for inner in blend.inputs for _, regions in inner.settings):
        table["filters"] = ["embed_tokens"]
    return table


def _normalize(blend: Blend, notes: Notes) -> bool:
    normal = False
    for name, regions in blend.shared:
        if name == "normalize":
            normal = regions.rest is True
        elif name != "density":
            notes.lose(name, f"mergekit-evolve sets no `{name}`")
    given = any(name == "normalize" for name, _ in blend.shared)
    return (
        normal if given else blend.method in ("ties", "linear")
    )  # what awase means by saying nothing


def _slerp(blend: Blend, notes: Notes) -> dict[str, Written] | None:
    settings: Settings = blend.shared
    t = dict(settings).get("t")
    if blend.base is None or len(blend.inputs) != 1 or t is None or not isinstance(t.rest, Hole):
        return None
    if t != Regions(Hole(0.0, 1.0, 0.5, t.rest.per)):
        notes.lose("t", "mergekit-evolve has its own bounds and starts: here, 0.0..1.0 start 0.5")
    pair: tuple[Model, ...] = (blend.base, blend.inputs[0].model)
    table: dict[str, Written] = {"models": list(map(reference, pair)), "merge_method": "slerp"}
    if t.rest.per is not None:
        table["layer_granularity"] = t.rest.per
    return table


def _tasks(search: Search) -> dict[str, Written]:
    tasks: list[Written] = []
    for task in search.tasks:
        entry: dict[str, Written] = {"name": task.name}
        metric = METRICS_OUT.get(task.metric, "acc")
        if metric != "acc":
            entry["metric"] = f"{metric},none"
        if task.weight != 1.0:
            entry["weight"] = task.weight
        tasks.append(entry)
    table: dict[str, Written] = {"tasks": tasks}
    if search.limit is not None:
        table["limit"] = search.limit
    return table


def _of(value: Value) -> Iterator[Hole]:
    if isinstance(value, Hole):
        yield value
    elif isinstance(value, Curve):
        yield from (point for point in value.points if isinstance(point, Hole))


def _start(value: Value) -> Value:
    if isinstance(value, Hole):
        return _middle(value)
    if isinstance(value, Curve):
        return Curve(tuple(_middle(p) if isinstance(p, Hole) else p for p in value.points))
    return value


def _middle(hole: Hole) -> float:
    return hole.start if hole.start is not None else (hole.low + hole.high) / 2
