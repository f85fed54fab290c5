"""The `search` of a recipe -> the tasks of mergekit-evolve.

In: the tree of a recipe and what it is about. Out: `Search`, or None where nothing is searched.
"""

from pathlib import PurePosixPath

from merge_dsl.meaning.settings import budget_of, number_of, rows_of
from merge_dsl.text import tree
from merge_dsl.tools.mergekit.plan import Search, Task
from merge_dsl.tools.mergekit.schema import MAX_FEVALS, METRICS_OUT
from merge_dsl.tools.mergekit.tree_values import Reader


def search_from(parsed: tree.Tree, target: str, reader: Reader) -> Search | None:
    """The search of `target`."""
    found = [item for item in parsed.items if isinstance(item, tree.Search)]
    mine = next((item for item in found if item.name.text == target), None)
    for item in found:
        if item is not mine:
            reader.lose(item.span, "mergekit-evolve searches once, and the last stage")
    if mine is None:
        return None
    data = {
        item.name.text: item
        for item in parsed.items
        if isinstance(item, tree.Declaration) and item.kind == "data"
    }
    tasks: list[Task] = []
    limits: set[int | None] = set()
    trials, sigma = MAX_FEVALS, None
    objectives = [line for line in mine.lines if isinstance(line, tree.Objective)]
    for line in mine.lines:
        if isinstance(line, tree.Objective) and line is objectives[0]:
            for term in line.terms:
                tasks.append(_task(term, line.maximize, data, reader))
                limits.add(_limit(data.get(term.data.dotted), reader))
        elif isinstance(line, tree.Objective):
            reader.lose(line.span, "mergekit-evolve has one objective")
        elif isinstance(line, tree.Require):
            reader.lose(line.span, "mergekit has no `require`")
        elif line.name.text == "budget":
            budget = budget_of(line.value)
            if budget is None or budget.trials is None or budget.seconds or budget.generations:
                reader.lose(line.span, "mergekit-evolve counts trials alone")
            trials = budget.trials if budget is not None and budget.trials else trials
        elif line.name.text == "by":
            sigma = _sigma(line, reader)
        else:
            reader.lose(line.span, f"mergekit-evolve has no `{line.name.text}`")
    if len(limits) > 1:
        reader.lose(mine.span, "mergekit-evolve has one number of rows for all tasks")
    return Search(tuple(tasks), next(iter(limits), None), trials, sigma)


def _task(
    term: tree.Term, maximize: bool, data: dict[str, tree.Declaration], reader: Reader
) -> Task:
    metric = term.metric.path.dotted
    if metric not in METRICS_OUT:
        reader.lose(term.metric.span, f"lm-eval has no `{metric}`; `acc` stands in its place")
    if term.metric.arguments:
        reader.lose(term.metric.span, "the settings of a metric are lm-eval's own")
    weight = term.factor if maximize else -term.factor
    return Task(_name(term, data, reader), metric, weight)


def _name(term: tree.Term, data: dict[str, tree.Declaration], reader: Reader) -> str:
    """A task is called after its file, which is where `import` says that its rows belong."""
    item = data.get(term.data.dotted)
    if item is None:
        reader.lose(term.data.span, f"there is no data `{term.data.dotted}`")
        return term.data.dotted
    path = PurePosixPath(item.address.value.removeprefix("file:"))
    reader.tell(item.address.span, "a task of lm-eval must be made of these rows")
    folder = str(path.parent) == "data" or item.address.value.startswith("file:data/")
    if not folder or path.suffix != ".jsonl":
        return item.name.text
    return item.address.value.removeprefix("file:data/").removesuffix(".jsonl")


def _limit(item: tree.Declaration | None, reader: Reader) -> int | None:
    limit = None
    for setting in item.settings if item is not None else ():
        rows = rows_of(setting.value) if setting.name.text == "rows" else None
        if rows is not None and len(rows) == 1 and rows[0][0] == 0:
            limit = rows[0][1] + 1
        else:
            reader.lose(
                setting.span, f"`{reader.source.slice(setting.span)}`: rows are lm-eval's own"
            )
    return limit


def _sigma(line: tree.Setting, reader: Reader) -> float | None:
    value = line.value
    if not isinstance(value, tree.Call) or value.path.dotted != "cma_es":
        reader.lose(line.span, "mergekit-evolve has cma_es alone")
        return None
    sigma = None
    for argument in value.arguments or ():
        number = number_of(argument.value)
        if argument.name is not None and argument.name.text == "sigma" and number is not None:
            sigma = float(number)
        else:
            reader.lose(argument.span, "mergekit-evolve has no such setting of cma_es")
    return sigma
