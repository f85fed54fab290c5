"""The journal: what a run has done so far, one line a record, never rewritten.

A line is JSON and can be read by anything: `{"crc32":"89abcdef","record":{…}}`, the checksum over
the text of the record. The first record is the header, then come trials in their order, and at the
end of a finished run the end. A record is on the disk (fsync) before the search goes on, and a
line that was torn by a kill or a full disk is cut off when the journal is next opened: what is in
the journal has happened, what is not has not.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, final

from merge_dsl.search.engine import Point
from merge_dsl.search.errors import JournalError
from merge_dsl.space.candidate import Value

FILE_NAME = "journal.jsonl"

_PREFIX = b'{"crc32":"%08x","record":'


@dataclass(frozen=True)
class Header:
    """What a run is: two runs with equal headers would do the same."""

    recipe: str  # digest
    seed: int
    genes: tuple[str, ...]
    evaluator: str  # fingerprint of models, data and libraries
    format: int = 1


@dataclass(frozen=True)
class Trial:
    """One candidate scored once."""

    number: int  # from 0, without gaps
    generation: int
    point: Point
    values: tuple[Value, ...]  # of the genes, in the header's order
    digest: str  # of the candidate
    score: float | None  # to be maximised: of several aims the first; None for a failed candidate
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # by term of the search
    seconds: float = 0.0
    role: Literal["search", "mean"] = "search"  # "mean": the engine's favourite, tried at the end
    repeats: int | None = None  # the number of an earlier trial of the same candidate: its score
    failure: str = ""
    excess: float | None = None  # how far it is from what is required; None for any other failure
    aims: tuple[float, ...] = ()  # a score for each aim, where a search has several


@dataclass(frozen=True)
class End:
    """A finished run: why it ended, and the number of the best trial."""

    reason: str
    winner: int


Record = Header | Trial | End


@dataclass(frozen=True)
class Contents:
    """What a journal holds; `size` counts the bytes of its good lines."""

    header: Header | None = None
    trials: tuple[Trial, ...] = ()
    end: End | None = None
    size: int = 0


def read_journal(path: Path) -> Contents:
    """The good lines of a journal that may still be written. Raises JournalError for none."""
    try:
        contents = _parse(path.read_bytes())
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}", "check --run") from error
    if contents.header is None:
        raise JournalError(f"{path} is no journal", "check --run")
    return contents


@final
class Journal:
    """An open journal: this process is its only writer until it is closed.

    `trials` and `end` are what it held when it was opened; `torn` is how many bytes were cut off.
    """

    def __init__(self, path: Path, header: Header) -> None:
        """Open or begin the journal of a run.

        Raises JournalError where another process has it open, where it is the journal of another
        run, or where the folder cannot be written.
        """
        self.path = path
        self.header = header
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened: {error.strerror}", "choose another folder with --run"
            ) from error
        try:
            self._lock()
            self._open()
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        """The lock is the kernel's and goes with the process: a killed one leaves none behind."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(
                f"another awase is running in {self.path.parent}",
                "wait for it, stop it, or choose another folder with --run",
            ) from error

    def _open(self) -> None:
        data = self.path.read_bytes()
        contents = _parse(data)
        self.trials, self.end = contents.trials, contents.end
        self.torn = len(data) - contents.size
        self._size = contents.size
        if data and contents.header is None and not _is_torn_header(data):
            raise JournalError(f"{self.path} is no journal", "choose another folder with --run")
        if contents.header is not None:
            _check_same_run(self.path, contents.header, self.header)
        if self.torn:
            # A kill tears one line. More is damage by other means, and somebody may want to see it.
            if b"\n" in data[contents.size : -1]:
                self.path.with_suffix(".cut").write_bytes(data[contents.size :])
            os.ftruncate(self._file, contents.size)
            os.fsync(self._file)
        if contents.header is None:
            self.append(self.header)
            _sync_folder(self.path.parent)

    def append(self, record: Record) -> None:
        """Write one record and wait until the disk has it.

        Raises JournalError where the disk does not take it; the journal then ends before it.
        """
        line = _line(record)
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], self._size + written)
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise JournalError(
                f"{self.path} cannot be written: {error.strerror}",
                "make room and give the same command again: it goes on from the last trial",
            ) from error
        self._size += len(line)

    def close(self) -> None:
        """Give the journal up to another writer."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_KINDS: dict[str, type[Header] | type[Trial] | type[End]] = {
    "run": Header,
    "trial": Trial,
    "end": End,
}


def _line(record: Record) -> bytes:
    (kind,) = (kind for kind, made in _KINDS.items() if isinstance(record, made))
    text = json.dumps(
        {"kind": kind, **asdict(record)},
        ensure_ascii=False,
        allow_nan=False,  # NaN is no JSON; a failed trial has no score at all
        separators=(",", ":"),
    ).encode()
    return _PREFIX % zlib.crc32(text) + text + b"}\n"


def _parse(data: bytes) -> Contents:
    """The records up to the first line that is torn, changed or out of its place."""
    header: Header | None = None
    trials: list[Trial] = []
    end: End | None = None
    size = 0
    for line in data.splitlines(keepends=True):
        record = _record(line)
        match record:
            case Header() if header is None:
                header = record
            case Trial() if header and end is None and record.number == len(trials):
                trials.append(record)
            case End() if header and end is None:
                end = record
            case _:
                break
        size += len(line)
    return Contents(header, tuple(trials), end, size)


def _record(line: bytes) -> Record | None:
    """The record of a line, or None for a line that is not whole."""
    start = len(_PREFIX % 0)
    text = line[start:-2]
    if line[-2:] != b"}\n" or line[:start] != _PREFIX % zlib.crc32(text):
        return None
    table: dict[str, Any] = json.loads(text)
    made: Any = _KINDS.get(table.pop("kind"))
    if made is Trial:
        table["samples"] = {name: tuple(values) for name, values in table["samples"].items()}
    try:
        record: Record = made(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
        )
    except TypeError as error:  # whole, yet of a shape that this version does not know
        raise JournalError(
            "the journal was written by another version of awase", "use the version that began it"
        ) from error
    return record


def _is_torn_header(data: bytes) -> bool:
    """Whether these bytes begin as a journal's first line does: killed before it was whole."""
    start = _PREFIX % 0
    known = start[: start.index(b'"crc32":"') + len(b'"crc32":"')]
    return b"\n" not in data and data[: len(known)] == known[: len(data)]


def _check_same_run(path: Path, written: Header, wanted: Header) -> None:
    """Raises JournalError that names what differs."""
    names = {
        "recipe": "recipe",
        "seed": "seed",
        "genes": "genes",
        "evaluator": "models, data, device or dtype",
    }
    differing = [
        say for name, say in names.items() if getattr(written, name) != getattr(wanted, name)
    ]
    if differing or written.format != wanted.format:
        raise JournalError(
            f"{path.parent} holds a run with other {' and '.join(differing) or 'records'}",
            "choose another folder with --run, or take the changes back",
        )


def _sync_folder(folder: Path) -> None:
    """A new file is only safe when the folder that names it is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
