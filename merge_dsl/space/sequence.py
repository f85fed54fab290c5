"""Several searches in one recipe: the winner of the first is fixed before the second begins.

In: a recipe, its text, and a target. Out: the recipe as it is when the search of that target begins:
the holes of all that was searched earlier are filled, with the values that are given or with
their starts. So a `let` that two searches share is drawn by the first alone.
"""

from collections.abc import Mapping, Sequence

from merge_dsl.meaning.load import load_source
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.space.candidate import Value
from merge_dsl.space.freeze import freeze
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import AnySpace, space_of
from merge_dsl.space.space import start
from merge_dsl.text.source import Source

NONE: Mapping[str, Sequence[Value]] = {}


def searched_before(recipe: Recipe, target: str) -> tuple[str, ...]:
    """What is searched before a target is, in the order of the searches."""
    own = next((n for n, s in enumerate(recipe.searches) if s.target == target), None)
    before = recipe.searches if own is None else recipe.searches[:own]
    names = dict.fromkeys(search.target for search in before)
    return tuple(name for name in names if name != target)


def frozen(source: Source, space: AnySpace, values: Sequence[Value], seed: int) -> str:
    """The text with the holes of one target filled, a merge's or a route's."""
    return freeze(source, space, values, seed)


def settled(
    source: Source, recipe: Recipe, target: str, winners: Mapping[str, Sequence[Value]] = NONE
) -> tuple[Source, Recipe]:
    """Text and recipe when the search of `target` begins. Raises SpaceError where a winner does not
    fit a later merge: a `let` with one value a group, and other groups there."""
    for name in searched_before(recipe, target):
        try:
            space = space_of(recipe, name)
        except SpaceError:
            continue  # of a method that no version knows yet; its holes stay as they are
        if not space.genes:
            continue
        search = recipe.search_of(name)
        seed = search.seed if search is not None and search.seed is not None else 0
        source, recipe = after(source, space, winners.get(name, start(space)), seed)
    return source, recipe


def after(
    source: Source, space: AnySpace, values: Sequence[Value], seed: int
) -> tuple[Source, Recipe]:
    """Text and recipe when a search is done and these are its winner's values. Raises SpaceError where
    a later step cannot be read with them."""
    loaded = load_source(Source(source.path, frozen(source, space, values, seed)))
    if loaded.recipe is None:
        said = next(d.message for d in loaded.diagnostics if d.severity == "error")
        raise SpaceError(f"nothing can follow `search {space.target}`: {said}")
    return loaded.source, loaded.recipe
