"""N199: what is read and checked, but cannot be run by this version.

A note where a recipe is only linted; an error where a command must run it (`not_yet`).
"""

from collections.abc import Iterator

from merge_dsl.meaning import engines
from merge_dsl.meaning.recipe import Merge, OriginRef, Recipe, Route, Search
from merge_dsl.meaning.requires import names_in
from merge_dsl.meaning.values import draws
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import origins_of
from merge_dsl.space.required import requires_of
from merge_dsl.space.road import speaks
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding
from merge_dsl.text.source import Span


def later(checked: Checked) -> Iterator[Diagnostic]:
    """N199 as notes, for `lint`."""
    recipe = checked.recipe
    for target in (*recipe.merges, *recipe.routes):
        for diagnostic in not_yet(recipe, target):
            if diagnostic.code == "N199":
                yield diagnostic._replace(severity=Severity.NOTE)


def not_yet(recipe: Recipe, target: str) -> list[Diagnostic]:
    """Why `target` cannot be run, as errors; empty where it can."""
    found: list[Diagnostic] = []
    if target in recipe.routes:
        found += _route(recipe, recipe.routes[target])
    if target in recipe.merges:
        found += _merge(recipe, recipe.merges[target])
    searches = [search for search in recipe.searches if search.target == target]
    for search in searches:
        found += _search(search)
    for search in searches[1:]:
        found.append(_later(search.target_span, f"a second search of `{target}`"))
    for report in recipe.reports:
        if report.target == target:
            for term in report.terms:
                if term.metric in engines.PLANNED_METRICS:
                    found.append(_later(term.metric_span, f"the metric `{term.metric}`"))
    return list(dict.fromkeys(found))  # a model that is missing is missing on several lines


def _later(span: Span, what: str) -> Diagnostic:
    message = f"{what} is read, but this version cannot run it yet"
    return finding("N199", span, message, severity=Severity.ERROR)


def _merge(recipe: Recipe, merge: Merge) -> Iterator[Diagnostic]:
    for require in requires_of(recipe, merge.name):
        names = {call.path.dotted for call in names_in(require.left) + names_in(require.right)}
        if any(draws(recipe.lets[name].value) for name in names & recipe.lets.keys()):
            yield _later(require.span, "`require` of what a merge draws")
    for line in merge.lines:
        for origin in origins_of(line):
            yield from _origin(recipe, origin)


def _origin(recipe: Recipe, origin: OriginRef) -> Iterator[Diagnostic]:
    """A model of which nothing is known."""
    model = recipe.models.get(origin.model)
    if model is not None and model.facts is None and model.problem is None:
        message = f"nothing is known of `{model.place}`: it is not downloaded"
        help = "give --download, or name a folder with `file:`"
        yield finding("M410", model.address_span, message, help, severity=Severity.ERROR)


def _route(recipe: Recipe, route: Route) -> Iterator[Diagnostic]:
    told: set[str] = set()
    for origin in route.origins:
        if origin.model in told:
            continue
        told.add(origin.model)
        model = recipe.models.get(origin.model)
        if model is not None and model.difference:
            yield _later(origin.span, "a road through a difference")
        elif model is not None and not speaks(recipe, origin.model):
            yield _later(origin.span, "a road through a tower alone")
        else:
            yield from _origin(recipe, origin)


def _search(search: Search) -> Iterator[Diagnostic]:
    for objective in search.objectives:
        for term in objective.terms:
            if term.metric in engines.PLANNED_METRICS:
                yield _later(term.metric_span, f"the metric `{term.metric}`")
