"""What a run will cost: trials, generations, memory, disk.

In: a recipe and the space of a target. Out: `Estimate`. Memory is the most that is held at once by a
search in which everything stays resident: each parent once and the candidate once, in fp32, 4 bytes a
parameter; activations and caches come on top. Disk is the result in the type of its `write`, and where
that names none as many bytes a parameter as its largest parent has. A route moves no weights: its parents are held once, and its result has as many layers as its longest walk.
What a method has measured of a parent is held as well: for `fisher` a number for each of its own, for
`regmean` a square of each linear layer's inputs; while it is measured, so is the parent itself, and for
`fisher` a gradient.

How long a trial takes is known from a journal, or guessed: 4 ns a parameter to build the candidate and
0.04 ns a parameter and row to answer, about what an accelerator of 2023 does with batches; for a model
of 7.5 billion parameters that is half a minute to build and 0.3 s a row.
"""

import math
from typing import NamedTuple

from merge_dsl.meaning.engines import POPULATIONS
from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.recipe import BlendLine, Recipe, Search
from merge_dsl.meaning.requires import may_be
from merge_dsl.meaning.stages import sources_in
from merge_dsl.space.fill import models_of
from merge_dsl.space.lengths import lengths_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.road import road_of

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
BUILD, ANSWER = 4e-9, 4e-11  # seconds a parameter, and a parameter and row


class Estimate(NamedTuple):
    """None where the recipe, or what is known of its models, does not say."""

    trials: int | None
    generations: int | None
    memory_bytes: int | None
    disk_bytes: int | None


def estimate(recipe: Recipe, target: str, dimensions: int) -> Estimate:
    """The estimate of one merge."""
    search = recipe.search_of(target)
    # What an earlier merge makes is fixed by now: one model, whatever it was made from.
    names = dict.fromkeys(origin.model for origin in sources_in(recipe, target))
    sizes = [_parameters(recipe, name) for name in names]
    known = [size for size in sizes if size is not None]
    result = max(known, default=None) if len(known) == len(sizes) else None
    measured = _measured(recipe, target)
    held = sum(known) + (result or 0)
    if measured is not None:
        kept, most = measured
        held = max(held + kept, (result or 0) + most)
    if target in recipe.routes:
        held = sum(known)
        result = _walked(recipe, target) if result is not None else None
    return Estimate(
        trials=trials_of(search, dimensions) if search else None,
        generations=generations_of(search, dimensions) if search else None,
        memory_bytes=4 * held if result is not None and measured is not None else None,
        disk_bytes=_written(recipe, target, result) if result is not None else None,
    )


def hours_of(search: Search, dimensions: int, seconds_per_trial: float) -> float | None:
    """How long a search takes at this pace; a budget of time ends it. None where nothing does."""
    trials = trials_of(search, dimensions)
    limits = [search.budget.seconds] if search.budget.seconds is not None else []
    if trials is not None:
        limits.append(trials * seconds_per_trial)
    return min(limits) / 3600 if limits else None


def population_of(search: Search, dimensions: int) -> int:
    """Candidates a generation: as written, else what the engine takes: `cma_es` 4 + 3 ln n (Hansen 2016,
    arXiv:1604.00772)."""
    if search.engine.name == "greedy":
        return max(dimensions, 1)  # all alone; then one after the other
    written = search.engine.settings.get("population")
    if isinstance(written, int):
        return written
    if search.engine.name in POPULATIONS:
        return POPULATIONS[search.engine.name]
    return 4 + int(3 * math.log(max(dimensions, 1)))


def trials_of(search: Search, dimensions: int) -> int | None:
    """How many candidates the budget allows; None where only time limits it."""
    limits = [2 * dimensions - 1] if search.engine.name == "greedy" and dimensions else []
    if search.budget.trials is not None:
        limits.append(search.budget.trials)
    if search.budget.generations is not None:
        limits.append(search.budget.generations * population_of(search, dimensions))
    return min(limits, default=None)


def generations_of(search: Search, dimensions: int) -> int | None:
    """How many generations that is; the last one may be cut short."""
    trials = trials_of(search, dimensions)
    if search.engine.name == "greedy" and trials is not None:
        return 1 + max(0, trials - dimensions)
    return None if trials is None else math.ceil(trials / population_of(search, dimensions))


