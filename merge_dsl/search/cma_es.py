"""CMA-ES: a normal distribution over the unit cube that moves to the better half of its samples.

Hansen and Ostermeier 2001, "Completely Derandomized Self-Adaptation in Evolution Strategies",
doi:10.1162/106365601750190398, by pycma's ask and tell. In: a start and a seed. Out: generations of
points.
"""

import math
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from merge_dsl.search.engine import Point
from merge_dsl.search.errors import SearchError

SIGMA = 1 / 6  # of the unit cube: the start is three standard deviations from either end

Preset = Literal["sakana"]


def default_population(size: int) -> int:
    """λ = 4 + ⌊3 ln n⌋, the number of points in a generation over n genes."""
    return 4 + int(3 * math.log(size))


class CmaEs:
    """pycma on [0, 1]ⁿ, made so that the same seed asks the same points in every process.

    `preset = "sakana"` is the search of Akiba et al. 2024 (arXiv:2403.13187): every gene starts at
    0.5, σ = 1/6, λ = 4 + ⌊3 ln n⌋, and the best trial is the winner. Without it the mean of the
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
    ) -> None:
        """`start`: one coordinate a gene. `sigma`, `population`: None is the default.

        Raises SearchError for no genes, a sigma outside (0, 1], fewer than 3 points a generation,
        or a preset with settings of its own beside it.
        """
        _check(start, sigma, population, preset)
        cma = _import_cma()
        self._mean_at_end = preset is None
        self._asked: list[Any] = []
        self._stopped = ""
        self._strategy = cma.CMAEvolutionStrategy(
            [0.5] * len(start) if preset else list(start),
            sigma or SIGMA,
            {
                "bounds": [0, 1],
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

    def ask(self) -> list[Point]:
        self._asked = self._strategy.ask()
        return [tuple(float(number) for number in point) for point in self._asked]

    def tell(self, points: Sequence[Point], losses: Sequence[float]) -> None:
        # pycma recognises the arrays that it handed out; the points are those, as plain floats.
        self._strategy.tell(self._asked, list(losses))
        self._asked = []
        # `stop` counts flat generations each time it is called, so it is called once a generation.
        self._stopped = ", ".join(self._strategy.stop())

    def stopped(self) -> str:
        return f"the distribution has converged ({self._stopped})" if self._stopped else ""

    def favourite(self) -> Point | None:
        """The distribution's mean, folded into the cube like its samples; None for a preset."""
        if not self._mean_at_end:
            return None
        strategy = self._strategy
        mean = strategy.gp.pheno(strategy.mean, into_bounds=strategy.boundary_handler.repair)
        return tuple(float(number) for number in mean)

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
