"""`Plan` -> mergekit's YAML.

In: a plan, and the notes of its reading. Out: one document for each stage, the last one being the result;
or one document of mergekit-evolve where the plan has holes.
"""

import json
import re
from collections.abc import Mapping, Sequence

from merge_dsl.tools.mergekit.notes import Notes, comments, in_order
from merge_dsl.tools.mergekit.plan import (
    Blend,
    Curve,
    Model,
    Plan,
    Regions,
    Settings,
    Stage,
    Value,
    Walk,
)
from merge_dsl.tools.mergekit.references_out import Written, reference
from merge_dsl.tools.mergekit.schema import DTYPES, KIND_FILTERS, METHODS, PARTS
from merge_dsl.tools.mergekit.to_genome import filled, genome_of, holes

LAST = "merged"  # the name that `import` gives to what has none
PLAIN = re.compile(r"[A-Za-z./][\w./@-]*")
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan")
LONG_DTYPE = {short: long for long, short in DTYPES.items()}


def yaml_of(plan: Plan, file: str, notes: Notes) -> str:
    """The text of the file that mergekit reads."""
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    documents: list[Mapping[str, Written]] = []
    genome = genome_of(plan, notes) if holes(plan) else None
    if genome is not None and plan.search is not None:
        documents = [genome]
        sigma = f" --sigma0 {plan.search.sigma}" if plan.search.sigma else ""
        command = f"mergekit-evolve --storage-path DIR --max-fevals {plan.search.trials}{sigma}"
    else:
        if plan.search is not None:
            notes.lose("search", "a configuration of mergekit without a genome searches nothing")
        plan = filled(plan, notes)
        documents = [_document(stage, plan) for stage in plan.stages]
        many = len(documents) > 1
        command = "mergekit-multi -I DIR --out-path OUT" if many else "mergekit-yaml FILE OUT"
    head = [f"# From {name}, a recipe of awase. Run: {command}"]
    head += comments(in_order(notes.found), "Not carried over:")
    return "\n".join([*head, "---\n".join(["", *map(_text, documents)])[4:]])


def _document(stage: Stage, plan: Plan) -> Mapping[str, Written]:
    last = stage is plan.stages[-1]
    table: dict[str, Written] = {}
    if not last or stage.name != LAST:
        table["name"] = stage.name
    if isinstance(stage.body, Walk):
        table["merge_method"] = "passthrough"
        table["slices"] = _walk(stage.body)
    else:
        blends = stage.body
        table["merge_method"] = blends[0].method
        bases = {blend.base for blend in blends}
        base = blends[0].base if len(bases) == 1 else None
        if base is not None:
            table["base_model"] = reference(base)
        if any(blend.union for blend in blends):
            table["tokenizer_source"] = "union"
        shared = blends[0].shared if len({blend.shared for blend in blends}) == 1 else ()
        if shared:
            table["parameters"] = _parameters(shared)
        inner = tuple(_Inner(blend, base, bool(shared)) for blend in blends)
        table.update(_forms(inner))
    if last and plan.dtype is not None:
        table["dtype"] = "float32"  # awase always computes in it
        if plan.dtype != "fp32":
            table["out_dtype"] = LONG_DTYPE.get(plan.dtype, plan.dtype)
    return table


class _Inner:
    """A blend, and what stands outside of it already."""

    def __init__(self, blend: Blend, base: Model | None, shared: bool) -> None:
        self.blend, self.base, self.shared = blend, base, shared


def _forms(inner: Sequence[_Inner]) -> Mapping[str, Written]:
    parts = list(dict.fromkeys(one.blend.part for one in inner))
    if parts == ["language"]:
        return _form(inner)
    modules: dict[str, Written] = {}
    for part in parts:
        modules[PARTS[part]] = _form([one for one in inner if one.blend.part == part])
    return {"modules": modules}


