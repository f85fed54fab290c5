"""Files -> rows, with the split that is asked for already chosen.

In: a parquet, jsonl, json or csv file, a folder of parquet files, or a folder of pictures with
metadata. Out: a `datasets` table whose pictures are left encoded. A split is a column `split`, or,
in a folder, what the names of files and folders say. One that is asked for and not there is an
error, never a table of everything: a search must not see what a report scores.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm.errors import DataError

READERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}
SHARD = re.compile(r"-\d{5}-of-\d{5}.*")  # train-00000-of-00002.parquet


def read_table(path: Path, split: str | None) -> Any:
    """The rows of a split, or all rows. Raises DataError for what cannot be read or is not there."""
    import datasets

    datasets.disable_progress_bars()
    try:
        tables = _tables(path)
        whole = datasets.concatenate_datasets(list(tables.values()))
        if split is not None and "split" not in whole.column_names:
            if split not in tables or path.is_file():
                raise _no_split(path, split, tables)
            whole = tables[split]
        if "image" in whole.column_names and any(kind != "null" for kind in _kinds(whole)):
            whole = whole.cast_column("image", datasets.Image(decode=False))
    except DataError:
        raise
    except (OSError, ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise DataError(f"{path} cannot be read: {error}", "check the file") from error
    except (TypeError, NotImplementedError) as error:  # Arrow's own, for a column of numbers
        raise DataError(f"column `image` of {path} holds no pictures: {error}", WANTED) from error
    if split is not None and "split" in whole.column_names:
        return _rows_of(whole, path, split)
    return whole


WANTED = "give encoded pictures, or paths to them"


def _kinds(table: Any) -> list[str]:
    return [str(field.type) for field in table.data.schema if field.name == "image"]


def _tables(path: Path) -> dict[str, Any]:
    """Split -> table. A file is one table, whose name says nothing."""
    import datasets

    if path.is_dir():
        shards = sorted(path.rglob("*.parquet"))
        if not shards:
            return dict(datasets.load_dataset("imagefolder", data_dir=str(path)))
        files: dict[str, list[str]] = {}
        for shard in shards:
            files.setdefault(SHARD.sub("", shard.stem), []).append(str(shard))
        return {name: _parquet(some) for name, some in files.items()}
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is of no kind that is read", f"use {', '.join(READERS)}")
    if reader == "parquet":
        return {"": _parquet([str(path)])}
    return {"": datasets.load_dataset(reader, data_files=str(path), split="train")}


def _parquet(files: list[str]) -> Any:
    import datasets

    return datasets.Dataset.from_parquet(files, keep_in_memory=True)


def _rows_of(table: Any, path: Path, split: str) -> Any:
    """Rows whose `split` reads as asked: a column of numbers or with gaps is a column all the same."""
    splits = table["split"]
    chosen = [i for i, one in enumerate(splits) if one is not None and str(one) == split]
    if not chosen:
        known = ", ".join(sorted({str(one) for one in splits if one is not None}))
        raise DataError(f"{path} has no rows of split {split!r}", f"its splits are {known}")
    return table.select(chosen)


def _no_split(path: Path, split: str, tables: Mapping[str, Any]) -> DataError:
    named = sorted(name for name in tables if name)
    if named:
        return DataError(f"{path} has no split {split!r}", f"its splits are {', '.join(named)}")
    return DataError(
        f"{path} has no column `split`, and {split!r} is asked for",
        "add the column, or say which rows with `rows = 0..99`",
    )
