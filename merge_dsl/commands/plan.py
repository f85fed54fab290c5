"""`awase plan RECIPE`: what a search of this recipe would be, before it begins.

In: a recipe, and, for the hours, a pace: `--seconds-per-trial`, or `--run`, a run whose journal knows
it. Out: text, or JSON of the keys that are promised, to which a pace adds two more. Of several searches the
last is meant, and so is the pace; those before it stand above it, and in JSON below `before`.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.common import instead_of, loaded_recipe, target_of
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.meaning.recipe import Recipe, Search
from merge_dsl.space.compile import Space
from merge_dsl.space.estimate import Estimate, estimate, hours_of, trials_of
from merge_dsl.space.genes import Gene
from merge_dsl.space.resolve import spoken
from merge_dsl.space.routes import RouteSpace, space_of
from merge_dsl.space.sequence import settled
from merge_dsl.text.source import Source
from merge_dsl.text.words import counted


@dataclass(frozen=True)
class Pace:
    """Seconds a trial, and who says so."""

    seconds: float
    source: str


def run(args: argparse.Namespace) -> int:
    """Print the plan as text or as JSON."""
    loaded, recipe = loaded_recipe(args.recipe, instead_of(args))
    targets = [search.target for search in recipe.searches] or [target_of(recipe)]
    steps = [_step(loaded.source, recipe, target) for target in dict.fromkeys(targets)]
    pace = _pace(args)
    if args.format == "json":
        table = _table(steps[-1], pace)
        if len(steps) > 1:
            table["before"] = [{"target": s.space.target, **_table(s, None)} for s in steps[:-1]]
        print(json.dumps(table, ensure_ascii=False, indent=2))
    else:
        for step in steps[:-1]:
            print(as_text(step.space, step.cost, step.search) + "\n")
        print(as_text(steps[-1].space, steps[-1].cost, steps[-1].search, pace))
    return DONE


@dataclass(frozen=True)
class Step:
    """A search, or what is built without one, and what it costs."""

    space: Space | RouteSpace
    cost: Estimate
    search: Search | None


def _step(source: Source, recipe: Recipe, target: str) -> Step:
    """The plan of one target, with the holes of earlier searches at their starts."""
    _, recipe = settled(source, recipe, target)
    space = space_of(recipe, target)
    return Step(space, estimate(recipe, target, len(space.genes)), recipe.search_of(target))


def _table(step: Step, pace: Pace | None) -> dict[str, object]:
    table = as_json(step.space, step.cost)
    if pace is not None:
        count = len(step.space.genes)
        table["seconds_per_trial"] = pace.seconds
        table["hours"] = hours_of(step.search, count, pace.seconds) if step.search else None
    return table


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
    lines = [f"{space.recipe.name}: {space.target}, {counted(len(space.genes), 'dimension')}"]
    width = max((len(gene.name) for gene in space.genes), default=0)
    lines += [f"  {gene.name:<{width}}  {_reach(gene)}" for gene in space.genes]
    if search is not None:
        trials = "as many trials as the time allows" if cost.trials is None else ""
        if cost.trials is not None:
            trials = counted(cost.trials, "trial")
            trials += f" in {counted(cost.generations or 0, 'generation')}"
        if search.budget.seconds is not None:
            trials += f", at most {_time(search.budget.seconds)}"
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


def _time(seconds: float) -> str:
    """In the largest unit of which there is one."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _size(number: int | None) -> str:
    if number is None:
        return "unknown"
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
