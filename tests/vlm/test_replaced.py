"""A folder that stands where a model is written: replaced when all in it is awase's, else left as it is."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from merge_dsl.cli import main
from tests.vlm.conftest import student
from tests.vlm.test_stream import RECIPE
from tests.vlm.tiny import NO_REPORT, done
from vlm.errors import MergeError
from vlm.weights.own_files import LISTED, ORIGINS
from vlm.weights.source import Source, open_source
from vlm.weights.writer import PROVENANCE, write_model


@pytest.fixture(scope="module")
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


@pytest.fixture
def out(sources: dict[str, Source], place: Path) -> Path:
    """A model that awase wrote."""
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["merge", "../one.merge", "--quiet"]) == 0
    return Path("out")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def without_list(out: Path) -> None:
    """As it was written before there was a list."""
    origins = json.loads((out / ORIGINS).read_text())
    del origins[LISTED]
    (out / ORIGINS).write_text(json.dumps(origins))


def noted(out: Path) -> None:
    (out / "notes").mkdir()
    (out / "notes" / "day_one.md").write_text("it speaks")


def put(name: str, text: str = "{}") -> Callable[[Path], None]:
    def write(out: Path) -> None:
        (out / name).write_text(text)

    return write


def shorter(out: Path) -> None:
    (out / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes()[:-8])


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a result": (put("eval_results.json"), "holds eval_results.json, which awase did not write"),
    "a folder": (noted, "holds notes, which awase did not write"),
    "a hidden file": (put(".gitattributes"), "holds .gitattributes, which awase did not write"),
    "an edited card": (
        put("README.md", "# Mine"), "holds README.md, which has changed since awase wrote it"
    ),
    "another's weights": (shorter, "holds model.safetensors, which has changed"),
    "origins that are none": (put(ORIGINS, "{"), f"holds {ORIGINS}, which cannot be read"),
    "a list that is none": (put(ORIGINS, '{"files": 3}'), f"holds {ORIGINS}, which cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_not_awases_is_named_and_kept(
    case: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = CHANGES[case]
    change(out)
    before = contents(Path())
    capsys.readouterr()
    assert main(["merge", "../one.merge", "--quiet"]) == 1
    error = capsys.readouterr().err
    assert said in error and "move it out of the way" in error
    assert contents(Path()) == before


def test_what_awase_wrote_is_replaced(out: Path) -> None:
    first = contents(out)
    assert main(["merge", "../one.merge", "--quiet"]) == 0
    assert contents(out) == first


def test_what_is_lacking_is_no_hindrance(out: Path) -> None:
    (out / "README.md").unlink()
    assert main(["merge", "../one.merge", "--quiet"]) == 0
    assert (out / "README.md").is_file()


def test_a_folder_from_before_there_was_a_list(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_list(out)
    (out / "README.md").write_text("# Mine")  # nobody can know
    assert main(["merge", "../one.merge", "--quiet"]) == 0
    without_list(out)
    put("eval_results.json")(out)
    assert main(["merge", "../one.merge", "--quiet"]) == 1
    assert "holds eval_results.json" in capsys.readouterr().err


def test_every_file_is_listed_in_every_shape_of_a_checkpoint(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    for name, size in (("one", 10**9), ("many", 20_000)):
        write_model(student(), sources, tmp_path / name, recipe="r\n", shard_bytes=size)
        write_model(student(), sources, tmp_path / name, recipe="r\n", shard_bytes=10**9)
        listed = json.loads((tmp_path / name / ORIGINS).read_text())[LISTED]
        assert set(listed) | {ORIGINS} == {f.name for f in (tmp_path / name).iterdir()}
        assert PROVENANCE in listed


def test_what_is_put_there_while_the_model_is_computed_is_kept(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    write_model(student(), sources, tmp_path / "out", recipe="old\n")

    def tell(count: int, total: int) -> None:
        (tmp_path / "out" / "scores.csv").write_text("1")

    with pytest.raises(MergeError, match=r"out holds scores\.csv"):
        write_model(student(), sources, tmp_path / "out", recipe="new\n", tell=tell)
    assert (tmp_path / "out" / PROVENANCE).read_text() == "old\n"
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_a_run_builds_its_checkpoint_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(place, NO_REPORT)
    best = Path("runs/tiny/best.merge")
    first = contents(Path("out/tiny"))
    assert main(["merge", str(best), "--quiet"]) == 0
    best.unlink()
    done(place, NO_REPORT)  # goes on, and writes once more
    again = contents(Path("out/tiny"))
    assert again == first
    put("eval_results.json")(Path("out/tiny"))
    best.unlink()
    capsys.readouterr()
    assert main(["evolve", "../tiny.merge", "--quiet"]) == 1
    assert "holds eval_results.json" in capsys.readouterr().err
    assert contents(Path("out/tiny")).items() >= first.items()
