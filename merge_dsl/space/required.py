"""Whether a walk is what its recipe requires, and how far it is from it.

In: the space of a route, a walk. Out: None, or why it is turned away and its excess: a share of what
is required, summed over the requirements, so that of two walks that are too long the longer has more.
"""

from typing import NamedTuple

from merge_dsl.meaning.recipe import Require
from merge_dsl.meaning.requires import amount, holds
from merge_dsl.meaning.values import Const
from merge_dsl.space.candidate import Walk
from merge_dsl.space.estimate import bytes_of_walk
from merge_dsl.space.routes import RouteSpace
from merge_dsl.text.source import Source


class TurnedAway(NamedTuple):
    """A walk that is not tried."""

    why: str
    excess: float


def turned_away(source: Source, space: RouteSpace, walk: Walk) -> TurnedAway | None:
    """Why `walk` does not meet the `require` lines of route and search, None where it does."""
    count = len(walk.hops)
    known = {"layers": float(count)}
    size = bytes_of_walk(space.recipe, space.target, count)
    if size is not None:
        known |= {"memory": size, "disk": size}
    for name, let in space.recipe.lets.items():
        if isinstance(let.value, Const) and isinstance(let.value.value, int | float):
            known.setdefault(name, float(let.value.value))
    search = space.recipe.search_of(space.target)
    requires = (*space.route.requires, *(search.requires if search else ()))
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
