"""What a run will cost: trials, generations, memory, disk.

In: a recipe and the space of a target. Out: `Estimate`. Memory is the most that is held at once by a
search in which everything stays resident: each parent once and the candidate once, in fp32, 4 bytes a
parameter; activations and caches come on top. Disk is the result in the type of its `write`.
"""

import math
from dataclasses import dataclass

from merge_dsl.meaning.recipe import Recipe, Search
from merge_dsl.space.fill import models_of

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}


@dataclass(frozen=True)
class Estimate:
    """None where the recipe, or what is known of its models, does not say."""

    trials: int | None
    generations: int | None
    memory_bytes: int | None
    disk_bytes: int | None


def estimate(recipe: Recipe, target: str, dimensions: int) -> Estimate:
    """The estimate of one merge."""
    search = recipe.search_of(target)
    sizes = [_parameters(recipe, name) for name in models_of(recipe, target)]
    known = [size for size in sizes if size is not None]
    result = max(known, default=None) if len(known) == len(sizes) else None
    dtype = next((w.dtype for w in recipe.writes if w.target == target), None) or "bf16"
    return Estimate(
        trials=trials_of(search, dimensions) if search else None,
        generations=generations_of(search, dimensions) if search else None,
        memory_bytes=4 * (sum(known) + result) if result is not None else None,
        disk_bytes=BYTES.get(dtype, 2) * result if result is not None else None,
    )


def hours_of(search: Search, dimensions: int, seconds_per_trial: float) -> float | None:
    """How long a search takes at this pace; a budget of time ends it. None where nothing does."""
    trials = trials_of(search, dimensions)
    limits = [search.budget.seconds] if search.budget.seconds is not None else []
    if trials is not None:
        limits.append(trials * seconds_per_trial)
    return min(limits) / 3600 if limits else None


def population_of(search: Search, dimensions: int) -> int:
    """Candidates a generation: as written, else 4 + 3 ln n (Hansen 2016, arXiv:1604.00772)."""
    written = search.engine.settings.get("population")
    if isinstance(written, int):
        return written
    return 4 + int(3 * math.log(max(dimensions, 1)))


def trials_of(search: Search, dimensions: int) -> int | None:
    """How many candidates the budget allows; None where only time limits it."""
    limits = []
    if search.budget.trials is not None:
        limits.append(search.budget.trials)
    if search.budget.generations is not None:
        limits.append(search.budget.generations * population_of(search, dimensions))
    return min(limits, default=None)


def generations_of(search: Search, dimensions: int) -> int | None:
    """How many generations that is; the last one may be cut short."""
    trials = trials_of(search, dimensions)
    return None if trials is None else math.ceil(trials / population_of(search, dimensions))


def _parameters(recipe: Recipe, name: str) -> int | None:
    facts = recipe.models[name].facts
    return facts.parameters if facts else None
