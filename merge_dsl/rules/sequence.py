"""X and K: what each search is given, by which engine, and in which order the searches run."""

from collections.abc import Iterator

from merge_dsl.meaning.engines import ENGINES, SEVERAL_AIMS
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.recipe import BlendLine, Recipe
from merge_dsl.meaning.stages import made_in, sources_in
from merge_dsl.meaning.values import Expr, draws
from merge_dsl.rules.checked import Checked
from merge_dsl.space.resolve import SpaceError, assignments_of, lets_of
from merge_dsl.space.road import every_hop
from merge_dsl.space.routes import space_of
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import counted


def engines(checked: Checked) -> Iterator[Diagnostic]:
    """X307: a normal distribution has no mean between words that have no order.

    Two of them are a flag, which has: nothing lies beyond either.
    """
    recipe = checked.recipe
    for search in recipe.searches:
        if search.engine.name != "cma_es":
            continue
        chosen = [*_of_merge(recipe, search.target), *_of_route(recipe, search.target)]
        if not chosen:
            continue
        span = search.target_span
        if search.engine.span != search.target_span:  # there is a `by` line
            span = Span(search.engine.span.start, search.engine.span.start + len("cma_es"))
        more = f", and {counted(len(chosen) - 1, 'hole')} more" if len(chosen) > 1 else ""
        message = f"`cma_es` moves numbers; {chosen[0]}{more}"
        yield finding("X307", span, message, "write `by = nsga2`, or `by = random`")


def _of_merge(recipe: Recipe, target: str) -> Iterator[str]:
    for line in recipe.merges[target].lines if target in recipe.merges else ():
        if not isinstance(line, BlendLine):
            continue
        if len(line.methods) > 2:
            yield f"`method` is a choice of {_in_words(len(line.methods))}, which have no order"
        for assignment in assignments_of(line):
            yield from _spoken(recipe, assignment.name, assignment.value)


def _of_route(recipe: Recipe, target: str) -> Iterator[str]:
    route = recipe.routes.get(target)
    if route is None:
        return
    for line in route.settings:
        each = f" in every {line.per.unit.removesuffix('s')}" if line.per else ""
        yield from (f"{said}{each}" for said in _spoken(recipe, line.name, line.value))
    for hop in every_hop(route.hops):
        for name, value in (("x", hop.repeat), ("scale", hop.scale)):
            if value is not None:
                yield from _spoken(recipe, name, value)


def _spoken(recipe: Recipe, name: str, value: Expr) -> Iterator[str]:
    found = draws(value)
    for let in lets_of(recipe, value):
        found += draws(let.value)
    for draw in found:
        words = [option for option in draw.options if isinstance(option, str)]
        if draw.kind == "choice" and len(words) > 2:
            yield f"`{name}` is a choice of {_in_words(len(draw.options))}, which have no order"


def _in_words(number: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(number, str(number))


def holes_left(checked: Checked) -> Iterator[Diagnostic]:
    """X312: something made from a merge whose holes no earlier search has filled."""
    recipe = checked.recipe
    for target in made_in(recipe):
        told: set[str] = set()
        for origin in sources_in(recipe, target.name):
            merge = recipe.merges.get(origin.model)
            if merge is None or origin.model in told:
                continue
            told.add(origin.model)
            own = [s.span.start for s in recipe.searches if s.target == target.name]
            before = min(own, default=target.span.end)
            searches = [s for s in recipe.searches if s.target == merge.name]
            if any(search.span.start < before for search in searches):
                continue
            try:
                size = len(space_of(recipe, merge.name).genes)
            except SpaceError:
                continue
            if size:
                message = f"`{merge.name}` has {counted(size, 'hole')} that no earlier search fills"
                help = f"put `search {merge.name} {{ … }}` before `search {target.name}`"
                if not own:
                    help = f"put `search {merge.name} {{ … }}` before `{target.name}`"
                yield finding("X312", origin.span, message, help)


def directions(checked: Checked) -> Iterator[Diagnostic]:
    """K210: what grows when it gets better must not be made small."""
    for search in checked.recipe.searches:
        for objective in search.objectives:
            for term in objective.terms:
                metric = METRICS.get(term.metric)
                if metric is None or term.factor == 0:
                    continue
                up = objective.maximize == (term.factor > 0)
                if up != metric.higher_is_better:
                    better = "higher" if metric.higher_is_better else "lower"
                    message = f"`{term.metric}` is better when it is {better}"
                    help = "write `maximize`, and `+` before it"
                    if not metric.higher_is_better:
                        help = "write `minimize`, or `-` before it"
                    yield finding("K210", term.span, message, help)


def weights(checked: Checked) -> Iterator[Diagnostic]:
    """K204: a term that counts for nothing, and an objective of such terms alone."""
    for search in checked.recipe.searches:
        for objective in search.objectives:
            idle = [term for term in objective.terms if term.factor == 0]
            if len(idle) == len(objective.terms):
                message = "every candidate scores 0: nothing here has another weight"
                yield finding("K204", objective.span, message, "give a term a weight above 0")
                continue
            for term in idle:
                message = f"`{term.metric}` has the weight 0, so it changes nothing"
                help = "remove it, or give it another weight"
                yield finding("K204", term.span, message, help, severity=Severity.WARNING)


def aims(checked: Checked) -> Iterator[Diagnostic]:
    """K212: an engine that climbs has one number to climb by."""
    for search in checked.recipe.searches:
        name = search.engine.name
        if len(search.objectives) < 2 or name in SEVERAL_AIMS or name not in ENGINES:
            continue
        second = search.objectives[1]
        message = (
            f"`{name}` has one aim, and this search has {counted(len(search.objectives), 'aim')}"
        )
        help = "write `by = nsga2`, or join them: `maximize 0.5 * … + 0.5 * …`"
        yield finding("K212", second.span, message, help)


def picks(checked: Checked) -> Iterator[Diagnostic]:
    """K211: `pick = knee` chooses among several best candidates; with one aim there is one."""
    for search in checked.recipe.searches:
        if search.pick_span is None or search.pick == "best" or len(search.objectives) != 1:
            continue
        message = f"`pick = {search.pick}` chooses among several best candidates; one aim has one"
        help = "remove it, or write each aim on a `maximize` line of its own"
        yield finding("K211", search.pick_span, message, help)
