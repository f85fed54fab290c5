"""Candidates that are weighed by several aims at once: who stands on the front, and who is picked from it.

In: for each candidate one number an aim, higher is better, all finite. Out: places in that list. One
candidate dominates another when no aim says that it is worse and some aim says that it is better; the
front are those that nobody dominates.
"""

import math
from collections.abc import Sequence

Aims = tuple[float, ...]  # of one candidate, in the order of the recipe


def dominates(one: Aims, other: Aims) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better."""
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def front_of(scores: Sequence[Aims]) -> list[int]:
    """The places of those that nobody dominates, in their order; of equals the first alone."""
    first: dict[Aims, int] = {}
    for place, aims in enumerate(scores):
        first.setdefault(aims, place)
    return [
        place for aims, place in first.items() if not any(dominates(other, aims) for other in first)
    ]


def best_of(scores: Sequence[Aims]) -> int:
    """The place that the first aim likes best; where it cannot tell, the next one decides."""
    return max(range(len(scores)), key=lambda place: (scores[place], -place))


def knee_of(scores: Sequence[Aims]) -> int:
    """The place where the front bends: gaining in one aim costs most in the others on either side.

    With every aim scaled so that the front reaches from 0 to 1, it is the point of the front that lies
    farthest above the plane through the best of each aim (Das 1999, "On characterizing the 'knee' of the
    Pareto curve", doi:10.1007/BF01195985); that plane is Σ = 1, so the sum decides. An aim that is the same
    all over the front decides nothing.
    """
    front = front_of(scores)
    columns = list(zip(*(scores[place] for place in front), strict=True))
    lows, highs = [min(column) for column in columns], [max(column) for column in columns]

    def height(place: int) -> float:
        aims = zip(scores[place], lows, highs, strict=True)
        return math.fsum((aim - low) / (high - low) for aim, low, high in aims if high > low)

    return max(front, key=lambda place: (height(place), -place))


PICKS = {"best": best_of, "knee": knee_of}
