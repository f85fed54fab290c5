"""Fingerprints of models and data on this machine: whether they are still what they were.

In: a folder or a file. Out: one short text for each file, `sha256:… 716 bytes`, and how many rows a
data set has. Of a safetensors file larger than `LARGE` only the header is hashed unless all of it is
asked for: names, types and shapes, which a retrained model may share; its size is told besides.
"""

import csv
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

from merge_dsl.meaning.headers import LARGEST

LARGE = 128 * 1024**2
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
BESIDE = (".json", ".model", ".txt", ".jinja")  # config, tokenizer, chat template
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


class PrintError(Exception):
    """What was to be fingerprinted cannot be read."""


@dataclass
class Prints:
    """Takes fingerprints, each file once. `full` hashes large weights too."""

    full: bool = False
    known: dict[Path, str] = field(default_factory=dict)

    def model(self, folder: Path) -> dict[str, str]:
        """File name -> fingerprint, of the weights and of what says how to read them."""
        if folder.is_file():  # a GGUF file is a whole model
            return {folder.name: self.file(folder)}
        try:
            files = [p for p in folder.iterdir() if p.suffix in WEIGHTS + BESIDE and p.is_file()]
        except OSError as error:
            raise _unreadable(folder, error) from error
        return {path.name: self.file(path) for path in sorted(files)}

    def data(self, path: Path) -> str:
        """One fingerprint, of a file or of every file under a folder."""
        if not path.is_dir():
            return self.file(path)
        digest, size = hashlib.sha256(), 0
        for inner in _files(path):
            said = self.file(inner)
            digest.update(f"{inner.relative_to(path).as_posix()}\0{said}\n".encode())
            size += int(said.split()[1])
        return f"sha256:{digest.hexdigest()} {size} bytes"

    def file(self, path: Path) -> str:
        """`sha256:… 716 bytes`, or `header-sha256:… 9000000000 bytes`."""
        if path not in self.known:
            try:
                self.known[path] = self._file(path)
            except OSError as error:
                raise _unreadable(path, error) from error
        return self.known[path]

    def _file(self, path: Path) -> str:
        size = path.stat().st_size
        with path.open("rb") as stream:
            if path.suffix == ".safetensors" and size > LARGE and not self.full:
                start = stream.read(8)
                length = struct.unpack("<Q", start)[0]
                if length > min(size - 8, LARGEST):
                    raise PrintError(f"{path} is cut off, or no safetensors file")
                digest = hashlib.sha256(start + stream.read(length)).hexdigest()
                return f"header-sha256:{digest} {size} bytes"
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()} {size} bytes"


def rows(path: Path) -> int | None:
    """How many rows a data set has, all splits together; None where that cannot be told."""
    try:
        if path.is_dir():
            return _rows_of_folder(path)
        return _rows_of_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise PrintError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


def _rows_of_folder(path: Path) -> int | None:
    files = _files(path)
    for kinds in ((".parquet",), (".jsonl", ".csv"), PICTURES):
        fitting = [file for file in files if file.suffix.lower() in kinds]
        if fitting and kinds is PICTURES:
            return len(fitting)
        if fitting:
            counts = [_rows_of_file(file) for file in fitting]
            return None if None in counts else sum(c for c in counts if c is not None)
    return None


def _rows_of_file(path: Path) -> int | None:
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _rows_of_parquet(path)
    if kind == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return max(
                sum(1 for row in csv.reader(stream) if row) - 1, 0
            )  # the first names columns
    if kind == ".json":
        table = json.loads(path.read_text(encoding="utf-8"))
        return len(table) if isinstance(table, list) else None
    if kind == ".jsonl":
        with path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    return None


def _rows_of_parquet(path: Path) -> int | None:
    from importlib import import_module

    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:  # it comes with `datasets`, which a linter alone does not need
        return None
    count: int = parquet.read_metadata(path).num_rows
    return count


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _unreadable(path: Path, error: OSError) -> PrintError:
    return PrintError(f"{path} cannot be read: {error.strerror or error}")
