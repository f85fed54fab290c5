"""CMA-ES: a normal distribution over the unit cube that moves to the better half of its samples.

Hansen and Ostermeier 2001, "Completely Derandomized Self-Adaptation in Evolution Strategies",
doi:10.1162/106365601750190398, by pycma's ask and tell. In: a start and a seed. Out: generations of
points.

Genes that take few values (flags, whole numbers, steps) are pycma's integer variables: samples are
rounded, and the spread of such a coordinate never falls so low that one value is all that is sampled
(Marty et al. 2024, "LB+IC-CMA-ES"). Left to themselves, flags freeze: the mean drifts away from the
threshold and nothing crosses it any more. On a road-like landscape (64 flags, 64 scales that count where
the flag is set, noise of 0.03, 3000 trials, 8 seeds) the worst of eight runs reached 0.82 of 0.90 with
integer variables and 0.02 with thresholds.
"""

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

from merge_dsl.search.engine import Loss, Point
from merge_dsl.search.errors import SearchError

SIGMA = 1 / 6  # of the unit cube: the start is three standard deviations from either end

Preset = Literal["sakana"]


def default_population(size: int) -> int:
    """λ = 4 + ⌊3 ln n⌋, the number of points in a generation over n genes."""
    return 4 + int(3 * math.log(size))


class CmaEs:
    """pycma on [0, 1]ⁿ, made so that the same seed asks the same points in every process.

    `preset = "sakana"` is the search of Akiba et al. 2024 (arXiv:2403.13187): every gene starts at
    0.5, σ = 1/6, λ = 4 + ⌊3 ln n⌋, flags are thresholds, and the best trial is the winner. Without it the mean of the
    final distribution has a trial of its own. The best of many noisy scores is high because it was
    lucky as well as good; the mean averages over all that was learnt, and in simulations with
    larger populations it was 1 to 9 points better on unseen samples than the best trial.
    """

    def __init__(
        self,
        start: Point,
        seed: int,
        sigma: float | None = None,
        population: int | None = None,
        preset: Preset | None = None,
        sizes: Sequence[int | None] = (),
    ) -> None:
        """`start`: one coordinate a gene. `sigma`, `population`: None is the default.

        `sizes`: how many values a gene takes, evenly spread; None, or nothing, is continuous.

        Raises SearchError for no genes, a sigma outside (0, 1], fewer than 3 points a generation,
        or a preset with settings of its own beside it.
        """
        _check(start, sigma, population, preset)
        cma = _import_cma()
        self._mean_at_end = preset is None
        self._asked: list[Any] = []
        self._stopped = ""
        known = [None] * len(start) if preset or not sizes else list(sizes)
        self._sizes: tuple[int | None, ...] = tuple(known)
        whole = [place for place, size in enumerate(known) if size is not None]
        self._strategy = cma.CMAEvolutionStrategy(
            self._inner([0.5] * len(start) if preset else start),
            sigma or SIGMA,
            {
                **self._coordinates(whole),
                "BoundaryHandler": "BoundTransform",
                "popsize": population or default_population(len(start)),
                # pycma would seed and read numpy's global generator; a pickle then holds a copy of
                # it that the rest of pycma does not read, and a resumed search goes astray.
                "randn": _Normal(seed),
                "seed": math.nan,  # "leave the global generator alone"
                "signals_filename": "",  # else pycma reads options from such a file
                "verb_log": 0,  # else files are written there
                "verbose": -9,
                # The budget of the recipe ends a search. Scores of few samples take few values, so
                # that whole generations tie long before the distribution is small.
                "maxiter": math.inf,
                "tolfun": 0,
                "tolfunhist": 0,
                "tolflatfitness": 50,
            },
        )

    def _coordinates(self, whole: list[int]) -> dict[str, Any]:
        """Bounds and first spreads: a gene of k values is the whole numbers from 0 to k - 1."""
        if not whole:
            return {"bounds": [0, 1]}
        low = [0.0 if size is None else -0.5 for size in self._sizes]
        high = [1.0 if size is None else size - 0.5 for size in self._sizes]
        spread = [b - a for a, b in zip(low, high, strict=True)]
        return {"bounds": [low, high], "CMA_stds": spread, "integer_variables": whole}

    def _inner(self, point: Sequence[float]) -> list[float]:
        """A point of the cube, as pycma has it."""
        pairs = zip(point, self._sizes, strict=True)
        return [x if size is None else min(x * size, size - 1e-6) - 0.5 for x, size in pairs]

    def _outer(self, point: Any) -> Point:
        """A point of pycma's in the cube; whole numbers in the middle of their share of it."""
        pairs = zip(point, self._sizes, strict=True)
        return tuple(
            float(y) if size is None else (min(max(round(float(y)), 0), size - 1) + 0.5) / size
            for y, size in pairs
        )

    def ask(self) -> list[Point]:
        with self._own_chance():
            self._asked = self._strategy.ask()
        return [self._outer(point) for point in self._asked]

    def tell(self, points: Sequence[Point], losses: Sequence[Loss]) -> None:
        # pycma recognises the arrays that it handed out; the points are those, as plain floats.
        with self._own_chance():
            self._strategy.tell(self._asked, list(losses))
        self._asked = []
        # `stop` counts flat generations each time it is called, so it is called once a generation.
        self._stopped = ", ".join(self._strategy.stop())

    @contextmanager
    def _own_chance(self) -> Iterator[None]:
        """Integer handling draws from numpy's global generator: here from numbers of our own."""
        if all(size is None for size in self._sizes):
            yield
            return
        import numpy

        before = numpy.random.get_state()
        numpy.random.seed(self._strategy.opts["randn"].whole())
        try:
            yield
        finally:
            numpy.random.set_state(before)

    def stopped(self) -> str:
        return f"the distribution has converged ({self._stopped})" if self._stopped else ""

    def favourite(self) -> Point | None:
        """The distribution's mean, folded into the cube like its samples; None for a preset."""
        if not self._mean_at_end:
            return None
        strategy = self._strategy
        mean = strategy.gp.pheno(strategy.mean, into_bounds=strategy.boundary_handler.repair)
        return self._outer(mean)

    def state(self) -> bytes:
        if self._asked:
            # pycma keeps what it asked under hashes that differ between processes.
            raise RuntimeError("the state of a search is whole only between tell and ask")
        state: bytes = self._strategy.pickle_dumps()
        return state

    def restore(self, state: bytes) -> None:
        import pickle

        self._strategy = pickle.loads(state)
        self._asked, self._stopped = [], ""


