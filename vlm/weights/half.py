"""Folders that are half written, beside the place that they will take.

Who writes one holds a lock on it, which the system lets go when the process ends, however it ends: so the
next one tells what a dead process has left from what another is writing, in another container too. Where
there are no such locks, what is left stays.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART, STEPS, OLD = "part", "steps", "old"


@contextmanager
def half_written(place: Path, word: str = PART) -> Iterator[Path]:
    """A new folder on the disk of `place`; what is still there at the end is removed."""
    while True:
        folder = beside(place, word)
        folder.mkdir()
        with locked(folder):
            if not folder.exists():  # swept away before there was a lock
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


def beside(place: Path, word: str) -> Path:
    """A name next to `place` that nobody else has."""
    return place.with_name(f".{place.name}.{word}-{token_hex(4)}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Say of a folder that it is somebody's, whatever it is called meanwhile."""
    lock = None
    with suppress(OSError):
        lock = _lock(folder, wait=True)  # whoever sweeps it away is done then
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def sweep(place: Path) -> None:
    """Remove what dead processes have left on their way to `place`.

    A model that one of them had put aside, and has not replaced, takes its place again.
    """
    for word in (OLD, PART, STEPS):
        for folder in _left(place, word):
            try:
                lock = _lock(folder)
            except OSError:
                continue  # somebody writes it, or nobody can know
            try:
                if word == OLD and not place.exists():
                    folder.rename(place)
                else:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _left(place: Path, word: str) -> list[Path]:
    pattern = re.compile(re.escape(f".{place.name}.{word}-") + r"[a-z0-9_]{1,10}")
    if not place.parent.is_dir():
        return []
    named = [path for path in place.parent.iterdir() if pattern.fullmatch(path.name)]
    return sorted(path for path in named if path.is_dir() and not path.is_symlink())


def _lock(folder: Path, wait: bool = False) -> int:
    """Raises OSError where there are no locks, and, unless it is to wait, where another holds it."""
    if fcntl is None:
        raise OSError("no locks here")
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(opened)
        raise
    return opened
