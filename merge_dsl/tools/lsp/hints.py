"""How many dimensions a line brings, and how many a search has.

In: a document. Out: labels and the offsets behind which they stand. Only a recipe without errors has
a space.
"""

from collections import Counter
from collections.abc import Iterator

from merge_dsl.meaning.recipe import Recipe
from merge_dsl.rules.checked import assignments, blends
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import space_of
from merge_dsl.text.source import Span
from merge_dsl.text.words import counted
from merge_dsl.tools.lsp.document import Document


def hints_of(document: Document) -> list[tuple[int, str]]:
    """Every hint of a text, by place."""
    recipe = document.recipe
    if recipe is None:
        return []
    spaces = {}
    for target in (*recipe.merges, *recipe.routes):
        try:
            spaces[target] = Counter(slot.hole for slot in space_of(recipe, target).slots)
        except SpaceError:
            continue  # what is not known has no dimensions to show
    found = []
    for span in _lines(recipe):
        # A `let` may serve several merges and routes; each draws it once.
        sizes = [
            sum(n for at, n in holes.items() if span.start <= at < span.end)
            for holes in spaces.values()
        ]
        if any(sizes):
            found.append((span.end, counted(max(sizes), "dimension")))
    for search in recipe.searches:
        if search.target in spaces:
            total = spaces[search.target].total()
            found.append((search.target_span.end, counted(total, "dimension")))
    return sorted(set(found))


def _lines(recipe: Recipe) -> Iterator[Span]:
    """What holes stand in: lines of settings, `let`s, choices of a method, and hops of a road."""
    for let in recipe.lets.values():
        if not let.imported:
            yield let.span
    for _, assignment in assignments(recipe):
        yield assignment.span
    for _, _, line in blends(recipe):
        if len(line.methods) > 1:
            yield line.method_span
    for route in recipe.routes.values():
        yield from (line.span for line in route.settings)
        yield from (hop.span for hop in route.hops)
