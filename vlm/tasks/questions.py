"""Rows of any data set -> questions about pictures.

In: a parquet, jsonl, json or csv file, or a folder with metadata, whose rows have an `image` and

* `answers` (a list) or `answer` or `caption` or `captions`: the references,
* `question`: what is asked, absent for captioning (then `prompt` of the data block is asked),
* `choices` (a list): the options of a multiple-choice question, optional,
* `picture`: rows that share it share a picture, optional (else the picture's bytes decide),
* `id` and `split`, optional.

Out: a tuple of `Question`, in the order of the file.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.errors import DataError

READERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}
REFERENCES = ("answers", "answer", "captions", "caption")
ASKED = "この画像を説明してください。"  # what a captioning row asks when nothing else does


@dataclass(frozen=True)
class Question:
    """One thing to ask about one picture, with what a good answer looks like."""

    id: str
    picture: str  # key of the picture; questions that share it share a picture
    image: bytes  # encoded, as in the file
    question: str
    references: tuple[str, ...]
    choices: tuple[str, ...] = ()
    kind: str = ""


def read_questions(
    path: Path,
    *,
    split: str | None = None,
    rows: Sequence[tuple[int, int]] | None = None,
    prompt: str | None = None,
) -> tuple[Question, ...]:
    """Read a data set. `rows` are ranges within the split, both ends counted.

    Raises DataError for a file that cannot be read, lacks a column or has fewer rows than asked for.
    """
    table = _table(path)
    if "image" not in table.column_names:
        raise DataError(f"{path} has no column `image`", f"it has {', '.join(table.column_names)}")
    column = next((name for name in REFERENCES if name in table.column_names), None)
    if column is None:
        raise DataError(f"{path} has no references", f"add a column {' or '.join(REFERENCES)}")
    chosen = _chosen(table, path, split, rows)
    return tuple(_question(table[i], i, column, prompt) for i in chosen)


def _table(path: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    reader = READERS.get(path.suffix.lower())
    try:
        if path.is_dir():
            table = datasets.load_dataset("imagefolder", data_dir=str(path), split="train")
        elif reader == "parquet":
            table = datasets.Dataset.from_parquet(str(path), keep_in_memory=True)
        elif reader is not None:
            table = datasets.load_dataset(reader, data_files=str(path), split="train")
        else:
            raise DataError(f"{path} is of no kind that is read", f"use {', '.join(READERS)}")
        if "image" in table.column_names:
            table = table.cast_column("image", datasets.Image(decode=False))
        return table
    except (OSError, ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise DataError(f"{path} cannot be read: {error}", "check the file") from error


def _chosen(
    table: Any, path: Path, split: str | None, rows: Sequence[tuple[int, int]] | None
) -> list[int]:
    chosen = list(range(len(table)))
    if split is not None and "split" in table.column_names:
        splits = table["split"]
        chosen = [i for i in chosen if splits[i] == split]
        if not chosen:
            known = ", ".join(sorted(set(splits)))
            raise DataError(f"{path} has no rows of split {split!r}", f"its splits are {known}")
    if rows is not None:
        last = max(high for _, high in rows)
        if last >= len(chosen):
            raise DataError(
                f"{path} has rows 0..{len(chosen) - 1}; there is no row {last}", "both ends count"
            )
        chosen = [chosen[i] for low, high in rows for i in range(low, high + 1)]
    if not chosen:
        raise DataError(f"{path} has no rows", "a score needs something to score")
    return chosen


def _question(row: Mapping[str, Any], number: int, column: str, prompt: str | None) -> Question:
    image = _bytes(row["image"], number)
    references = row[column]
    return Question(
        id=str(row.get("id") or number),
        picture=str(row.get("picture") or hashlib.sha256(image).hexdigest()[:16]),
        image=image,
        question=str(row.get("question") or prompt or ASKED),
        references=(references,) if isinstance(references, str) else tuple(map(str, references)),
        choices=tuple(map(str, row.get("choices") or ())),
        kind=str(row.get("kind") or ""),
    )


def _bytes(image: Mapping[str, Any], number: int) -> bytes:
    if image.get("bytes"):
        return bytes(image["bytes"])
    try:
        return Path(image["path"]).read_bytes()
    except (OSError, TypeError, KeyError) as error:
        raise DataError(
            f"row {number}: its picture cannot be read: {error}", "check `image`"
        ) from error


def open_picture(image: bytes) -> Any:
    """Encoded bytes -> an RGB `PIL.Image`. Transparent parts become white, not black."""
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(image))
        if picture.mode in ("RGBA", "LA", "P"):
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            white.alpha_composite(picture)
            picture = white
        return picture.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"a picture cannot be decoded: {error}", "check the data set") from error
