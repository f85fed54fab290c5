"""A small search whose every number is known: a bowl with its top at 0.3, and places that fail."""

from pathlib import Path

from merge_dsl.search.cma_es import CmaEs
from merge_dsl.search.engine import Engine, Point
from merge_dsl.search.errors import CandidateFailed
from merge_dsl.search.journal import Header, Journal
from merge_dsl.search.loop import Budget, Outcome, Proposal, Result, run_search
from merge_dsl.search.random import RandomSearch

SIZE = 3
START = (0.5,) * SIZE
HEADER = Header("recipe-digest", 5, ("a.weight", "b.weight", "b.density"), "evaluator-digest")


def decode(point: Point) -> Proposal:
    """Values on a coarse grid, so that some candidates come twice."""
    values = tuple(round(x * 20) / 20 for x in point)
    return Proposal(values, "digest of " + " ".join(map(str, values)))


def evaluate(values: tuple[object, ...]) -> Outcome:
    """Fails where the first value is large; not a number where the last is small."""
    numbers = [float(str(value)) for value in values]
    if numbers[0] > 0.6:
        raise CandidateFailed("the weights sum to zero")
    if numbers[2] < 0.1:
        return Outcome(float("nan"), {})
    samples = tuple(1 - (x - 0.3) ** 2 for x in numbers)
    return Outcome(sum(samples) / SIZE, {"rouge_l on dev": samples})


def engine(name: str = "cma_es", seed: int = 5) -> Engine:
    return CmaEs(START, seed) if name == "cma_es" else RandomSearch(START, seed)


def search(path: Path, trials: int = 24, name: str = "cma_es", **changes: object) -> Result:
    """One command: open the journal, search on to the end. Time stands still."""
    arguments: dict[str, object] = {"evaluate": evaluate, "clock": lambda: 0.0, **changes}
    with Journal(path, HEADER) as journal:
        return run_search(engine(name), decode, journal=journal, budget=Budget(trials), **arguments)  # type: ignore[arg-type]
