"""Whether a walk is what its recipe requires, and how far it is from it; and what may be required of a
merge.

In: the space of a route, a walk. Out: None, or why it is turned away and its excess: a share of what
is required, summed over the requirements, so that of two walks that are too long the longer has more.
"""

from typing import NamedTuple

from merge_dsl.meaning.recipe import Recipe, Require
from merge_dsl.meaning.requires import amount, holds
from merge_dsl.meaning.values import Const
from merge_dsl.space.candidate import Walk
from merge_dsl.space.estimate import bytes_of_walk, estimate
from merge_dsl.space.layout import counts_of
from merge_dsl.space.routes import RouteSpace
from merge_dsl.text.source import Source


class TurnedAway(NamedTuple):
    """A walk that is not tried."""

    why: str
    excess: float


def requires_of(recipe: Recipe, target: str) -> tuple[Require, ...]:
    """What a target's own lines and those of its search require."""
    search = recipe.search_of(target)
    own = recipe.routes[target] if target in recipe.routes else recipe.merges[target]
    return (*own.requires, *(search.requires if search else ()))


def quantities_of_merge(recipe: Recipe, target: str) -> dict[str, float]:
    """What may be required of a merge: the same for all of its candidates, for they are of one shape."""
    layers = counts_of(recipe, recipe.merges[target]).get("language")
    size = estimate(recipe, target, 0).disk_bytes
    known = {"layers": layers, "memory": size, "disk": size}
    return {name: float(n) for name, n in known.items() if n is not None} | _fixed_lets(recipe)


def _fixed_lets(recipe: Recipe) -> dict[str, float]:
    found = {}
    for name, let in recipe.lets.items():
        if isinstance(let.value, Const) and isinstance(let.value.value, int | float):
            found[name] = float(let.value.value)
    return found


def turned_away(source: Source, space: RouteSpace, walk: Walk) -> TurnedAway | None:
    """Why `walk` does not meet the `require` lines of route and search, None where it does."""
    count = len(walk.hops)
    known = {"layers": float(count)}
    size = bytes_of_walk(space.recipe, space.target, count)
    if size is not None:
        known |= {"memory": size, "disk": size}
    known = _fixed_lets(space.recipe) | known
    requires = requires_of(space.recipe, space.target)
    broken = [require for require in requires if holds(require, known) is False]
    why = [f"`{source.slice(require.span)}`" for require in broken]
    excess = sum(_distance(require, known) for require in broken)
    if count == 0:
        why, excess = ["a walk without layers is no model", *why], excess + 1.0
    elif broken:
        why = [f"{count} layers do not meet {' and '.join(why)}"]
    return TurnedAway("; ".join(why), excess) if why else None


def _distance(require: Require, known: dict[str, float]) -> float:
    left, right = amount(require.left, known), amount(require.right, known)
    if left is None or right is None:
        return 0.0
    # The smallest step counts too: 4 layers do not meet `layers > 4`.
    return abs(left - right) / max(abs(left), abs(right), 1.0) + 1e-6
