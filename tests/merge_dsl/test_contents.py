"""What lint sees of data without pyarrow: splits that do not exist, rows beyond the table."""

import json
import random
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from merge_dsl.meaning.contents import contents_of
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_source
from merge_dsl.meaning.parquet import ParquetError, footer_of, unsnapped, values_of
from merge_dsl.meaning.places import zoo_folder
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import TASK, Lint, merge_recipe

ZOO = [*(zoo_folder() or Path()).glob("data/*.parquet")]
DATA = 'data dev from "{}" {{ {} }}\n'


def table(path: Path, splits: list[str | None], **options: object) -> Path:
    columns = {"id": list(range(len(splits))), "split": pyarrow.array(splits, pyarrow.string())}
    parquet.write_table(pyarrow.table(columns), str(path), **options)
    return path


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_the_zoo_is_read_as_pyarrow_reads_it(path: Path) -> None:
    found, counted = contents_of(path, deep=False), contents_of(path, deep=True)
    assert found is not None and counted is not None
    assert found.rows == counted.rows and found.splits and counted.splits
    assert found.splits.keys() == counted.splits.keys()


@pytest.mark.parametrize("codec", ["snappy", "none"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("group", [7, 1000])
def test_splits_come_from_the_dictionary(
    tmp_path: Path, codec: str, version: str, group: int
) -> None:
    splits = [random.Random(n).choice(["train", "validation", "試験", None]) for n in range(300)]
    path = table(
        tmp_path / "t.parquet", splits,
        compression=codec, data_page_version=version, row_group_size=group,
    )  # fmt: skip
    found = contents_of(path, deep=False)
    assert found is not None and found.rows == 300
    assert found.splits is not None and set(found.splits) == {s for s in splits if s is not None}


@pytest.mark.parametrize("options", [{"use_dictionary": False}, {"compression": "gzip"}])
def test_what_is_in_no_dictionary_is_not_guessed(
    tmp_path: Path, options: dict[str, object]
) -> None:
    path = table(tmp_path / "t.parquet", ["a", "b"], **options)
    found = contents_of(path, deep=False)
    assert found is not None and (found.rows, found.splits) == (2, None)
    assert contents_of(path, deep=True) == (2, {"a": 1, "b": 1})


def test_damage_is_not_believed(tmp_path: Path) -> None:
    whole = table(tmp_path / "t.parquet", ["train", "test"] * 40).read_bytes()
    path, draw = tmp_path / "bad.parquet", random.Random(1)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(bytes(data[: draw.choice([len(data), draw.randrange(len(data))])]))
        contents_of(path, deep=False)
    path.write_bytes(b"PAR1")
    with pytest.raises(ParquetError):
        footer_of(path)
    assert values_of(tmp_path / "t.parquet", footer_of(tmp_path / "t.parquet"), "split")


def test_snappy_copies_may_overlap() -> None:
    assert unsnapped(b"\x0a\x04ab\x1e\x02\x00") == b"ababababab"
    with pytest.raises(ValueError, match="before the beginning"):
        unsnapped(b"\x0a\x04ab\x1e\x09\x00")


@pytest.mark.parametrize(
    ("address", "settings", "code", "said"),
    [
        ("zoo:emoji-ja", 'split = "serach"', "N101", "did you mean `search`?"),
        (
            "zoo:emoji-ja",
            "rows = 0..752",
            "K204",
            "row 752 is asked for, and `zoo:emoji-ja` has 752",
        ),
        ("file:some.jsonl", 'split = "c"', "N101", "has no split `c`"),
        ("file:some.jsonl", 'split = "b"; rows = [0, 2]', "K204", "split `b` has 2 rows"),
        ("file:bare.csv", "split = dev", "N101", "has no column `split`"),
        ("zoo:emoji-ja", 'split = "search"; rows = 0..751', None, ""),
        ("zoo:emoji-ja", "rows = 0..751", None, ""),
        ("file:some.jsonl", 'split = "b"; rows = 0..1', None, ""),
    ],
)
def test_lint_finds_what_is_not_there(
    world: Path, lint: Lint, address: str, settings: str, code: str | None, said: str
) -> None:
    rows = [{"id": n, "split": split, "answer": "x"} for n, split in enumerate("abba")]
    (world / "some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (world / "bare.csv").write_text("id,answer\n1,x\n")
    head = merge_recipe("").split("data dev")[0] + DATA.format(address, settings)
    head += 'data held from "file:d.jsonl" { rows = 10..19 }\n'
    found = [d for d in lint(merge_recipe(TASK, head)).diagnostics if d.code in ("N101", "K204")]
    assert [d.code for d in found] == ([code] if code else [])
    assert all(said in d.message and d.help for d in found)
    source = Source(str(world / "test.merge"), merge_recipe(TASK, head))
    assert not {"N101", "K204"} & {
        d.code for d in load_source(source, depth=Depth.TEXT).diagnostics
    }


def test_with_deep_the_rows_of_a_split_are_counted(world: Path) -> None:
    head = merge_recipe("").split("data dev")[0]
    head += DATA.format("zoo:emoji-ja", 'split = "search"; rows = 0..325')
    head += 'data held from "file:d.jsonl" { rows = 10..19 }\n'
    source = Source(str(world / "test.merge"), merge_recipe(TASK, head))
    assert "K204" not in {d.code for d in load_source(source).diagnostics}
    (found,) = [d for d in load_source(source, depth=Depth.DEEP).diagnostics if d.code == "K204"]
    assert "split `search` has 325 rows" in found.message
