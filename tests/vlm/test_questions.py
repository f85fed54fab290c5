"""Data sets of every kind become the same questions; what is wrong with one is said."""

import io
import json
from pathlib import Path

import datasets
import pytest
from PIL import Image

from tests.vlm.test_answer import picture
from vlm.errors import DataError
from vlm.tasks.questions import open_picture, read_questions, refuse_shared


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
    path.write_text('{"text": "no answer"}\n')
    with pytest.raises(DataError, match="has no references; add a column answers or answer"):
        read_questions(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.parquet")
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(DataError, match="of no kind that is read"):
        read_questions(tmp_path / "rows.txt")


def test_a_picture_that_is_none() -> None:
    with pytest.raises(DataError, match="of no kind that is known"):
        open_picture(b"GIF89a, but not really")


def test_transparency_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    assert open_picture(out.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def jsonl(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def encoded(mode: str, color: object, kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (10, 20), color).save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def test_a_split_that_nothing_tells_is_not_everything(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", {"answer": "a"}, {"answer": "b"})
    with pytest.raises(DataError, match="no column `split`, and 'search' is asked for"):
        read_questions(path, split="search")


def test_splits_may_be_numbers_and_have_gaps(tmp_path: Path) -> None:
    rows = [
        {"answer": "a", "split": 0},
        {"answer": "b", "split": 1},
        {"answer": "c", "split": None},
    ]
    path = jsonl(tmp_path / "rows.jsonl", *rows)
    assert [q.references for q in read_questions(path, split="1")] == [("b",)]
    with pytest.raises(DataError, match="no rows of split 'test'; its splits are 0, 1"):
        read_questions(path, split="test")


def test_the_splits_of_an_image_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = tmp_path / "pics" / split
        folder.mkdir(parents=True)
        (folder / f"{split}.png").write_bytes(picture((len(split), 0, 0)))
        jsonl(folder / "metadata.jsonl", {"file_name": f"{split}.png", "answer": split})
    for split in ("train", "test"):
        (question,) = read_questions(tmp_path / "pics", split=split)
        assert question.references == (split,)
    assert len(read_questions(tmp_path / "pics")) == 2
    with pytest.raises(DataError, match="no split 'dev'; its splits are test, train"):
        read_questions(tmp_path / "pics", split="dev")


def test_a_folder_of_parquet_files(parquet: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "hub" / "README.md").write_text("a card")
    for name in ("train-00000-of-00002", "train-00001-of-00002"):
        (folder / f"{name}.parquet").write_bytes(parquet.read_bytes())
    assert len(read_questions(tmp_path / "hub")) == 14
    assert len(read_questions(tmp_path / "hub", split="report")) == 6  # its column decides


def test_pictures_are_found_from_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(picture((1, 2, 3)))
    path = jsonl(tmp_path / "rows.jsonl", {"image": "pics/a.png", "caption": "青"})
    monkeypatch.chdir(tmp_path / "pics")
    (question,) = read_questions(path)
    assert open_picture(question.image).getpixel((0, 0)) == (1, 2, 3)
    (tmp_path / "pics" / "a.png").unlink()
    with pytest.raises(DataError, match="row 0: its picture cannot be read"):
        read_questions(path)


def test_data_without_pictures(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", {"question": "1+1?", "answer": 2})
    (question,) = read_questions(path)
    assert (question.image, question.references) == (None, ("2",))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"answers": []}, "row 1: column `answers` has no references"),
        ({"answers": None}, "row 1: column `answers` has no references"),
        ({"answers": ["a", " "]}, "row 1: column `answers` holds an empty reference"),
    ],
)
def test_rows_that_cannot_be_scored(tmp_path: Path, row: dict[str, object], says: str) -> None:
    path = jsonl(tmp_path / "rows.jsonl", {"answers": ["a"]}, row)
    with pytest.raises(DataError, match=says):
        read_questions(path)


def test_columns_of_the_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 0: column `answer` holds 0\.5, which is no text"):
        read_questions(jsonl(tmp_path / "a.jsonl", {"answer": 0.5}))
    with pytest.raises(DataError, match=r"column `image` of .* holds no pictures"):
        read_questions(jsonl(tmp_path / "b.jsonl", {"image": 1, "answer": "x"}))


def test_two_pictures_of_one_name(tmp_path: Path) -> None:
    rows = []
    for red in (1, 2):
        (tmp_path / f"{red}.png").write_bytes(picture((red, 0, 0)))
        rows.append({"image": f"{red}.png", "picture": "p", "answer": "x"})
    with pytest.raises(DataError, match="rows 0 and 1 call different pictures 'p'"):
        read_questions(jsonl(tmp_path / "rows.jsonl", *rows))


def test_a_copy_under_another_name_is_the_same_data(parquet: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other.parquet"
    copy.write_bytes(parquet.read_bytes())
    searched = {"a": read_questions(parquet, split="search")}
    refuse_shared(searched, {"b": read_questions(copy, split="report")})
    with pytest.raises(DataError, match="`b` reports row r2, which the search sees as row r2"):
        refuse_shared(searched, {"b": read_questions(copy, rows=[(2, 5)])})


def test_pictures_are_opened_as_a_viewer_shows_them() -> None:
    turned = Image.Exif()
    turned[0x112] = 6
    assert open_picture(encoded("RGB", 0, "JPEG", exif=turned)).size == (20, 10)
    assert open_picture(encoded("I;16", 0x8080)).getpixel((0, 0)) == (128, 128, 128)
    green = encoded("RGB", (0, 255, 0), transparency=(0, 255, 0))
    assert open_picture(green).getpixel((0, 0)) == (255, 255, 255)
    for mode in ("1", "L", "LA", "P"):
        assert open_picture(encoded(mode, 0)).mode == "RGB"


def test_absurd_and_garbled_pictures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture((9, 9, 9))
    for bad in (whole[:30], whole[:20] + b"\x00" * 20 + whole[40:], whole[:-30]):
        with pytest.raises(DataError, match=r"of no kind that is known|cannot be decoded"):
            open_picture(bad)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match="decompression bomb"):
        open_picture(whole)
