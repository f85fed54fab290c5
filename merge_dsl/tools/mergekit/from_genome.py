"""A configuration of `mergekit-evolve` -> `Plan`: its genome becomes holes, its tasks a search.

In: the table of the file. Out: a plan with one stage. mergekit-evolve has no bounds: it takes the
magnitude of a weight, and clamps a density between 0 and 1. A weight here lies between 0 and 1, or
between -1 and 1 where negative ones are allowed.
"""

from merge_dsl.meaning.methods import METHODS as OWN
from merge_dsl.text.words import nearest, quoted
from merge_dsl.tools.mergekit.fields_in import (
    Context,
    items_of,
    model_of,
    only,
    table_of,
    text_of,
    tokenizer_of,
    whole_of,
)
from merge_dsl.tools.mergekit.notes import shown
from merge_dsl.tools.mergekit.plan import (
    Blend,
    Hole,
    Input,
    Model,
    Plan,
    Regions,
    Search,
    Settings,
    Stage,
    Task,
)
from merge_dsl.tools.mergekit.schema import (
    EVOLVE,
    EVOLVED,
    GENOME,
    MAX_FEVALS,
    METRICS,
    SIGMA,
    TASK,
    region_of,
)
from merge_dsl.tools.mergekit.settings_in import value_of
from merge_dsl.tools.mergekit.yaml_in import Leaf, Node, Table, Unreadable

LEFT_OUT = {  # and what mergekit-evolve does without them
    "num_fewshot": None,
    "shuffle": False,
    "random_init": False,
    "apply_chat_template": True,
    "fewshot_as_multiturn": True,
}


def plan_of_genome(table: Table, context: Context) -> Plan:
    """The space and the search of a genome."""
    only(table, EVOLVE, "", context)
    genome = table_of(table, "genome", "", context)
    if genome is None:
        raise Unreadable("no mergekit configuration: `genome` is no table", table.place)
    only(genome, GENOME, "genome", context)
    for key, usual in LEFT_OUT.items():
        node = table.get(key)
        if node is not None and not (isinstance(node, Leaf) and node.value == usual):
            context.lose(key, "awase asks each question as it stands, without examples", node)
    blends = tokenizer_of(genome, (_blend(genome, context),), "genome.", context)
    tasks = _tasks(table, context)
    search = Search(tasks, whole_of(table, "limit", "", context) or None, MAX_FEVALS, SIGMA)
    return Plan((Stage("merged", blends),), "bf16", search)


def _blend(genome: Table, context: Context) -> Blend:
    method = text_of(genome, "merge_method", "genome.", context) or ""
    if method not in EVOLVED:
        close = nearest(method, EVOLVED)
        meant = f"did you mean `{close}`?" if close else f"it has {quoted(EVOLVED)}"
        what = f"mergekit-evolve has no method {shown(method)}; {meant}"
        context.lose("genome.merge_method", what, genome.get("merge_method") or genome)
    base = model_of(genome.get("base_model"), "genome.base_model", context)
    models = []
    for number, node in enumerate(items_of(genome, "models", "genome.", context)):
        model = model_of(node, f"genome.models[{number}]", context)
        if model is not None:
            models.append(model)
    if not models:
        raise Unreadable("no mergekit configuration: the genome names no model", genome.place)
    per = whole_of(genome, "layer_granularity", "genome.", context) or None
    if method == "slerp":
        return _slerp(models, per, genome, context)
    if base is not None and base in models:
        what = "left out: a gene that changes nothing, since it is the base"
        context.tell("genome.models", what, genome)
    if method == "linear" and base is not None and base not in models:
        context.lose("genome.base_model", "`linear` has no base", genome)
    if _truth(genome, "smooth", context):
        what = "values are joined by lines between groups; here each group has its own"
        context.lose("genome.smooth", what, genome)
    signed = _truth(genome, "allow_negative_weights", context)
    settings = _holes(method, len(models), per, signed, genome, context)
    method_base = base if method != "linear" else None
    inputs = tuple(Input(model, settings) for model in models if model != method_base)
    return Blend("language", method, inputs, method_base, _normalize(method, genome, context))


