"""Random search: uniform points of the unit cube. What any other engine must beat.

Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization",
https://jmlr.org/papers/v13/bergstra12a.html.
"""

import pickle
from collections.abc import Sequence
from typing import Any

from merge_dsl.meaning.engines import POPULATIONS
from merge_dsl.search.engine import Loss, Point

# Points asked at a time; it decides nothing but when progress is shown.
GENERATION = POPULATIONS["random"]


class RandomSearch:
    """The first point is `start`, so that the recipe's own guess is always among the trials."""

    def __init__(self, start: Point, seed: int, sizes: Sequence[int | None] = ()) -> None:
        import numpy  # not at the top: `awase lint` imports this package and needs no numpy

        self._start = start
        self._asked = 0
        self._generator: Any = numpy.random.Generator(numpy.random.PCG64(seed))

    def ask(self) -> list[Point]:
        drawn = self._generator.random((GENERATION, len(self._start)))
        points = [tuple(float(number) for number in row) for row in drawn]
        if self._asked == 0:
            points[0] = self._start
        self._asked += len(points)
        return points

    def tell(self, points: Sequence[Point], losses: Sequence[Loss]) -> None:
        """Nothing is learnt."""

    def stopped(self) -> str:
        return ""

    def favourite(self) -> Point | None:
        return None

    def state(self) -> bytes:
        return pickle.dumps((self._asked, self._generator))

    def restore(self, state: bytes) -> None:
        self._asked, self._generator = pickle.loads(state)
