"""`awase plan RECIPE`: what a search of this recipe would be, before it begins.

In: a recipe, and, for the hours, a pace: `--seconds-per-trial`, or `--run`, a run whose journal knows
it. Out: text, or JSON of the keys that are promised, to which a pace adds two more.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.common import instead_of, loaded_recipe, target_of
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.meaning.recipe import Search
from merge_dsl.space.compile import Space
from merge_dsl.space.estimate import Estimate, estimate, hours_of, trials_of
from merge_dsl.space.genes import Gene
from merge_dsl.space.resolve import spoken
from merge_dsl.space.routes import RouteSpace, space_of
from merge_dsl.space.sequence import settled
from merge_dsl.text.words import counted


@dataclass(frozen=True)
class Pace:
    """Seconds a trial, and who says so."""

    seconds: float
    source: str


def run(args: argparse.Namespace) -> int:
    """Print the plan as text or as JSON."""
    loaded, recipe = loaded_recipe(args.recipe, instead_of(args))
    target = target_of(recipe)
    _, recipe = settled(loaded.source, recipe, target)
    space = space_of(recipe, target)
    cost = estimate(recipe, target, len(space.genes))
    search = recipe.search_of(target)
    pace = _pace(args)
    if args.format == "json":
        table = as_json(space, cost)
        if pace is not None:
            table["seconds_per_trial"] = pace.seconds
            table["hours"] = hours_of(search, len(space.genes), pace.seconds) if search else None
        print(json.dumps(table, ensure_ascii=False, indent=2))
    else:
        print(as_text(space, cost, search, pace))
    return DONE


def _pace(args: argparse.Namespace) -> Pace | None:
    if args.seconds_per_trial is not None:
        return Pace(args.seconds_per_trial, "as given")
    if args.run is None:
        return None
    from statistics import median

    from merge_dsl.search.errors import JournalError
    from merge_dsl.search.journal import FILE_NAME, read_journal

    try:
        trials = read_journal(Path(args.run) / FILE_NAME).trials
    except JournalError as error:
        raise Mistake(
            error.what, "name a folder of a run, such as runs/emoji_ja", CANNOT
        ) from error
    # A trial that repeats an earlier candidate costs nothing, and one that failed may have cost less.
    seconds = [t.seconds for t in trials if t.repeats is None and t.score is not None]
    if not any(seconds):
        raise Mistake(f"{args.run} has no trial yet that says how long one takes", code=CANNOT)
    return Pace(median(seconds), f"the median of {counted(len(seconds), 'trial')} in {args.run}")


def as_json(space: Space | RouteSpace, cost: Estimate) -> dict[str, object]:
    """The contract: these keys, whatever the recipe. What is not known is null."""
    return {
        "dimensions": len(space.genes),
        "genes": [
            {"name": g.name, "kind": g.kind, "low": g.low, "high": g.high, "start": g.start}
            for g in space.genes
        ],
        "trials": cost.trials,
        "generations": cost.generations,
        "memory_bytes": cost.memory_bytes,
        "disk_bytes": cost.disk_bytes,
    }


def as_text(
    space: Space | RouteSpace, cost: Estimate, search: Search | None, pace: Pace | None = None
) -> str:
    """The plan for people."""
    lines = [f"{space.recipe.name}: {space.target}, {len(space.genes)} dimensions"]
    width = max((len(gene.name) for gene in space.genes), default=0)
    lines += [f"  {gene.name:<{width}}  {_reach(gene)}" for gene in space.genes]
    if search is not None:
        trials = "as many trials as the time allows" if cost.trials is None else ""
        if cost.trials is not None:
            trials = f"{cost.trials} trials in {cost.generations} generations"
        if search.budget.seconds is not None:
            trials += f", at most {search.budget.seconds / 3600:g} h"
        lines.append(f"by {search.engine.name}: {trials}")
        if pace is not None:
            lines.append(_hours(search, len(space.genes), pace))
    lines.append(f"memory {_size(cost.memory_bytes)}, disk {_size(cost.disk_bytes)}")
    return "\n".join(lines)


def _hours(search: Search, dimensions: int, pace: Pace) -> str:
    at = f"at {pace.seconds:.3g} s a trial ({pace.source})"
    hours = hours_of(search, dimensions, pace.seconds)
    if hours is None:
        return f"hours unknown {at}: nothing ends this search"
    trials = trials_of(search, dimensions)
    fitting = int(hours * 3600 / pace.seconds)
    if trials is None or fitting < trials:
        return f"hours {hours:.3g}, time for {counted(fitting, 'trial')}, {at}"
    return f"hours {hours:.3g}, {at}"


def _reach(gene: Gene) -> str:
    if gene.options:
        return f"{' | '.join(map(spoken, gene.options))}, start {spoken(gene.start)}"
    log = "log " if gene.log else ""
    whole = "int " if gene.kind == "int" else ""
    step = f" step {gene.step:g}" if gene.step else ""
    return f"{log}{whole}{gene.low}..{gene.high}{step}, start {spoken(gene.start)}"


def _size(number: int | None) -> str:
    if number is None:
        return "unknown"
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
