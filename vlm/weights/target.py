"""Where a model is written: what may stand there, and how the new one takes its place.

A folder that is already there is replaced only if awase wrote it, and nobody has put or changed anything
there since.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from vlm.errors import MergeError
from vlm.weights.half import OLD, beside, locked
from vlm.weights.own_files import foreign_in

PROVENANCE = (
    "merge_recipe.merge"  # the recipe that made it; also the sign that awase wrote a folder
)


def check_target(out: Path, parents: Iterable[Path] = ()) -> None:
    """Raise MergeError when `out` holds what awase did not write, or shares a folder with a parent."""
    place = out.resolve()
    for parent in (folder.resolve() for folder in parents):
        if place == parent or place in parent.parents or parent in place.parents:
            raise MergeError(
                f"{out} is, holds or lies in {parent}, from which the recipe takes a model",
                "write elsewhere: a parent is never written over",
            )
    standing = next(folder for folder in (place, *place.parents) if folder.exists())
    if standing != place and not standing.is_dir():
        raise MergeError(f"{standing} is a file, and {out} would lie in it", "write elsewhere")
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not (out / PROVENANCE).exists():
        raise MergeError(f"{out} exists, and awase did not write it", "move it, or write elsewhere")
    _refuse_foreign(out)


def _refuse_foreign(out: Path) -> None:
    """Raise MergeError for the first thing in a folder of ours that would be lost with it."""
    foreign = foreign_in(out) if out.is_dir() else None
    if foreign is not None:
        name, why = foreign
        raise MergeError(
            f"{out} holds {name}, {why}", "move it out of the way, or write the model elsewhere"
        )


def check_room(out: Path, wanted: int) -> None:
    """Raise MergeError where the disk of `out` has no room for so many bytes."""
    standing = next(folder for folder in (out, *out.parents) if folder.exists())
    free = shutil.disk_usage(standing).free
    if wanted > free:
        raise too_full(out, wanted, free)


def too_full(out: Path, wanted: int, free: int) -> MergeError:
    """For a disk that cannot hold the model."""
    return MergeError(
        f"{out} takes {wanted / 1e9:.2f} GB, and its disk has {free / 1e9:.2f} GB left",
        "make room, or write elsewhere with --out",
    )


def move_into_place(part: Path, out: Path) -> None:
    """Rename, so that `out` is the old model or the new one, never half of either.

    Two renames are two moments: whatever comes between them, Ctrl-C too, brings the old one back; after a
    kill the next one does (`sweep`).
    """
    if not out.exists():
        part.rename(out)
        return
    if any(out.iterdir()):
        _refuse_foreign(out)  # writing has taken a while
    old = beside(out, OLD)
    with locked(out):
        try:
            out.rename(old)
            part.rename(out)
        except BaseException:
            if old.exists() and not out.exists():
                old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