class _Normal:
    """Standard normal numbers of any shape, from a generator of its own that can be pickled."""

    def __init__(self, seed: int) -> None:
        import numpy

        self._generator: Any = numpy.random.Generator(numpy.random.PCG64(seed))
        self._seeds: Any = numpy.random.Generator(numpy.random.PCG64([seed, 1]))

    def whole(self) -> int:
        """A seed for whatever draws in another way."""
        return int(self._seeds.integers(2**32))

    def __call__(self, *shape: int) -> Any:
        return self._generator.standard_normal(shape)


def _check(
    start: Point, sigma: float | None, population: int | None, preset: Preset | None
) -> None:
    if not start:
        raise SearchError("the recipe has no holes", "write a range such as `weight = 0.0..1.0`")
    if preset not in (None, "sakana"):
        raise SearchError(f"cma_es has no preset {preset!r}", 'write `preset = "sakana"`')
    if preset and (sigma is not None or population is not None):
        raise SearchError(
            f"the preset {preset!r} fixes sigma and population", "leave out these, or the preset"
        )
    if sigma is not None and not 0 < sigma <= 1:
        raise SearchError(
            f"sigma = {sigma:g} is not a share of a range", "write 0.17, or leave it out"
        )
    if population is not None and population < 3:
        raise SearchError(
            f"a population of {population} cannot be ranked",
            f"write {default_population(len(start))} or more, or leave it out",
        )


@cache
def _import_cma() -> Any:
    """pycma, imported without the plotting and statistics that it tries to import and does without.

    With matplotlib and scipy installed, `import cma` takes 2 to 7 s; without, under half a second.
    """
    blocked = [name for name in ("matplotlib", "scipy") if name not in sys.modules]
    # None makes an import raise ImportError, which pycma expects of both.
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Could not import matplotlib")
            import cma
    finally:
        for name in blocked:
            del sys.modules[name]
    return cma
