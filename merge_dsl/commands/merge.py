"""`awase merge RECIPE`: builds a recipe without holes and writes the checkpoint.

In: a recipe, such as the `best.merge` of a run. Out: the checkpoint, where `--out` or the recipe's
`write` says; its bytes are those that the run itself wrote.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merge_dsl.commands.asking import measured_on, required, tables
from merge_dsl.commands.common import Job, instead_of, job_of, marked, open_recipe, target_of, told
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.meaning.stages import needed
from merge_dsl.search.errors import CandidateFailed
from merge_dsl.space.candidate import Candidate, Walk
from merge_dsl.space.fill import fill
from merge_dsl.space.relocate import moved
from merge_dsl.space.routes import space_of
from merge_dsl.text.words import counted
from merge_dsl.tools.written import Written

if TYPE_CHECKING:
    from vlm.route.walker import Walker
    from vlm.weights.source import Source


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    return told(lambda: _merge(args))


def _merge(args: argparse.Namespace) -> int:
    source, recipe = open_recipe(args.recipe, args.download, instead_of(args))
    target = target_of(recipe)
    steps = needed(recipe, target)
    folder = _folder_of(recipe, target, args.out)
    for step in (*steps, target):
        _refuse_holes(recipe, step)
    if not steps:
        build(job_of(source, recipe, target), folder, args.quiet)
    else:
        with _beside(folder) as work:
            made: dict[str, Path] = {}
            for step in steps:
                build(job_of(source, recipe, step, made), work / step, args.quiet)
                made[step] = work / step
            build(job_of(source, recipe, target, made), folder, args.quiet)
    print(f"wrote {folder}")
    return DONE


def _refuse_holes(recipe: Recipe, target: str) -> None:
    genes = space_of(recipe, target).genes
    if genes:
        raise Mistake(
            f"{target} has {counted(len(genes), 'hole')} to fill",
            "awase evolve searches for them; awase freeze fills them with their starts",
        )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Room for what is only made to be taken from, on the disk of the result."""
    from vlm.weights.half import STEPS, half_written, sweep

    place = folder.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    sweep(place)
    with half_written(place, STEPS) as work:
        yield work


def build(job: Job, folder: Path, quiet: bool) -> None:
    """Build what has no holes, and write it. Raises Mistake for a walk that the recipe turns away."""
    search = job.recipe.search_of(job.target)
    seed = search.seed if search is not None and search.seed is not None else 0
    candidate = fill(job.space, (), seed)
    try:
        required(job, candidate)
    except CandidateFailed as error:
        raise Mistake(str(error), "write another road, or require less") from error
    write_candidate(job, candidate, job.source.text, job.recipe.folder, folder, quiet=quiet)


def write_candidate(
    job: Job,
    candidate: Candidate | Walk,
    recipe: str,
    home: Path,
    folder: Path,
    walker: "Walker | None" = None,
    quiet: bool = False,
) -> None:
    """Write one candidate to `folder`. `recipe`, whose addresses start from `home`, is kept inside, where it
    means the same. `walker` has its parents in memory.

    How far it is goes to stderr, unless `quiet`.
    """
    from vlm.weights.source import open_sources
    from vlm.weights.writer import check_target, write_model

    check_target(folder, job.models.values())
    if folder.exists() and any(folder.iterdir()):
        print(f"replacing {folder}, which awase wrote", file=sys.stderr)
    sources = open_sources(job.models, **marked(job))
    _measure(job, candidate, sources, quiet)
    write = job.write
    dtype = write.dtype if write is not None else None
    size = (write.shard if write is not None else None) or SHARD_BYTES
    with Written(folder.name, quiet) as written:
        how: dict[str, Any] = {
            "recipe": moved(recipe, home, folder), "shown": recipe, "dtype": dtype, "shard_bytes": size, "tell": written.tell,
        }  # fmt: skip
        if isinstance(candidate, Candidate):
            write_model(candidate, sources, folder, **how)
            return
        from vlm.route.export import write_walk
        from vlm.route.walker import Walker

        walker = walker or Walker(candidate, sources)
        found = write_walk(candidate, walker, sources, folder, **how)
    count = counted(len(candidate.hops), "layer")
    print(f"{count}; reopened, its logits differ by {found.largest:.2g} from the walk's")
    if found.code is not None:
        print(f"it opens with trust_remote_code=True alone: {found.code}")


def _measure(
    job: Job, candidate: Candidate | Walk, sources: "dict[str, Source]", quiet: bool
) -> None:
    """Ask the parents what the candidate's methods want to know of them."""
    if isinstance(candidate, Walk) or not any(METHODS[b.method].reads for b in candidate.blends):
        return
    from vlm.evaluator import read_tables
    from vlm.measure import measure

    def tell(what: str) -> None:
        if not quiet:
            print(what, file=sys.stderr, flush=True)

    measure(candidate, sources, read_tables(tables(job, measured_on(job))), tell)


def target_folder(job: Job) -> Path:
    """Where the recipe has the checkpoint written. Raises Mistake where it does not say."""
    return _folder_of(job.recipe, job.target, None)


def _folder_of(recipe: Recipe, target: str, out: str | None) -> Path:
    if out:
        return Path(out)
    write = next((write for write in recipe.writes if write.target == target), None)
    if write is None:
        raise Mistake(
            f"nothing says where {target} is written",
            f'add `write {target} to "…"`, or give --out',
            CANNOT,
        )
    return Path(os.path.expanduser(write.path))
