"""X: ranges that cannot be drawn from, and spaces that cannot be searched."""

import math
import re
from collections.abc import Iterator, Sequence

from merge_dsl.meaning.recipe import Assignment, BlendLine, Let, Search
from merge_dsl.meaning.values import Draw, Series
from merge_dsl.rules.checked import Checked, all_draws
from merge_dsl.space.estimate import trials_of
from merge_dsl.space.genes import Gene, even_size
from merge_dsl.space.resolve import SpaceError, assignments_of
from merge_dsl.space.routes import space_of
from merge_dsl.text.diagnostics import Diagnostic, Fix, Severity, finding
from merge_dsl.text.words import counted

GROUPED = re.compile(r"\[(?!point )")  # in the name of a gene: one of several draws of a line


def ranges(checked: Checked) -> Iterator[Diagnostic]:
    """X301 to X304, X311: each hole by itself."""
    for draw in all_draws(checked.recipe):
        if not draw.options:
            yield from _range(checked, draw)


def _range(checked: Checked, draw: Draw) -> Iterator[Diagnostic]:
    written = checked.source.slice(draw.bounds)
    low, high = draw.low, draw.high
    left, _, right = (end.strip() for end in written.partition(".."))
    if not (math.isfinite(low) and math.isfinite(high)):
        yield finding("K204", draw.bounds, "an end of this range is too large")
        return
    if draw.bare:
        message = f"`{written}`: whole numbers, or everything between them?"
        help = f"write `int {left}..{right}` or `{left}.0..{right}.0`"
        fix = Fix(draw.bounds, f"{left}.0..{right}.0", safe=False)
        yield finding("X303", draw.bounds, message, help, fix)
        return
    if low > high:
        fix = Fix(draw.bounds, f"{right}..{left}")
        message = "this range runs backwards"
        yield finding("X301", draw.bounds, message, f"write {right}..{left}", fix)
        return
    if low == high:
        message = "both ends are the same, so nothing varies"
        fix = Fix(draw.span, left)
        yield finding("X301", draw.bounds, message, f"write {left} alone", fix)
        return
    if draw.kind == "int" and not (low.is_integer() and high.is_integer()):
        yield finding("K205", draw.bounds, "an `int` range has whole ends")
    if draw.start is not None and not low <= draw.start <= high:
        message = f"start {draw.start:g} lies outside {written}"
        yield finding("X302", draw.span, message)
    if draw.log and low <= 0:
        message = "a log range cannot touch zero"
        yield finding("X304", draw.bounds, message, "start it above zero, such as 0.001")
    yield from _step(draw)


def _step(draw: Draw) -> Iterator[Diagnostic]:
    if draw.step is None:
        return
    if draw.log:
        yield finding("X311", draw.span, "a log range has no equal steps", "remove `step` or `log`")
    elif not 0 < draw.step <= draw.high - draw.low:
        message = f"a step of {draw.step:g} does not fit between the ends"
        yield finding("X311", draw.span, message)
    elif draw.kind == "int" and not draw.step.is_integer():
        yield finding("X311", draw.span, "steps of an `int` range are whole")


def lists(checked: Checked) -> Iterator[Diagnostic]:
    """K208: a list has one value for each group."""
    recipe = checked.recipe
    for merge in recipe.merges.values():
        frame = checked.frame(merge)
        if not frame.layout.counts:
            continue
        lines: list[Assignment | Let] = [*recipe.lets.values()]
        for blend in merge.lines:
            lines += assignments_of(blend) if isinstance(blend, BlendLine) else ()
        for line in lines:
            grouping = frame.groupings.get(line.span.start)
            if not isinstance(line.value, Series) or line.per is None or grouping is None:
                continue
            groups = len(grouping.groups)
            if groups and len(line.value.items) != groups:
                values = counted(len(line.value.items), "value")
                away = isinstance(line, Let) and line.imported
                what, span = ("this list", line.value.span)
                if away:
                    what, span = f"the list of `{line.name}`", line.name_span
                message = f"{what} has {values} for {counted(groups, 'group')}"
                yield finding("K208", span, message)


def _is_filled(checked: Checked) -> bool:
    """Whether no merge and no route has a hole, as far as that is known."""
    recipe = checked.recipe
    try:
        frames = {name: checked.frame(merge) for name, merge in recipe.merges.items()}
        made = (*recipe.merges, *recipe.routes)
        return not any(space_of(recipe, name, frames.get(name)).genes for name in made)
    except SpaceError:
        return False  # nobody knows how many layers there are


def searches(checked: Checked) -> Iterator[Diagnostic]:
    """X305, X306: something varies, and the budget suffices for it."""
    for search in checked.recipe.searches:
        if search.target not in (*checked.recipe.merges, *checked.recipe.routes):
            continue
        try:
            merge = checked.recipe.merges.get(search.target)
            frame = checked.frame(merge) if merge is not None else None
            space = space_of(checked.recipe, search.target, frame)
        except SpaceError:
            continue  # nobody knows how many layers there are
        size = len(space.genes)
        if size == 0:
            message = f"`search {search.target}`, but nothing in `{search.target}` varies"
            help = "write a range, such as `weight = 0.0..1.0`"
            filled = _is_filled(checked)
            if filled:  # a winner keeps the search that found it, for that is where it comes from
                message = f"nothing in this recipe varies, so `search {search.target}` is over"
                help = "a frozen recipe is so; else write a range, such as `weight = 0.0..1.0`"
            severity = Severity.NOTE if filled else None
            yield finding("X305", search.target_span, message, help, severity=severity)
            continue
        trials = trials_of(search, size)
        if search.engine.name == "greedy":
            yield from _greedy(search, space.genes, trials)
            continue
        if trials is not None and trials < 3 * size:
            message = f"{size} dimensions and {trials} trials: fewer than three trials for each"
            grouped = merge is not None and any(GROUPED.search(g.name) for g in space.genes)
            fewer = "widen the groups (`per 8 layers`)" if grouped else "let fewer values vary"
            help = f"raise the budget, or {fewer}"
            yield finding("X306", search.target_span, message, help)


def _greedy(search: Search, genes: Sequence[Gene], trials: int | None) -> Iterator[Diagnostic]:
    """X313, X306: a greedy soup is of flags, and looks at each of them once or twice."""
    others = [gene.name for gene in genes if even_size(gene) != 2]
    if others:
        more = f" and {counted(len(others) - 1, 'hole')} more" if len(others) > 1 else ""
        verb = "are" if more else "is"
        message = f"`greedy` sets flags; {others[0]}{more} {verb} none"
        help = "write `weight = flag` for each ingredient, or search by `cma_es`"
        yield finding("X313", search.engine.span, message, help)
    elif trials is not None and trials < 2 * len(genes) - 1:
        message = f"{len(genes)} flags and {trials} trials: `greedy` takes {2 * len(genes) - 1}"
        yield finding("X306", search.target_span, message, "raise the budget, or leave it out")
