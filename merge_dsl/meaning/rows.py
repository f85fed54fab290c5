"""Rows of local data, read to be counted and compared; nothing is fetched.

In: a data block. Out: its rows as dictionaries, with its `split` and `rows` applied, or a note why they
cannot be read. JSON lines and CSV need the standard library only; parquet needs pyarrow, which is
imported when a parquet file is read and not before.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merge_dsl.meaning.recipe import Data

Row = dict[str, Any]
QUIET = ("split", "id", "index", "source", "qid", "question_id")  # what does not make a row itself
SMALL = 262_144  # bytes: a larger file is only read where rows are asked for


class RowsError(Exception):
    """Why rows cannot be read here."""


def rows_of(data: Data) -> list[Row]:
    """The rows that a data block means. Raises RowsError."""
    if data.path is None:
        raise RowsError("they are not on this machine")
    files = _files(data.path)
    rows = [row for file in files for row in read_rows(file)]
    if data.split is not None and any("split" in row for row in rows):
        rows = [row for row in rows if row.get("split") == data.split]
    elif data.split is not None and len(files) > 1:
        named = [file for file in files if file.stem.split("-")[0] == data.split]
        rows = [row for file in named for row in read_rows(file)] if named else rows
    if data.rows is not None:
        rows = [row for low, high in data.rows for row in rows[low : high + 1]]
    return rows


def count_of(data: Data) -> int | None:
    """How many rows a data block has, where that can be said without much reading."""
    if data.rows is not None:
        return sum(high - low + 1 for low, high in data.rows)
    try:
        if data.path is None or not data.path.is_file() or data.path.stat().st_size > SMALL:
            return None
        if data.path.suffix not in (".jsonl", ".csv"):
            return None
        return len(rows_of(data)) or None
    except (RowsError, OSError):
        return None


def digest_of(row: Row) -> str:
    """A fingerprint of what a row shows and asks, in whatever order its columns stand."""
    import hashlib  # two milliseconds that only a look at rows needs

    kept = {k: _plain(v) for k, v in row.items() if k not in QUIET and v not in (None, "", [])}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        import hashlib

        return hashlib.blake2b(value, digest_size=16).hexdigest()
    if isinstance(value, dict):  # a picture as `datasets` stores it: its bytes, and a path
        kept = {k: v for k, v in value.items() if k != "path" or not value.get("bytes")}
        return {str(k): _plain(v) for k, v in kept.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _files(path: Path) -> list[Path]:
    try:
        if path.is_file():
            return [path]
        kinds = (".jsonl", ".csv", ".parquet")
        return sorted(p for p in path.rglob("*") if p.suffix in kinds and p.is_file())
    except OSError as error:
        raise RowsError(f"{path} cannot be read: {error.strerror}") from error


def read_rows(path: Path, columns: list[str] | None = None) -> list[Row]:
    """All rows of one file, of a parquet file these columns. Raises RowsError."""
    try:
        if path.suffix == ".parquet":
            return _parquet(path, columns)
        with path.open(encoding="utf-8", newline="") as stream:
            return list(_csv(stream) if path.suffix == ".csv" else _lines(stream, path))
    except OSError as error:
        raise RowsError(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RowsError(f"{path.name} is damaged") from error


def _lines(stream: Any, path: Path) -> Iterator[Row]:
    if path.suffix not in (".jsonl", ".json", ".ndjson", ""):
        raise RowsError(f"{path.name} is of a kind whose rows are not read here")
    for line in stream:
        if line.strip():
            row = json.loads(line)
            yield row if isinstance(row, dict) else {"value": row}


def _csv(stream: Any) -> Iterator[Row]:
    import csv  # a millisecond that few recipes need

    try:
        for row in csv.DictReader(stream):
            yield {str(key): value for key, value in row.items()}
    except csv.Error as error:
        raise ValueError from error


def _parquet(path: Path, columns: list[str] | None) -> list[Row]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise RowsError("pyarrow is not installed, so parquet cannot be read") from error
    try:
        rows: list[Row] = parquet.read_table(str(path), columns=columns).to_pylist()
    except Exception as error:  # pyarrow's errors share no base but this
        raise RowsError(f"{path.name} is damaged") from error
    return rows
