"""`awase evolve RECIPE`: search, write the winner, report. The same command continues a stopped run.

In: a recipe. Out, in the run's folder: the journal, `best.merge`, `report.json`, `report.html`; and
the checkpoint where the recipe's `write` says. Of several searches each is run in its turn, on what those
before it have made: the last in the run's folder, each other one in a folder of its own below, called
after what it searches. What is merged without a search and taken later lies there, too. A walk that no
checkpoint can hold is reported from memory, and the command says why and ends with 1.
"""

import argparse
import os
import sys
from pathlib import Path

from merge_dsl.commands.common import Job, instead_of, job_of, open_recipe, target_of, told
from merge_dsl.commands.merge import build, target_folder
from merge_dsl.commands.mistake import DONE, Mistake
from merge_dsl.commands.running import Run, evolved
from merge_dsl.meaning.recipe import Budget as Limits
from merge_dsl.meaning.recipe import Recipe, Search
from merge_dsl.meaning.stages import needed
from merge_dsl.search.loop import Budget
from merge_dsl.space.estimate import trials_of
from merge_dsl.space.routes import space_of
from merge_dsl.space.sequence import after
from merge_dsl.space.space import start
from merge_dsl.text.source import Source

STOPPED = 130  # Ctrl-C, as shells have it


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""

    # Before numpy loads: small linear algebra on many threads is slower by tens on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return told(lambda: _evolve(args))
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last trial", file=sys.stderr)
        return STOPPED


def _evolve(args: argparse.Namespace) -> int:
    source, recipe = open_recipe(args.recipe, args.download, instead_of(args))
    target = target_of(recipe)
    if not recipe.searches:
        raise Mistake(f"nothing says how {target} is searched", f"add `search {target}`")
    _rehearse(source, recipe)
    folder = Path(args.run) if args.run else Path("runs") / recipe.name
    made: dict[str, Path] = {}  # everything that is built, and where it lies
    searched: dict[str, Path] = {}
    count = len(recipe.searches)
    for number in range(count):
        search = recipe.searches[number]  # of the recipe as it is by now: spans have moved
        _build_before(source, recipe, search.target, folder, made, args.quiet)
        last = number == count - 1
        job = job_of(source, recipe, search.target, made)
        run = _run_of(job, search, args, folder if last else folder / search.target, searched)
        values = evolved(run, last and search.target == target)
        made[search.target] = searched[search.target] = run.out
        if not last or search.target != target:
            source, recipe = after(source, job.space, values, run.seed)
    if target not in searched:
        _build_before(source, recipe, target, folder, made, args.quiet)
        job = job_of(source, recipe, target, made)
        _built(job, target_folder(job), args.quiet)
    return DONE


def _rehearse(source: Source, recipe: Recipe) -> None:
    """Go through the searches with the starts of their holes: a step that cannot follow, or has nothing
    left to search, must not be found out when the one before it has run for a night."""
    for number in range(len(recipe.searches)):
        search = recipe.searches[number]
        space = space_of(recipe, search.target)
        if not space.genes:
            why = "" if not number else ": an earlier search draws what it shares with it"
            raise Mistake(
                f"{search.target} has no holes{why}",
                f"remove `search {search.target}`; awase merge builds it as it stands",
            )
        source, recipe = after(source, space, start(space), search.seed or 0)


def _run_of(
    job: Job, search: Search, args: argparse.Namespace, folder: Path, rivals: dict[str, Path]
) -> Run:
    out = target_folder(job) if job.write else folder / "model"
    if folder.resolve().is_relative_to(out.resolve()):
        raise Mistake(f"{out} is the run's own folder, or holds it", "write the model elsewhere")
    limits = search.budget
    trials = trials_of(search, len(job.space.genes)) if limits == Limits() else limits.trials
    budget = Budget(trials, limits.generations, limits.seconds)
    if args.trials is not None:
        budget = Budget(args.trials)
    several = len(job.recipe.searches) > 1
    return Run(
        job=job,
        search=search,
        folder=folder,
        out=out,
        seed=args.seed if args.seed is not None else (search.seed or 0),
        budget=budget,
        quiet=args.quiet,
        device=args.device,
        dtype=args.dtype,
        title=f"{job.recipe.name}, {job.target}" if several else job.recipe.name,
        rivals={name: path for name, path in rivals.items() if name not in job.models},
    )


def _build_before(
    source: Source, recipe: Recipe, target: str, folder: Path, made: dict[str, Path], quiet: bool
) -> None:
    """Make what the target takes from and no search has made."""
    for name in needed(recipe, target):
        if name not in made:
            job = job_of(source, recipe, name, made)
            made[name] = _built(job, folder / name / "model", quiet)


def _built(job: Job, out: Path, quiet: bool) -> Path:
    """Build a step without a search."""
    build(job, out, quiet)
    print(f"checkpoint  {out}")
    return out
