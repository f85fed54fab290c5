"""K: DELLA's densities. Deep et al. 2024, arXiv:2406.11617.

DELLA ranks the numbers of a difference and keeps the largest with the share density + epsilon, the
smallest with density - epsilon. Both must be shares: outside (0, 1) it stops, hours into a run.
"""

from collections.abc import Iterator

from merge_dsl.meaning.methods import EPSILON, METHODS
from merge_dsl.meaning.recipe import Assignment, BlendLine
from merge_dsl.rules.checked import Checked, blends
from merge_dsl.rules.numbers import interval
from merge_dsl.space.resolve import assignments_of
from merge_dsl.text.diagnostics import Diagnostic, finding

UNSET = float(EPSILON.default or 0.0)  # epsilon, where the recipe does not say


def densities(checked: Checked) -> Iterator[Diagnostic]:
    """K204 for density ± epsilon."""
    for _, _, line in blends(checked.recipe):
        methods = [method.name for method in line.methods if _spreads(method.name)]
        for density, epsilon in _pairs(line) if methods else ():
            if any(_reads(method, density) for method in methods):
                yield from _outside(checked, density, epsilon)


def _spreads(method: str) -> bool:
    """Whether a method has an `epsilon` that lies around its `density`."""
    known = METHODS.get(method)
    return known is not None and known.settings.get("epsilon") == EPSILON


def _reads(method: str, assignment: Assignment) -> bool:
    return all(method in when.options for when in assignment.when if when.name == "method")


def _pairs(line: BlendLine) -> Iterator[tuple[Assignment, Assignment | None]]:
    """Each line that sets a density, with the epsilon that holds for it."""
    alike = [*line.shared, *(s for each in line.eaches for s in each.settings)]
    for assignment in assignments_of(line):
        if assignment.name != "density":
            continue
        own = next((t.settings for t in line.takes if assignment in t.settings), ())
        fitting = [a for a in (*own, *reversed(alike)) if a.name == "epsilon"]
        yield assignment, fitting[0] if fitting else None


def _outside(
    checked: Checked, density: Assignment, epsilon: Assignment | None
) -> Iterator[Diagnostic]:
    reach = list(interval(checked.recipe, epsilon.value)) if epsilon else []
    widest = max((abs(end) for _, *ends in reach for end in ends), default=UNSET)
    if epsilon is not None and not reach:
        return
    for span, low, high in interval(checked.recipe, density.value):
        said = "" if epsilon else f" (epsilon is {UNSET:g} unless set)"
        if low >= 1 or high <= 0:
            continue  # all is kept, or nothing: epsilon is not read
        if low - widest <= 0:
            message = f"density - epsilon is {low - widest:.3g}{said}, and must be above 0"
            yield finding("K204", span, message, "raise the density or lower epsilon")
        elif high + widest >= 1:
            message = f"density + epsilon is {high + widest:.3g}{said}, and must be below 1"
            yield finding("K204", span, message, "lower the density or epsilon")
