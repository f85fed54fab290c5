"""`Plan` -> the text of a recipe.

In: a plan, the notes of its reading, and the name of the recipe. Out: a text that parses, always the same
one for the same plan. What was not carried stands above the recipe as comment lines.
"""

from collections.abc import Sequence

from merge_dsl.meaning.methods import METHODS
from merge_dsl.tools.mergekit.names_out import fresh, named, number, stem, text, word
from merge_dsl.tools.mergekit.notes import Note, comments, plain
from merge_dsl.tools.mergekit.plan import (
    Blend,
    Curve,
    Hole,
    Model,
    Plan,
    Regions,
    Search,
    Settings,
    Stage,
    Steps,
    Value,
    Walk,
    models_of,
)

Names = dict[Model, str]


def recipe_of(plan: Plan, file: str, notes: Sequence[Note]) -> str:
    """The whole recipe. `file` is what was read; the recipe is called after it."""
    base = file.replace("\\", "/").rsplit("/", 1)[-1]
    title = word(base.rsplit(".", 1)[0] if "." in base else base, "imported")
    names = _names(plan)
    lines = [f"# From {plain(base)}, a mergekit file.", *comments(notes, "Not carried over:"), ""]
    lines += [f"recipe {title}", ""]
    lines += [_model(model, name) for model, name in names.items() if model.stage is None]
    tasks = _task_names(plan.search, names) if plan.search else {}
    if plan.search and tasks:
        rows = f" {{ rows = 0..{plan.search.limit - 1} }}" if plan.search.limit else ""
        lines += ["", "# Tasks of lm-eval; put their rows there, in the form that awase reads."]
        lines += [
            f"data {tasks[task.name]} from {text(f'file:data/{task.name}.jsonl')}{rows}"
            for task in plan.search.tasks
            if task.name in tasks
        ]
    for stage in plan.stages:
        lines += ["", *_stage(stage, names)]
    last = names[Model(f"stage:{plan.stages[-1].name}")]
    if plan.search and tasks:
        lines += ["", *_search(plan.search, tasks, last)]
    dtype = f" {{ dtype = {plan.dtype} }}" if plan.dtype else ""
    lines += ["", f"write {last} to {text(f'out/{title}')}{dtype}"]
    return "\n".join(lines) + "\n"


def _names(plan: Plan) -> Names:
    found = dict.fromkeys(model for stage in plan.stages for model in models_of(stage))
    stages: Names = {}
    for stage in plan.stages:
        made = Model(f"stage:{stage.name}")
        stages[made] = fresh(stem(made), stages.values())
    models = [model for model in found if model not in stages]
    return {**named(models, stages.values()), **stages}


def _model(model: Model, name: str) -> str:
    revision = f" {{ revision = {text(model.revision)} }}" if model.revision else ""
    return f"model {name} from {text(model.address)}{revision}"


# ---- stages -----------------------------------------------------------------


def _stage(stage: Stage, names: Names) -> list[str]:
    name = names[Model(f"stage:{stage.name}")]
    if isinstance(stage.body, Walk):
        return _walk(name, stage.body, names)
    blocks = [_blend(blend, names) for blend in stage.body]
    inner: list[str] = []
    for block in blocks:
        if inner and (len(block) > 1 or inner[-1] == "  }"):
            inner.append("")
        inner += block
    return [f"merge {name} {{", *inner, "}"]


def _walk(name: str, walk: Walk, names: Names) -> list[str]:
    hops = [f"{names[hop.model]}.layers[{_span(hop.low, hop.high)}]" for hop in walk.hops]
    lines = [f"route {name} {{", f"  begin {names[walk.begin]}", f"  path {hops[0]}"]
    lines += [f"    -> {hop}" for hop in hops[1:]]
    return [*lines, f"  end {names[walk.end]}", "}"]


def _span(low: int, high: int) -> str:
    return f"{low}..{high}" if high > low else str(low)


def _blend(blend: Blend, names: Names) -> list[str]:
    parts = ", ".join(parts_of(blend))
    if blend.method == "passthrough" and blend.inputs:
        return [f"  keep {parts} from {names[blend.inputs[0].model]}"]
    lines = [f"  {parts} by {word(blend.method, 'method')} {{"]
    if blend.base is not None:
        lines.append(f"    base {names[blend.base]}")
    if blend.method in METHODS and "compat" in METHODS[blend.method].settings:
        lines.append("    compat = mergekit")
    if blend.union:
        lines.append("    vocabulary = union")
    lines += [f"    {line}" for line in _settings(blend.shared, blend)]
    inputs = blend.inputs
    everywhere = inputs[0].settings if inputs and _has_holes(inputs[0].settings) else ()
    if len(inputs) > 1 and everywhere and all(i.settings == everywhere for i in inputs):
        lines += ["    each {", *(f"      {s}" for s in _settings(everywhere, blend)), "    }"]
        return [*lines, *(f"    take {names[i.model]}" for i in inputs), "  }"]
    for inner in inputs:
        lines += _take(names[inner.model], _settings(inner.settings, blend))
    return [*lines, "  }"]


