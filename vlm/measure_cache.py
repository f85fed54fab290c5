"""What was measured of parents, kept in the user's cache folder for the next process.

In: numbers by role. Out: the same, read where they lie, under a hash of the parent's files, the questions
and the libraries. A cache that cannot be used is no error.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
import transformers

from vlm.anatomy.body import Role
from vlm.errors import ModelError
from vlm.tasks.questions import Question
from vlm.weights.checkpoint import open_files
from vlm.weights.raw import Raw
from vlm.weights.source import Source
from vlm.weights.stream import Planned, write_file

FORMAT = 1  # one more wherever a number comes out otherwise
SMALL = 1 << 26  # bytes: of a larger file its first MiB, its size and its time are looked at


def file_of(
    source: Source, what: str, questions: Sequence[Question], roles: Iterable[Role]
) -> Path | None:
    """Where this measurement is kept; None where nothing can be."""
    try:
        told = [
            FORMAT, what, torch.__version__, transformers.__version__, list(_prints(source.folder)),
            [(q.id, q.picture, q.sight, q.question, q.references) for q in questions],
            [(role.unit, role.tail) for role in roles],
        ]  # fmt: skip
        text = json.dumps(told, ensure_ascii=False)
        digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        home = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(home) if home else Path.home() / ".cache") / "awase" / "measured"
        return folder / f"{digest}.safetensors"
    except (OSError, RuntimeError):
        return None


def _prints(folder: Path) -> Iterator[tuple[str, ...]]:
    """Every file of a parent: its content, or of a large one what tells two apart on one machine."""
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        stat = file.stat()
        with file.open("rb") as stream:
            start = stream.read() if stat.st_size <= SMALL else stream.read(1 << 20)
        large = [str(file.resolve()), str(stat.st_mtime_ns)] if stat.st_size > SMALL else []
        digest = hashlib.blake2b(start, digest_size=12).hexdigest()
        yield (file.name, str(stat.st_size), digest, *large)


def kept(file: Path | None, roles: Iterable[Role]) -> dict[Role, Raw] | None:
    """What a file of this user's holds, read where it lies."""
    if file is None:
        return None
    try:
        if hasattr(os, "getuid") and file.stat().st_uid != os.getuid():
            return None
        opened = open_files(file.parent, [file])
        return {r: opened.raw(_spelt(r)) for r in roles if _spelt(r) in opened.entries}
    except (OSError, ModelError):
        return None


def keep(file: Path | None, found: Mapping[Role, Raw]) -> None:
    """Write it for the next process, which sees all of it or nothing."""
    if file is None:
        return
    beside = file.with_suffix(f".{os.getpid()}")
    spelt = {_spelt(role): raw for role, raw in found.items()}
    planned = {name: Planned(raw.dtype, raw.shape) for name, raw in spelt.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(beside, planned, lambda name: [spelt[name].numbers], lambda count: None)
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()


def _spelt(role: Role) -> str:
    return f"{role.unit}/{role.tail}"