def _parameters(recipe: Recipe, name: str) -> int | None:
    model = recipe.source(name)
    return model.facts.parameters if model is not None and model.facts else None


def _measured(recipe: Recipe, target: str) -> tuple[int, int] | None:
    """Numbers that are kept of what a merge measures, and the most that are held while it does.

    None where the size of a parent is not known.
    """
    merge, wanted = recipe.merges.get(target), set()
    for line in merge.lines if merge is not None else ():
        if isinstance(line, BlendLine):
            known = [METHODS[m.name].reads for m in line.methods if m.name in METHODS]
            wanted |= {(what, take.origin.model) for what in known if what for take in line.takes}
    kept, most = 0, 0
    for what, name in sorted(wanted):
        count = _parameters(recipe, name)
        model = recipe.source(name)
        facts = model.facts if model is not None else None
        told = count if what == "fisher" else facts and _grams(facts)
        if count is None or told is None:
            return None
        kept += told
        most = max(most, kept + count * (2 if what == "fisher" else 1))
    return kept, most


def _grams(facts: Facts) -> int | None:
    """Squares of what enters the seven matrices of each language layer."""
    hidden, inner, layers = facts.hidden, facts.intermediate, facts.layers
    if hidden is None or inner is None or layers is None:
        return None
    return layers * (6 * hidden**2 + inner**2)


def _walked(recipe: Recipe, target: str) -> int | None:
    """The parameters of the longest walk."""
    route = recipe.routes[target]
    try:
        lengths = lengths_of(recipe, route, road_of(recipe, route))
    except SpaceError:
        return None
    if not lengths:
        return None
    allowed = [n for n in lengths if may_be(route.requires, {"layers": n})] or list(lengths)
    return _parameters_of_walk(recipe, target, max(allowed))


def _parameters_of_walk(recipe: Recipe, target: str, layers: int) -> int | None:
    """What the road begins with, and so many layers of it."""
    route = recipe.routes[target]
    if not route.begins:
        return None
    host = recipe.source(route.begins[-1].model)
    facts = host.facts if host is not None else None
    layer = layer_parameters(facts) if facts else None
    if facts is None or layer is None or facts.layers is None:
        return None
    return max((facts.parameters or 0) + (layers - facts.layers) * layer, 0)


def bytes_of_walk(recipe: Recipe, target: str, layers: int) -> int | None:
    """The size of a walk of so many layers, as it is written; None where nobody knows."""
    count = _parameters_of_walk(recipe, target, layers)
    return None if count is None else _written(recipe, target, count)


def _written(recipe: Recipe, target: str, count: int) -> int:
    """The bytes of so many parameters of a result; two each where nothing is known of their type."""
    dtype = next((w.dtype for w in recipe.writes if w.target == target), None)
    if dtype is not None:
        return BYTES.get(dtype, 2) * count
    names = {origin.model for origin in sources_in(recipe, target)}
    models = (model for name in sorted(names) if (model := recipe.source(name)) is not None)
    largest = max(
        (model.facts for model in models if model.facts is not None),
        key=lambda facts: facts.parameters or 0,
        default=None,
    )
    if largest is None or not largest.parameters or largest.weight_bytes is None:
        return 2 * count
    return round(count * (largest.weight_bytes / largest.parameters))


def layer_parameters(facts: Facts) -> int | None:
    """The parameters of one language layer with gated inner part, without norms and biases."""
    hidden, inner, heads, shared = facts.hidden, facts.intermediate, facts.heads, facts.kv_heads
    if hidden is None or inner is None or not heads or shared is None:
        return None
    return 2 * hidden * hidden + 2 * hidden * hidden * shared // heads + 3 * hidden * inner


def seconds_of_trial(recipe: Recipe, target: str, rows: int) -> float | None:
    """A rough guess of one trial on these many rows; None where sizes are not known."""
    sizes = [_parameters(recipe, name) for name in models_of(recipe, target)]
    if not sizes or any(size is None for size in sizes):
        return None
    largest = max(size or 0 for size in sizes)
    return largest * (BUILD + ANSWER * rows)
