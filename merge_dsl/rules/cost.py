"""C: what a run costs, whether it ends, and whether it can be repeated."""

from collections.abc import Iterator

from merge_dsl.meaning.recipe import Budget
from merge_dsl.rules.checked import Checked
from merge_dsl.text.diagnostics import Diagnostic, finding


def seeds(checked: Checked) -> Iterator[Diagnostic]:
    """C903: without a seed two runs differ."""
    for search in checked.recipe.searches:
        if search.seed is None:
            yield finding(
                "C903", search.target_span, "no seed: two runs will differ", "add `seed = 1`"
            )


def budgets(checked: Checked) -> Iterator[Diagnostic]:
    """C904: a search that nothing ends. A budget that is written wrongly is K203's."""
    written = [setting.span for setting in checked.recipe.written if setting.name == "budget"]
    for search in checked.recipe.searches:
        inside = any(search.span.start <= span.start < search.span.end for span in written)
        if search.budget == Budget() and not inside:
            message = "no budget: this search would never end"
            help = "add `budget = 200 trials`, or `budget = 8h`"
            yield finding("C904", search.target_span, message, help)
