"""Greedy soup: flags are set one after the other, the best by itself first, and kept where nothing is lost.

Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time", arXiv:2203.05482. Each flag is tried alone; then, from the best
down, each beside those that are kept, and it is kept too where the score does not fall. That takes 2n − 1
trials of n flags, and nothing is drawn.
"""

import json
from collections.abc import Iterable, Sequence

from merge_dsl.search.engine import Loss, Point
from merge_dsl.search.errors import SearchError

OFF, ON = 0.25, 0.75  # the middles of the two halves


class Greedy:
    """A search over flags; `start` says how many there are, and `seed` decides nothing."""

    def __init__(self, start: Point, seed: int, sizes: Sequence[int | None] = ()) -> None:
        """`sizes`: how many values a gene takes. Raises SearchError where one is no flag."""
        if not start:
            raise SearchError(
                "the recipe has no holes", "write `weight = flag` for each ingredient"
            )
        if list(sizes) != [2] * len(start):
            raise SearchError(
                "greedy sets flags, and a hole of this recipe has other values",
                "write `weight = flag`, or search by cma_es",
            )
        self._size = len(start)
        self._order: list[int] = []  # from the best by itself down, once each was tried
        self._kept: list[int] = []
        self._tried = 0  # how many of `_order`
        self._loss = 0.0  # of what is kept

    def ask(self) -> list[Point]:
        if not self._order:
            return [self._point([flag]) for flag in range(self._size)]
        return [self._point([*self._kept, self._order[self._tried]])]

    def tell(self, points: Sequence[Point], losses: Sequence[Loss]) -> None:
        known = [loss for loss in losses if isinstance(loss, float)]  # of one aim
        if not self._order:
            self._order = sorted(range(self._size), key=lambda flag: (known[flag], flag))
            self._loss = known[self._order[0]]
        elif known[0] > self._loss:
            self._tried += 1
            return
        else:
            self._loss = known[0]
        self._kept.append(self._order[self._tried])
        self._tried += 1

    def stopped(self) -> str:
        return "every flag was tried" if self._order and self._tried == self._size else ""

    def favourite(self) -> Point | None:
        """What is kept: of soups that score the same, the one that the method ends with."""
        return self._point(self._kept) if self._kept else None

    def state(self) -> bytes:
        return json.dumps([self._size, self._order, self._kept, self._tried, self._loss]).encode()

    def restore(self, state: bytes) -> None:
        self._size, self._order, self._kept, self._tried, self._loss = json.loads(state)

    def _point(self, flags: Iterable[int]) -> Point:
        on = set(flags)
        return tuple(ON if flag in on else OFF for flag in range(self._size))
