"""`awase merge RECIPE`: builds a recipe without holes and writes the checkpoint.

In: a recipe, such as the `best.merge` of a run. Out: the checkpoint, where `--out` or the recipe's
`write` says; its bytes are those that the run itself wrote.
"""

import argparse
from pathlib import Path

from merge_dsl.commands.common import CANNOT, DONE
from merge_dsl.commands.shared import Job, Mistake, open_job, told
from merge_dsl.space.candidate import Candidate
from merge_dsl.space.fill import fill


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    return told(lambda: _merge(open_job(args.recipe), args.out))


def _merge(job: Job, out: str | None) -> int:
    if job.space.genes:
        holes = len(job.space.genes)
        raise Mistake(
            f"{job.recipe.name} has {holes} hole{'s' * (holes > 1)} to fill",
            "awase evolve searches for them; awase freeze fills them with their starts",
        )
    search = job.recipe.search_of(job.target)
    seed = search.seed if search is not None and search.seed is not None else 0
    folder = write_candidate(job, fill(job.space, (), seed), job.source.text, out)
    print(f"wrote {folder}")
    return DONE


def write_candidate(job: Job, candidate: Candidate, recipe: str, out: str | None) -> Path:
    """Write one candidate where `out`, or the recipe, says; `recipe` is kept inside. The folder."""
    from vlm.weights.source import open_source
    from vlm.weights.writer import write_model

    sources = {name: open_source(name, folder) for name, folder in job.models.items()}
    folder = target_folder(job, out)
    write = job.write
    dtype = write.dtype if write is not None else None
    limit = write.shard if write is not None else None
    write_model(
        candidate,
        sources,
        folder,
        recipe=recipe,
        dtype=dtype,
        **({"shard_bytes": limit} if limit else {}),
    )
    return folder


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
    return Path(job.write.path)
