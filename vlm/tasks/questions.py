"""Rows of any data set -> questions about pictures.

In: a file or folder that `vlm/tasks/tables.py` reads, whose rows have

* `image`: the picture, encoded or as a path from the file's folder; a data set without this column
  can only be asked of models that cannot see,
* `answers` (a list) or `answer` or `caption` or `captions`: the references,
* `question`: what is asked, absent for captioning (then `prompt` of the data block is asked),
* `choices` (a list): the options of a multiple-choice question, optional,
* `picture`: rows that share it share a picture, optional (else the picture's bytes decide),
* `id` and `split`, optional.

Out: a tuple of `Question`, in the order of the file.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.errors import DataError
from vlm.tasks.pictures import open_picture
from vlm.tasks.tables import WANTED, read_table

__all__ = ["Question", "open_picture", "read_questions", "refuse_shared"]

REFERENCES = ("answers", "answer", "captions", "caption")
ASKED = "この画像を説明してください。"  # what a captioning row asks when nothing else does


@dataclass(frozen=True)
class Question:
    """One thing to ask about one picture, with what a good answer looks like."""

    id: str
    picture: str  # key of the picture; questions that share it share a picture
    image: bytes | None  # encoded, as in the file; None where there is nothing to see
    question: str
    references: tuple[str, ...]
    choices: tuple[str, ...] = ()
    kind: str = ""

    @property
    def sight(self) -> str:
        """What the picture is, whatever it is called: a digest of its bytes."""
        return "" if self.image is None else hashlib.sha256(self.image).hexdigest()[:16]


def read_questions(
    path: Path,
    *,
    split: str | None = None,
    rows: Sequence[tuple[int, int]] | None = None,
    prompt: str | None = None,
) -> tuple[Question, ...]:
    """Read a data set. `rows` are ranges within the split, both ends counted.

    Raises DataError for a file that cannot be read, lacks a column or a split or has fewer rows
    than asked for, and for a row without references.
    """
    table = read_table(path, split)
    column = next((name for name in REFERENCES if name in table.column_names), None)
    if column is None:
        raise DataError(f"{path} has no references", f"add a column {' or '.join(REFERENCES)}")
    folder = path if path.is_dir() else path.parent
    found = tuple(
        _question(table[i], path, i, column, prompt, folder)
        for i in _chosen(len(table), path, rows)
    )
    _refuse_two_pictures_of_one_name(path, found)
    return found


def refuse_shared(
    searched: Mapping[str, Iterable[Question]], reported: Mapping[str, Iterable[Question]]
) -> None:
    """Raise DataError where a reported question is searched on: same picture, same words.

    Names of files and splits say less than what is in them: a copy is the same data.
    """
    seen = {(q.sight, q.question): (name, q) for name, table in searched.items() for q in table}
    for name, table in reported.items():
        for question in table:
            if (question.sight, question.question) in seen:
                other, twin = seen[question.sight, question.question]
                raise DataError(
                    f"`{name}` reports row {question.id}, which the search sees as row {twin.id}"
                    f" of `{other}`",
                    "give the search other rows or another split",
                )


def _chosen(count: int, path: Path, rows: Sequence[tuple[int, int]] | None) -> list[int]:
    if rows is not None:
        last = max(high for _, high in rows)
        if last >= count:
            raise DataError(
                f"{path} has rows 0..{count - 1}; there is no row {last}", "both ends count"
            )
        return [i for low, high in rows for i in range(low, high + 1)]
    if not count:
        raise DataError(f"{path} has no rows", "a score needs something to score")
    return list(range(count))


def _question(
    row: Mapping[str, Any], path: Path, number: int, column: str, prompt: str | None, folder: Path
) -> Question:
    given = row.get("id")
    id = str(number if given is None else given)  # a number counts within the split
    where = f"{path}, row {id}"
    image = _bytes(row.get("image"), where, folder)
    key = "" if image is None else hashlib.sha256(image).hexdigest()[:16]
    return Question(
        id=id,
        picture=str(row.get("picture") or key or f"row {number}"),
        image=image,
        question=str(row.get("question") or prompt or ASKED),
        references=_references(row[column], column, where),
        choices=tuple(map(str, row.get("choices") or ())),
        kind=str(row.get("kind") or ""),
    )


def _references(found: Any, column: str, where: str) -> tuple[str, ...]:
    """At least one text. Whole numbers are read as their digits: what a csv makes of them."""
    several = found if isinstance(found, list | tuple) else [found]
    texts = [str(one) if type(one) is int else one for one in several if one is not None]
    if not texts:
        raise DataError(f"column `{column}` has no references", "add one, or leave it out", where)
    for text in texts:
        if not isinstance(text, str):
            what = f"column `{column}` holds {text!r}, which is no text"
            raise DataError(what, "write the references as texts", where)
        if not text.strip():
            raise DataError(f"column `{column}` holds an empty reference", "remove it", where)
    return tuple(texts)


def _bytes(image: Mapping[str, Any] | None, where: str, folder: Path) -> bytes | None:
    if image is None:
        return None
    if image.get("bytes"):
        return bytes(image["bytes"])
    try:
        path: str = image["path"]
        return (folder / path).read_bytes()
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"its picture cannot be read: {error}", WANTED, where) from error


def _refuse_two_pictures_of_one_name(path: Path, questions: Sequence[Question]) -> None:
    first: dict[str, Question] = {}
    for question in questions:
        other = first.setdefault(question.picture, question)
        if other.image != question.image:
            raise DataError(
                f"rows {other.id} and {question.id} call different pictures {other.picture!r}",
                "give each picture a `picture` of its own, or remove the column",
                str(path),
            )
