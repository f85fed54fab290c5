"""D: what a search may look at and what a report may score are different rows."""

from collections.abc import Iterator

from merge_dsl.meaning.recipe import Data
from merge_dsl.meaning.stages import sources_in
from merge_dsl.rules.checked import Checked
from merge_dsl.space.measured import measured
from merge_dsl.text.diagnostics import Diagnostic, finding


def disjoint(checked: Checked) -> Iterator[Diagnostic]:
    """D701: a row that is reported must not be searched on, nor any parent measured on it."""
    recipe = checked.recipe
    reported = {term.data for report in recipe.reports for term in report.terms}
    terms = [t for s in recipe.searches for o in s.objectives for t in o.terms]
    looks = [(term.data, term.span, "the search") for term in terms]
    looks += [(m.data, m.span, f"`{m.merge}`") for m in measured(recipe)]
    for name, span, who in looks:
        data = recipe.data.get(name)
        others = [recipe.data[name] for name in sorted(reported) if name in recipe.data]
        clash = next((other for other in others if data and _overlap(data, other)), None)
        if data is None or clash is None:
            continue
        what = f"`{clash.name}` is reported"
        if data.name != clash.name:
            what = f"`{data.name}` shares rows with `{clash.name}`, which is reported"
        message = f"{what}; {who} may not look at it"
        help = f"give {who} other rows or another split"
        yield finding("D701", span, message, help)


def _overlap(one: Data, other: Data) -> bool:
    """Whether two data blocks may share a row. What is left out means everything."""
    if one.name == other.name:
        return True
    if (one.place.scheme, one.place.address) != (other.place.scheme, other.place.address):
        return False
    for left, right in ((one.split, other.split), (one.subset, other.subset)):
        if left is not None and right is not None and left != right:
            return False
    if one.split != other.split or one.rows is None or other.rows is None:
        return True  # rows are counted within a split
    return any(a <= d and c <= b for a, b in one.rows for c, d in other.rows)


def reported(checked: Checked) -> Iterator[Diagnostic]:
    """D706: without a report the only score is the one that was fitted."""
    targets = {report.target for report in checked.recipe.reports}
    made = (*checked.recipe.merges, *checked.recipe.routes)
    for search in checked.recipe.searches:
        if search.target not in made:
            continue  # N101 says so
        later = any(
            origin.model == search.target
            for target in made
            for origin in sources_in(checked.recipe, target)
        )
        if search.target not in targets and not later:
            message = "`search` without `report`: the score will be the one that was fitted"
            help = f"add `report {search.target} {{ … }}` on rows that the search does not see"
            yield finding("D706", search.target_span, message, help)


def subsets(checked: Checked) -> Iterator[Diagnostic]:
    """D707: a subset is of a data set on the hub; elsewhere it would be read as all of it."""
    for data in checked.recipe.data.values():
        if data.subset is None or data.imported or data.place.scheme not in ("file", "zoo"):
            continue
        for setting in checked.recipe.written:
            inside = data.span.start <= setting.span.start < data.span.end
            if inside and (setting.owner, setting.name) == ("data", "subset"):
                message = f"`{data.place.scheme}:` data have no subsets"
                help = "name another file, or choose rows with `split` or `rows`"
                yield finding("D707", setting.span, message, help)
