"""Documents of mergekit's YAML -> `Plan`.

In: the nodes of a file. Out: the stages in the order in which they must be made, the last one being what
is built; or `Unreadable` where the file is no mergekit configuration at all.
"""

from collections.abc import Sequence
from dataclasses import replace

from merge_dsl.text.words import nearest
from merge_dsl.tools.mergekit.blends_in import Around, of_models, of_slices
from merge_dsl.tools.mergekit.fields_in import (
    Context,
    dtype_of,
    model_of,
    only,
    table_of,
    text_of,
    tokenizer_of,
)
from merge_dsl.tools.mergekit.from_genome import plan_of_genome
from merge_dsl.tools.mergekit.notes import shown
from merge_dsl.tools.mergekit.plan import Blend, Plan, Stage, models_of
from merge_dsl.tools.mergekit.schema import DOCUMENT, METHODS, MODULE, MODULES
from merge_dsl.tools.mergekit.settings_in import Level
from merge_dsl.tools.mergekit.yaml_in import Leaf, Node, Table, Unreadable

LAST = "merged"  # what a recipe calls the result that mergekit leaves without a name
ORDER = ("vision", "projector", "language")


def plan_of(documents: Sequence[Node], context: Context) -> Plan:
    """What the documents of one file say."""
    tables = [_configuration(node) for node in documents]
    if not tables:
        raise Unreadable("it is empty")
    if tables[0].get("genome") is not None:
        for other in tables[1:]:
            context.lose("", "a second document beside a genome", other)
        return plan_of_genome(tables[0], context)
    names = [_name(table) for table in tables]
    context = replace(context, stages=frozenset(name for name in names if name))
    made: dict[str, list[Stage]] = {}
    dtypes: dict[str, str | None] = {}
    for table, given in zip(tables, names, strict=True):
        name = given or LAST
        if name in made or (not given and LAST in context.stages):
            context.lose("name", f"a second document is called {shown(name)}", table)
            continue
        stages = _stages(table, context)
        if stages:
            made[name] = [*stages[:-1], replace(stages[-1], name=name)]
            dtypes[name] = dtype_of(table, context)
    order = _sorted(made, last=LAST if LAST in made else None)
    for name in order[:-1]:
        if dtypes[name] is not None:
            what = f"left out: awase does not round what {shown(name)} passes on"
            context.notes.tell("dtype", what)
    ordered = tuple(stage for name in order for stage in made[name])
    return Plan(ordered, dtypes[order[-1]] if order else None)


def _configuration(node: Node) -> Table:
    if not isinstance(node, Table):
        raise Unreadable("no mergekit configuration: a table belongs here", node.place)
    if node.get("genome") is None and node.get("merge_method") is None:
        close = [nearest(entry.key, ("merge_method", "genome")) for entry in node.entries]
        meant = next((word for word in close if word), None)
        hint = f"; did you mean `{meant}`?" if meant else ""
        what = f"no mergekit configuration: it has neither `merge_method` nor `genome`{hint}"
        raise Unreadable(what, node.place)
    return node


def _name(table: Table) -> str | None:
    node = table.get("name")
    return node.text if isinstance(node, Leaf) and node.text else None


def _stages(table: Table, context: Context) -> list[Stage]:
    only(table, DOCUMENT, "", context)
    method = _method(table, context)
    base = model_of(table.get("base_model"), "base_model", context)
    level = Level(table_of(table, "parameters", "", context), "parameters")
    around = Around(method, "language", base, (level,), context)
    template = table.entry("chat_template")
    if template is not None:
        context.lose("chat_template", "awase keeps that of the model that comes first", template)
    forms = [key for key in ("models", "slices", "modules") if table.get(key) is not None]
    if len(forms) != 1:
        raise Unreadable("one of `models`, `slices` and `modules` belongs here", table.place)
    blends: list[Blend] = []
    if forms == ["models"]:
        blend = of_models(table, around)
        blends = [blend] if blend is not None else []
    elif forms == ["slices"]:
        found = of_slices(table, around)
        stages = [stage for stage in found if isinstance(stage, Stage)]
        if stages:
            _tokenizer_of_walk(table, context)
            return stages
        blends = [blend for blend in found if isinstance(blend, Blend)]
    else:
        blends = _modules(table, around)
    made = tokenizer_of(table, blends, "", context)
    return [Stage("", made)] if made else []


def _tokenizer_of_walk(table: Table, context: Context) -> None:
    for key in ("tokenizer_source", "tokenizer"):
        entry = table.entry(key)
        if entry is not None:
            what = "a route has the tokenizer of the model that it begins with"
            context.lose(key, what, entry)


def _method(table: Table, context: Context) -> str:
    method = text_of(table, "merge_method", "", context) or ""
    node = table.get("merge_method") or table
    if method not in METHODS:
        close = nearest(method, METHODS)
        meant = f"; did you mean `{close}`?" if close else ""
        context.lose("merge_method", f"mergekit has no method {shown(method)}{meant}", node)
    return method


def _modules(table: Table, around: Around) -> list[Blend]:
    """`modules:` of a model with several parts."""
    context = around.context
    found: dict[str, list[Blend]] = {}
    modules = table_of(table, "modules", "", context)
    for entry in modules.entries if modules else ():
        where = f"modules.{entry.key}"
        part = MODULES.get(entry.key)
        if part is None or part in found:
            what = f"awase has no part {shown(entry.key)}" if part is None else "this part again"
            context.lose(where, what, entry)
            continue
        if not isinstance(entry.node, Table):
            context.lose(where, "a table with `models` or `slices` belongs here", entry)
            continue
        only(entry.node, MODULE, where, context)
        level = Level(
            table_of(entry.node, "parameters", f"{where}.", context), f"{where}.parameters"
        )
        inner = replace(around, part=part, levels=(level, *around.levels), where=f"{where}.")
        whole = of_models(entry.node, inner) if entry.node.get("models") is not None else None
        sliced = of_slices(entry.node, inner) if entry.node.get("slices") is not None else []
        blends = [whole] if whole is not None else [b for b in sliced if isinstance(b, Blend)]
        if whole is not None and sliced:
            context.lose(f"{where}.slices", "`models` stands beside it", entry)
        if blends:
            found[part] = blends
    return [blend for part in ORDER for blend in found.get(part, ())]


def _sorted(made: dict[str, list[Stage]], last: str | None) -> list[str]:
    """The names so that each stage comes after those that it takes; `last` at the end."""
    needs = {
        name: {m.stage for stage in stages for m in models_of(stage) if m.stage in made}
        for name, stages in made.items()
    }
    order: list[str] = []
    waiting = [name for name in made if name != last] + ([last] if last else [])
    while waiting:
        ready = next((name for name in waiting if needs[name] <= set(order)), None)
        if ready is None:
            names = ", ".join(sorted(shown(name) for name in waiting))
            raise Unreadable(f"these stages wait for each other: {names}")
        order.append(ready)
        waiting.remove(ready)
    return order
