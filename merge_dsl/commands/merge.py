"""`awase merge RECIPE`: builds a recipe without holes and writes the checkpoint.

In: a recipe, such as the `best.merge` of a run. Out: the checkpoint, where `--out` or the recipe's
`write` says; its bytes are those that the run itself wrote.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merge_dsl.commands.asking import required
from merge_dsl.commands.common import Job, instead_of, marked, open_job, told
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.search.errors import CandidateFailed
from merge_dsl.space.candidate import Candidate, Walk
from merge_dsl.space.fill import fill
from merge_dsl.text.words import counted
from merge_dsl.tools.written import Written

if TYPE_CHECKING:
    from vlm.route.walker import Walker


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    job = partial(open_job, args.recipe, args.download, instead_of(args))
    return told(lambda: _merge(job(), args.out, args.quiet))


def _merge(job: Job, out: str | None, quiet: bool) -> int:
    if job.space.genes:
        raise Mistake(
            f"{job.recipe.name} has {counted(len(job.space.genes), 'hole')} to fill",
            "awase evolve searches for them; awase freeze fills them with their starts",
        )
    search = job.recipe.search_of(job.target)
    seed = search.seed if search is not None and search.seed is not None else 0
    folder = target_folder(job, out)
    candidate = fill(job.space, (), seed)
    try:
        required(job, candidate)
    except CandidateFailed as error:
        raise Mistake(str(error), "write another road, or require less") from error
    write_candidate(job, candidate, job.source.text, folder, quiet=quiet)
    print(f"wrote {folder}")
    return DONE


def write_candidate(
    job: Job,
    candidate: Candidate | Walk,
    recipe: str,
    folder: Path,
    walker: "Walker | None" = None,
    quiet: bool = False,
) -> None:
    """Write one candidate to `folder`; `recipe` is kept inside. `walker` has its parents in memory.

    How far it is goes to stderr, unless `quiet`.
    """
    from vlm.weights.source import open_sources
    from vlm.weights.writer import check_target, write_model

    check_target(folder, job.models.values())
    if folder.exists() and any(folder.iterdir()):
        print(f"replacing {folder}, which awase wrote", file=sys.stderr)
    sources = open_sources(job.models, **marked(job))
    write = job.write
    dtype = write.dtype if write is not None else None
    size = (write.shard if write is not None else None) or SHARD_BYTES
    with Written(folder.name, quiet) as written:
        how: dict[str, Any] = {
            "recipe": recipe, "dtype": dtype, "shard_bytes": size, "tell": written.tell,
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


def target_folder(job: Job, out: str | None) -> Path:
    """Where the checkpoint goes."""
    if out:
        return Path(out)
    if job.write is None:
        raise Mistake(
            f"nothing says where {job.target} is written",
            f'add `write {job.target} to "…"`, or give --out',
            CANNOT,
        )
    return Path(os.path.expanduser(job.write.path))
