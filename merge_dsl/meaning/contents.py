"""What one local file of data holds: how many rows, in which splits.

In: a path. Out: `Contents`, or None where that cannot be said without much reading. A parquet file has it in
its footer; a small jsonl or csv is read; with `--deep` every one is.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from merge_dsl.meaning.parquet import ParquetError, footer_of, values_of
from merge_dsl.meaning.rows import SMALL, RowsError, read_rows

SPLIT = "split"
FLAT = (".jsonl", ".csv")


class Contents(NamedTuple):
    """`splits` says how many rows each has, None where only their names are known; it is empty where
    the table has no column `split`, and None where nobody knows."""

    rows: int
    splits: dict[str, int | None] | None


def contents_of(path: Path | None, deep: bool) -> Contents | None:
    """What a file holds; None for a folder, a file without rows, and one that is not read."""
    try:
        if path is None or not path.is_file():
            return None
        if path.suffix == ".parquet":
            return _columned(path) if deep else _footed(path)
        small = path.suffix in FLAT and (deep or path.stat().st_size <= SMALL)
        return _counted(row.get(SPLIT) for row in read_rows(path)) if small else None
    except (RowsError, ParquetError, OSError):
        return None


def _counted(splits: Iterable[object]) -> Contents | None:
    """Of the `split` of each row, None where a row has none."""
    rows = list(splits)
    named = Counter(str(split) for split in rows if split is not None)
    return Contents(len(rows), dict(named)) if rows else None


def _columned(path: Path) -> Contents | None:
    """Of that one column: the others may hold pictures."""
    footer = footer_of(path)
    if SPLIT not in footer.columns:
        return _footed(path)
    return _counted(row[SPLIT] for row in read_rows(path, [SPLIT]))


def _footed(path: Path) -> Contents | None:
    footer = footer_of(path)
    if not footer.rows:
        return None
    if SPLIT not in footer.columns:
        return Contents(footer.rows, {})
    try:
        return Contents(footer.rows, dict.fromkeys(values_of(path, footer, SPLIT)))
    except ParquetError:
        return Contents(footer.rows, None)
