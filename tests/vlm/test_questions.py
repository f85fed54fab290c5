"""Data sets of every kind become the same questions; what is wrong with one is said."""

import json
from pathlib import Path

import datasets
import pytest

from tests.vlm.test_answer import picture
from vlm.errors import DataError
from vlm.tasks.questions import open_picture, read_questions


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    rows = [
        {
            "id": f"r{i}",
            "image": {"bytes": picture((i, 0, 0)), "path": None},
            "question": f"{i}?",
            "answers": [str(i), f"number {i}"],
            "split": "search" if i < 4 else "report",
        }
        for i in range(7)
    ]
    path = tmp_path / "rows.parquet"
    table = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    table.to_parquet(str(path))
    return path


def test_a_split_and_rows_within_it(parquet: Path) -> None:
    whole = read_questions(parquet, split="report")
    assert [q.id for q in whole] == ["r4", "r5", "r6"]
    assert [q.id for q in read_questions(parquet, split="report", rows=[(1, 2)])] == ["r5", "r6"]
    assert whole[0].references == ("4", "number 4") and whole[0].question == "4?"
    assert open_picture(whole[0].image).getpixel((0, 0)) == (4, 0, 0)


def test_unknown_split_and_row(parquet: Path) -> None:
    with pytest.raises(DataError, match=r"no rows of split 'test'; its splits are report, search"):
        read_questions(parquet, split="test")
    with pytest.raises(DataError, match=r"rows 0\.\.2; there is no row 3"):
        read_questions(parquet, split="report", rows=[(0, 3)])


def test_jsonl_with_pictures_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture((1, 2, 3)))
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"image": str(tmp_path / "a.png"), "caption": "青"}) + "\n")
    (question,) = read_questions(path, prompt="何？")
    assert (question.question, question.references) == ("何？", ("青",))
    assert question.picture and open_picture(question.image).size == (20, 16)


def test_missing_columns_and_files(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "no picture"}\n')
    with pytest.raises(DataError, match="has no column `image`; it has text"):
        read_questions(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.parquet")
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(DataError, match="of no kind that is read"):
        read_questions(tmp_path / "rows.txt")


def test_a_picture_that_is_none() -> None:
    with pytest.raises(DataError, match="cannot be decoded"):
        open_picture(b"GIF89a, but not really")


def test_transparency_becomes_white() -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert open_picture(out.getvalue()).getpixel((0, 0)) == (255, 255, 255)
