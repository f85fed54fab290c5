"""NSGA-II: a population that breeds towards the front of several aims, and spreads along it.

Deb, Pratap, Agarwal and Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
doi:10.1109/4235.996017. In: a start and a seed. Out: generations of points. With one aim it is an ordinary
genetic algorithm that keeps its best; genes without an order (a choice of methods) are as good to it as
numbers, which they are not to `cma_es`.
"""

import math
import pickle
from collections.abc import Sequence
from typing import Any

from merge_dsl.meaning.engines import POPULATIONS
from merge_dsl.search.engine import Loss, Point
from merge_dsl.search.errors import SearchError

POPULATION = POPULATIONS["nsga2"]
CROSSED = 0.9  # share of pairs whose children mix them
ETA_CROSS, ETA_MUTATE = 15.0, 20.0  # the larger, the nearer children are to their parents
TRIES = 50  # at a child that is not there yet


class Nsga2:
    """The first generation is `start` and uniform points; each later one are children of the best
    `population` of all before, chosen by tournaments of two.

    Numbers are crossed by simulated binary crossover and mutated by polynomial mutation (Deb and Agrawal
    1995); genes that take few values swap them, and mutate to any other.
    """

    def __init__(
        self,
        start: Point,
        seed: int,
        population: int | None = None,
        sizes: Sequence[int | None] = (),
    ) -> None:
        """`start`: one coordinate a gene. `sizes`: how many values a gene takes; None is continuous.

        Raises SearchError for no genes, or fewer than 2 points a generation.
        """
        import numpy  # not at the top: `awase lint` imports this package and needs no numpy

        if not start:
            raise SearchError(
                "the recipe has no holes", "write a range such as `weight = 0.0..1.0`"
            )
        if population is not None and population < 2:
            raise SearchError(
                f"a population of {population} has nobody to breed with",
                f"write {POPULATION} or more, or leave it out",
            )
        self._size = population or POPULATION
        self._sizes: tuple[int | None, ...] = tuple(sizes) or (None,) * len(start)
        self._start = self._snapped(start)
        self._chance: Any = numpy.random.Generator(numpy.random.PCG64(seed))
        self._parents: list[Point] = []
        self._losses: list[tuple[float, ...]] = []
        self._order: list[tuple[int, float]] = []  # rank, and minus the crowding distance

    def ask(self) -> list[Point]:
        if not self._parents:
            drawn = self._chance.random((self._size - 1, len(self._start)))
            return [self._start, *(self._snapped([float(x) for x in row]) for row in drawn)]
        known = set(self._parents)
        children: list[Point] = []
        while len(children) < self._size:
            for child in self._children(known):
                known.add(child)
                children.append(child)
        return children[: self._size]

    def tell(self, points: Sequence[Point], losses: Sequence[Loss]) -> None:
        told = [*self._losses, *(x if isinstance(x, tuple) else (x,) for x in losses)]
        width = max(map(len, told))  # a generation of failures has one number for all aims
        told = [loss if len(loss) == width else loss * width for loss in told]
        points = [*self._parents, *points]
        order = ranked(told)
        kept = sorted(range(len(points)), key=lambda i: (order[i], i))[: self._size]
        self._parents = [points[i] for i in kept]
        self._losses = [told[i] for i in kept]
        self._order = [order[i] for i in kept]

    def stopped(self) -> str:
        return ""

    def favourite(self) -> Point | None:
        return None

    def state(self) -> bytes:
        return pickle.dumps((self._parents, self._losses, self._order, self._chance))

    def restore(self, state: bytes) -> None:
        self._parents, self._losses, self._order, self._chance = pickle.loads(state)

    # ---- breeding ----------------------------------------------------------

    def _children(self, known: set[Point]) -> tuple[Point, Point]:
        """Two children of two parents, if it can be others than are there already."""
        for _ in range(TRIES):
            pair = self._crossed(self._chosen(), self._chosen())
            one, other = self._mutated(pair[0]), self._mutated(pair[1])
            if one != other and one not in known and other not in known:
                break
        return one, other

    def _chosen(self) -> Point:
        """The better of two."""
        pair = [int(i) for i in self._chance.integers(len(self._parents), size=2)]
        return self._parents[min(pair, key=lambda i: (self._order[i], i))]

    def _crossed(self, one: Point, other: Point) -> tuple[list[float], list[float]]:
        left, right = list(one), list(other)
        if self._chance.random() > CROSSED:
            return left, right
        for gene, size in enumerate(self._sizes):
            mixes, u, swaps = (float(x) for x in self._chance.random(3))
            if mixes > 0.5:
                continue
            if size is None:
                left[gene], right[gene] = between(left[gene], right[gene], u)
            if swaps < 0.5:
                left[gene], right[gene] = right[gene], left[gene]
        return left, right

    def _mutated(self, point: list[float]) -> Point:
        """Each gene with a chance of 1 / n, as many values as it may take."""
        for gene, size in enumerate(self._sizes):
            mutates, u = (float(x) for x in self._chance.random(2))
            if mutates * len(point) >= 1.0:
                continue
            if size is None:
                point[gene] = nearby(point[gene], u)
            elif size > 1:
                at = int(point[gene] * size)
                step = 1 + min(int(u * (size - 1)), size - 2)
                point[gene] = ((at + step) % size + 0.5) / size
        return tuple(point)

    def _snapped(self, point: Sequence[float]) -> Point:
        """Genes of few values in the middle of their share."""
        return tuple(
            x if size is None else (min(int(x * size), size - 1) + 0.5) / size
            for x, size in zip(point, self._sizes, strict=True)
        )


