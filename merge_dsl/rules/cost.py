"""C: what a run costs, and whether it can be repeated."""

from collections.abc import Iterator

from merge_dsl.rules.checked import Checked
from merge_dsl.text.diagnostics import Diagnostic, finding


def seeds(checked: Checked) -> Iterator[Diagnostic]:
    """C903: without a seed two runs differ."""
    for search in checked.recipe.searches:
        if search.seed is None:
            yield finding(
                "C903", search.target_span, "no seed: two runs will differ", "add `seed = 1`"
            )