def _form(inner: Sequence[_Inner]) -> Mapping[str, Written]:
    """`models` for a whole part, `slices` for one in pieces."""
    first = inner[0]
    if len(inner) == 1 and first.blend.span is None:
        form: dict[str, Written] = {"models": _inputs(first.blend, False)}
        if first.blend.shared and not first.shared:
            form["parameters"] = _parameters(first.blend.shared)
        return form
    slices: list[Written] = []
    for one in inner:
        piece: dict[str, Written] = {"sources": _inputs(one.blend, True)}
        if one.blend.base is not None and one.base is None:
            piece["base_model"] = reference(one.blend.base)
        if one.blend.shared and not one.shared:
            piece["parameters"] = _parameters(one.blend.shared)
        slices.append(piece)
    return {"slices": slices}


def _inputs(blend: Blend, sliced: bool) -> list[Written]:
    """The models of a blend, its base among them: in a slice mergekit does not add it by itself."""
    found: list[Written] = []
    models = [(inner.model, inner.settings) for inner in blend.inputs]
    if blend.base is not None and (sliced or METHODS[blend.method].base != "ignored"):
        models.insert(0, (blend.base, ()))
    low, high = blend.span or (0, -1)
    for model, settings in models:
        entry: dict[str, Written] = {"model": reference(model)}
        if sliced:
            entry["layer_range"] = [low, high + 1]
        if settings:
            entry["parameters"] = _parameters(settings)
        found.append(entry)
    return found


def _walk(walk: Walk) -> list[Written]:
    """Slices of one source. A slice without layers brings what stands before the first, or after."""
    hops = [(hop.model, hop.low, hop.high + 1) for hop in walk.hops]
    if walk.begin != hops[0][0]:
        hops.insert(0, (walk.begin, 0, 0))
    if walk.end != hops[-1][0]:
        hops.append((walk.end, 0, 0))
    return [
        {"sources": [{"model": reference(model), "layer_range": [low, high]}]}
        for model, low, high in hops
    ]


# ---- parameters -------------------------------------------------------------


def _parameters(settings: Settings) -> Mapping[str, Written]:
    return {name: _setting(regions) for name, regions in settings}


def _setting(regions: Regions) -> Written:
    cases: list[tuple[str, Value]] = []
    for filter, value in (
        ("embed_tokens", regions.embed),
        ("model.norm", regions.norm),
        ("lm_head", regions.head),
    ):
        if value is not None:
            cases.append((filter, value))
    for low, high, value in regions.layers:
        cases += [(f"layers.{layer}.", value) for layer in range(low, min(high, low + 999) + 1)]
    cases += [(KIND_FILTERS[kind], value) for kind, value in regions.kinds]
    if not cases and regions.rest is not None:
        return _value(regions.rest)
    found: list[Written] = [{"filter": filter, "value": _value(value)} for filter, value in cases]
    if regions.rest is not None:
        found.append({"value": _value(regions.rest)})
    return found


def _value(value: Value) -> Written:
    if isinstance(value, Curve):
        return [point for point in value.points if isinstance(point, float | int)]
    return value if isinstance(value, float | int) else 0.0


# ---- text -------------------------------------------------------------------


def _text(table: Mapping[str, Written]) -> str:
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Mapping[str, Written]) -> list[str]:
    lines: list[str] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {line}" for line in _lines(value))]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines += _list(key, value)
        else:
            lines.append(f"{key}: {_scalar(value)}")
    return lines


def _list(key: str, items: Sequence[Written]) -> list[str]:
    if not any(isinstance(item, Mapping | str) for item in items):
        return [f"{key}: [{', '.join(_scalar(item) for item in items)}]"]
    lines = [f"{key}:"]
    for item in items:
        inner = _lines(item) if isinstance(item, Mapping) else [_scalar(item)]
        lines += [f"  - {inner[0]}", *(f"    {line}" for line in inner[1:])]
    return lines


def _scalar(value: Written) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(value)
        # YAML takes 1e-05 for a word, since it wants a point
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and value.lower() not in WORDS:
            return value
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value)
