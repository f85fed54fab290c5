"""`search`, `report` and `write` of the tree -> the recipe.

In: a block's tree. Out: `Search`, `Report` and `Write` of `merge_dsl.meaning.recipe`. What is of a wrong
kind is left out here and reported by `merge_dsl/rules/options.py`, which sees the settings as written.
"""

from merge_dsl.meaning import recipe as r
from merge_dsl.meaning.blocks import Scope, arguments_of, require_of
from merge_dsl.meaning.settings import budget_of, number_of, size_of, text_of, whole_of
from merge_dsl.text import tree
from merge_dsl.text.source import Span


def search_of(item: tree.Search, scope: Scope, written: list[r.Written]) -> r.Search:
    """A `search` block."""
    scope.refer("target", item.name.text, item.name.span)
    objectives, requires = [], []
    settings: dict[str, tree.Setting] = {}
    for line in item.lines:
        if isinstance(line, tree.Objective):
            terms = tuple(_term(term, scope) for term in line.terms)
            objectives.append(r.Objective(terms, line.maximize, line.span))
        elif isinstance(line, tree.Require):
            requires.append(require_of(line, scope))
        else:
            settings[line.name.text] = line
            written.append(_written("search", line))
    values = {name: setting.value for name, setting in settings.items()}
    return r.Search(
        target=item.name.text,
        objectives=tuple(objectives),
        engine=_engine(values.get("by"), item.name.span, written),
        budget=budget_of(values.get("budget")) or r.Budget(),
        seed=whole_of(values.get("seed")),
        pick=text_of(values.get("pick")),
        requires=tuple(requires),
        span=item.span,
        target_span=item.name.span,
        pick_span=settings["pick"].span if "pick" in settings else None,
    )


def report_of(item: tree.Report, scope: Scope) -> r.Report:
    """A `report` block."""
    scope.refer("target", item.name.text, item.name.span)
    return r.Report(item.name.text, tuple(_term(term, scope) for term in item.terms), item.span)


def write_of(item: tree.Declaration, scope: Scope, written: list[r.Written]) -> r.Write:
    """A `write` line."""
    scope.refer("target", item.name.text, item.name.span)
    written += [_written("write", setting) for setting in item.settings]
    values = {setting.name.text: setting.value for setting in item.settings}
    return r.Write(
        target=item.name.text,
        path=item.address.value,
        dtype=text_of(values.get("dtype")),
        shard=size_of(values.get("shard")),
        span=item.span,
    )


def _written(owner: str, setting: tree.Setting) -> r.Written:
    return r.Written(owner, setting.name.text, setting.value, setting.name.span, setting.span)


def _engine(node: tree.Value | None, place: Span, written: list[r.Written]) -> r.Engine:
    """`by = cma_es(sigma = 0.17)`. Without a `by` line it is `cma_es`."""
    if not isinstance(node, tree.Call):
        return r.Engine("cma_es", {}, place)
    name = node.path.dotted
    settings: dict[str, float | int | str] = {}
    for key, value, span in arguments_of(node):
        written.append(r.Written(f"engine {name}", key or "", value, span, span))
        plain = number_of(value)
        known = text_of(value) if plain is None else plain
        if key is not None and known is not None:
            settings[key] = known
    return r.Engine(name, settings, node.span)


def _term(term: tree.Term, scope: Scope) -> r.Term:
    scope.refer("data", term.data.dotted, term.data.span)
    arguments = arguments_of(term.metric)
    settings = {
        key: text for key, value, _ in arguments if key and (text := text_of(value)) is not None
    }
    return r.Term(
        factor=term.factor,
        metric=term.metric.path.dotted,
        settings=settings,
        data=term.data.dotted,
        span=term.span,
        metric_span=term.metric.path.span,
        arguments=arguments,
    )