def _take(name: str, settings: list[str]) -> list[str]:
    if not settings:
        return [f"    take {name}"]
    if len(settings) == 1:
        return [f"    take {name} {{ {settings[0]} }}"]
    return [f"    take {name} {{", *(f"      {line}" for line in settings), "    }"]


def _has_holes(settings: Settings) -> bool:
    return any(isinstance(value, Hole) for _, regions in settings for value in regions.values)


def parts_of(blend: Blend) -> list[str]:
    """The parts of a blend as a recipe names them."""
    if blend.span is None:
        return [blend.part]
    before, after = {
        "language": (["embed"], ["head"]),
        "vision": (["vision.embed"], ["vision.norm"]),
    }.get(blend.part, ([], []))
    layers = [f"{blend.part}.layers[{_span(*blend.span)}]"]
    return (before if blend.first else []) + layers + (after if blend.last else [])


# ---- settings ---------------------------------------------------------------


def _settings(settings: Settings, blend: Blend) -> list[str]:
    return [line for name, regions in settings for line in _lines(name, regions, blend)]


def _lines(name: str, regions: Regions, blend: Blend) -> list[str]:
    """One setting, widest line first: of two lines that name one place, the later wins."""
    lines = []
    rest = regions.rest
    if rest is not None:
        lines.append(f"{name} = {_value(rest)}{_per(rest)}")
    language = blend.part == "language"
    if blend.first and regions.embed is not None and language:
        lines.append(f"{name} = {_value(regions.embed)} at embed")
    if blend.last and language:
        quiet = rest.points[0] if isinstance(rest, Curve) else rest
        ends = rest.points[-1] if isinstance(rest, Curve) else rest
        head = quiet if regions.head is None else regions.head
        norm = quiet if regions.norm is None else regions.norm
        if head is not None and (head != ends or norm != ends):
            lines.append(
                f"{name} = {_value(head)} at head"
            )  # and the final norm, which goes with it
        if norm is not None and norm != head:
            lines.append(f"{name} = {_value(norm)} at language.norm")
    for kind, value in regions.kinds:
        lines.append(f"{name} = {_value(value)}{_per(value)} at layers.{kind}")
    for low, high, value in regions.layers:
        lines.append(f"{name} = {_value(value)}{_per(value)} at layers[{_span(low, high)}]")
    return lines


def _value(value: Value) -> str:
    if isinstance(value, Curve):
        return f"curve({', '.join(_value(point) for point in value.points)})"
    if isinstance(value, Steps):
        return f"[{', '.join(map(number, value.values))}]"
    if isinstance(value, Hole):
        start = f" start {number(value.start)}" if value.start is not None else ""
        return f"{number(value.low)}..{number(value.high)}{start}"
    return number(value)


def _per(value: Value) -> str:
    if not isinstance(value, Hole | Steps) or value.per is None:
        return ""
    return " per layer" if value.per == 1 else f" per {value.per} layers"


# ---- the search -------------------------------------------------------------


def _task_names(search: Search, names: Names) -> dict[str, str]:
    found: dict[str, str] = {}
    for task in search.tasks:
        if task.name not in found:
            found[task.name] = fresh(word(task.name, "task"), {*names.values(), *found.values()})
    return found


def _search(search: Search, tasks: dict[str, str], target: str) -> list[str]:
    objective = ""
    for task in search.tasks:
        factor = "" if abs(task.weight) == 1.0 else f"{number(abs(task.weight))} * "
        sign = "-" if task.weight < 0 else "+"
        joint = f" {sign} " if objective else ("-" if task.weight < 0 else "")
        objective += f"{joint}{factor}{task.metric} on {tasks[task.name]}"
    sigma = f"(sigma = {number(round(search.sigma, 4))})" if search.sigma else ""
    return [
        f"search {target} {{",
        f"  maximize {objective}",
        f"  by = cma_es{sigma}",
        f"  budget = {search.trials} trials",
        "}",
    ]