def between(one: float, other: float, u: float) -> tuple[float, float]:
    """Simulated binary crossover in [0, 1]: children spread about their parents as those are apart.

    With η = 15 and x₁ < x₂, c₁ = ½ (x₁ + x₂ − β (x₂ − x₁)), c₂ = ½ (x₁ + x₂ + β (x₂ − x₁)); β is drawn by
    `u` such that no child leaves the interval.
    """
    low, high = min(one, other), max(one, other)
    if high - low < 1e-12:
        return one, other

    def beta(room: float) -> float:
        alpha = 2.0 - (1.0 + 2.0 * room / (high - low)) ** -(ETA_CROSS + 1.0)
        drawn = u * alpha if u <= 1.0 / alpha else 1.0 / (2.0 - u * alpha)
        return float(drawn ** (1.0 / (ETA_CROSS + 1.0)))

    first = 0.5 * (low + high - beta(low) * (high - low))
    second = 0.5 * (low + high + beta(1.0 - high) * (high - low))
    return min(max(first, 0.0), 1.0), min(max(second, 0.0), 1.0)


def nearby(x: float, u: float) -> float:
    """Polynomial mutation in [0, 1] with η = 20, drawn by `u`."""
    power = ETA_MUTATE + 1.0
    if u < 0.5:
        moved = x + (2.0 * u + (1.0 - 2.0 * u) * (1.0 - x) ** power) ** (1.0 / power) - 1.0
    else:
        moved = x + 1.0 - (2.0 - 2.0 * u + (2.0 * u - 1.0) * x**power) ** (1.0 / power)
    return float(min(max(moved, 0.0), 1.0))


def ranked(losses: Sequence[tuple[float, ...]]) -> list[tuple[int, float]]:
    """For each its rank (0 is the front, 1 the front without it …) and minus its crowding distance, so
    that the smaller pair is the better; the ends of a front are never crowded."""
    import numpy

    table = numpy.asarray(losses, dtype=float)
    one, other = table[:, None], table[None]
    beats: Any = (one <= other).all(-1) & (one < other).any(-1)  # [i, j]: i dominates j
    dominators, rank = beats.sum(0), numpy.full(len(table), -1)
    level = 0
    while (rank < 0).any():
        front = (rank < 0) & (dominators == 0)
        rank[front] = level
        dominators = dominators - beats[front].sum(0)
        level += 1
    return [
        (int(level), -distance)
        for level, distance in zip(rank, _crowding(table, rank), strict=True)
    ]


def _crowding(table: Any, rank: Any) -> list[float]:
    """How far the neighbours of each in its front are from one another, summed over the aims."""
    import numpy

    distance = numpy.zeros(len(table))
    for level in range(int(rank.max()) + 1):
        members = numpy.flatnonzero(rank == level)
        for aim in table.T:
            order = members[numpy.argsort(aim[members], kind="stable")]
            spread = aim[order[-1]] - aim[order[0]]
            distance[order[[0, -1]]] = math.inf
            if spread > 0:
                distance[order[1:-1]] += (aim[order[2:]] - aim[order[:-2]]) / spread
    return [float(one) for one in distance]