def _truth(genome: Table, key: str, context: Context) -> bool:
    node = genome.get(key)
    if node is not None and not (isinstance(node, Leaf) and isinstance(node.value, bool)):
        context.lose(f"genome.{key}", "this is true or false", node)
        return False
    return isinstance(node, Leaf) and node.value is True


def _normalize(method: str, genome: Table, context: Context) -> Settings:
    usual = method in (
        "ties",
        "dare_ties",
        "linear",
    )  # what mergekit-evolve does when it is not told
    given = genome.get("normalize")
    wanted = usual if given is None else _truth(genome, "normalize", context)
    own = OWN.get(method)
    if own is None or "normalize" not in own.settings:
        if wanted:
            context.lose("genome.normalize", f"`{method}` of awase has no such setting", genome)
        return ()
    return (("normalize", Regions(wanted)),)


def _holes(
    method: str, models: int, per: int | None, signed: bool, genome: Table, context: Context
) -> Settings:
    share = round(1 / models, 4)
    weight = Hole(-1.0 if signed else 0.0, 1.0, share, per)
    what = f"mergekit-evolve does not bound a weight; here it lies in {weight.low}..{weight.high}"
    context.tell("genome", what, genome)
    found = {"weight": weight, "density": Hole(0.0, 1.0, 1.0, per)}
    embed = False
    for number, node in enumerate(items_of(genome, "filters", "genome.", context)):
        region = region_of(node.text) if isinstance(node, Leaf) else None
        if region == "embed":
            embed = True
        else:
            word = shown(node.text) if isinstance(node, Leaf) else "this"
            what = f"the filter {word}: of a genome awase carries `embed_tokens` alone"
            context.lose(f"genome.filters[{number}]", what, node)
    settings: Settings = ()
    for name in EVOLVED.get(method, ("weight",)):
        hole = found[name]
        alone = Hole(hole.low, hole.high, hole.start)
        settings = (*settings, (name, Regions(hole, alone if embed else None)))
    return settings


def _slerp(models: list[Model], per: int | None, genome: Table, context: Context) -> Blend:
    """The two strongest models of each group, and t from their genes: with two models, t in 0..1."""
    for model in models[2:]:
        what = f"{shown(model.address)}: slerp takes two models, and awase does not choose them"
        context.lose("genome.models", what, genome)
    t = (("t", Regions(Hole(0.0, 1.0, 0.5, per))),)
    return Blend("language", "slerp", tuple(map(Input, models[1:2])), models[0], t)


def _tasks(table: Table, context: Context) -> tuple[Task, ...]:
    tasks = []
    for number, node in enumerate(items_of(table, "tasks", "", context)):
        task = _task(node, f"tasks[{number}]", context)
        if task is not None:
            tasks.append(task)
    if not tasks:
        context.lose("tasks", "there is none, so nothing says what a candidate is scored on", table)
    return tuple(tasks)


def _task(node: Node, where: str, context: Context) -> Task | None:
    """A task of lm-eval. Its rows are not in the file: the recipe names a place for them."""
    weight, metric = 1.0, "acc,none"
    name: str | None = None
    if isinstance(node, Leaf):
        name = node.text
    elif isinstance(node, Table):
        only(node, TASK, where, context)
        name = text_of(node, "name", f"{where}.", context)
        metric = text_of(node, "metric", f"{where}.", context) or metric
        factor = node.get("weight")
        if factor is not None:
            value = value_of(factor, 1.0, f"{where}.weight", context.notes)
            weight = float(value) if isinstance(value, float | int) else 1.0
    if not name:
        context.lose(where, "the name of a task belongs here", node)
        return None
    word, _, filter = metric.partition(",")
    if word not in METRICS or filter not in ("", "none"):
        what = f"{shown(metric)}: the recipe takes `{METRICS.get(word, 'accuracy')}` instead"
        context.lose(f"{where}.metric", what, node)
    what = f"put the questions of {shown(name)} where the recipe's `data` line says"
    context.tell(where, what, node)
    return Task(name, METRICS.get(word, "accuracy"), weight)
