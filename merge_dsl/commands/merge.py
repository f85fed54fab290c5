"""`awase merge RECIPE`: builds a recipe without holes and writes the checkpoint.

In: a recipe, such as the `best.merge` of a run. Out: the checkpoint, where `--out` or the recipe's
`write` says; its bytes are those that the run itself wrote.
"""

import argparse
import os
import sys
from pathlib import Path

from merge_dsl.commands.common import Job, marked, open_job, told
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.space.candidate import Candidate
from merge_dsl.space.fill import fill
from merge_dsl.text.words import counted
from merge_dsl.tools.written import Written

LARGEST_SHARD = 5 * 1000**3  # bytes, where the recipe says nothing; as transformers has it


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    return told(lambda: _merge(open_job(args.recipe, args.download), args.out, args.quiet))


def _merge(job: Job, out: str | None, quiet: bool) -> int:
    if job.space.genes:
        raise Mistake(
            f"{job.recipe.name} has {counted(len(job.space.genes), 'hole')} to fill",
            "awase evolve searches for them; awase freeze fills them with their starts",
        )
    search = job.recipe.search_of(job.target)
    seed = search.seed if search is not None and search.seed is not None else 0
    folder = target_folder(job, out)
    write_candidate(job, fill(job.space, (), seed), job.source.text, folder, quiet)
    print(f"wrote {folder}")
    return DONE


def write_candidate(
    job: Job, candidate: Candidate, recipe: str, folder: Path, quiet: bool = False
) -> None:
    """Write one candidate to `folder`; `recipe` is kept inside. How far it is goes to stderr."""
    from vlm.weights.source import open_sources
    from vlm.weights.writer import check_target, write_model

    check_target(folder, job.models.values())
    if folder.exists():
        print(f"replacing {folder}, which awase wrote", file=sys.stderr)
    sources = open_sources(job.models, **marked(job))
    write = job.write
    dtype = write.dtype if write is not None else None
    limit = write.shard if write is not None else None
    with Written(folder.name, quiet) as written:
        write_model(
            candidate,
            sources,
            folder,
            recipe=recipe,
            dtype=dtype,
            shard_bytes=limit or LARGEST_SHARD,
            tell=written.tell,
        )


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
