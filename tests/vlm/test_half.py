"""Half written folders: what a dead process left goes, what a live one writes stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from merge_dsl.cli import main
from tests.vlm.test_stream import RECIPE
from vlm.weights import target
from vlm.weights.half import OLD, PART, STEPS, beside, half_written, sweep

WRITER = """
import sys, time
from pathlib import Path
from vlm.weights.half import half_written

with half_written(Path(sys.argv[1]).absolute(), sys.argv[2]) as folder:
    (folder / "x").write_text("half")
    print(folder, flush=True)
    time.sleep(100)
"""


@contextmanager
def writing(place: Path, word: str = PART) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Another process that writes a folder, and the folder."""
    other = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), word], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        yield Path(other.stdout.readline().strip()), other
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()


@pytest.mark.parametrize("word", [PART, STEPS])
def test_what_a_live_process_writes_stays_and_what_a_dead_one_left_goes(
    word: str, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    with writing(place, word) as (folder, other):
        sweep(place)
        assert (folder / "x").read_text() == "half"
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert folder.is_dir()
        sweep(place)
        assert list(tmp_path.iterdir()) == []


def test_only_what_is_on_its_way_to_the_place_goes(tmp_path: Path) -> None:
    names = [".out.part-12ab34cd", ".out.part-77", ".out.steps-a_b1c2d3"]
    others = ["out.part-1", ".out2.part-12ab34cd", ".out.part-of my notes", ".out.notes"]
    for name in (*names, *others):
        (tmp_path / name).mkdir()
    (tmp_path / ".out.part-1").write_text("a file")
    sweep(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {*others, ".out.part-1"}


def test_two_of_one_process_do_not_meet(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with half_written(place) as one, half_written(place) as two:
        assert one != two
        sweep(place)
        assert one.is_dir() and two.is_dir()
        assert one.stat().st_mode == two.stat().st_mode == _as_usual(tmp_path)
    assert list(tmp_path.iterdir()) == []


def _as_usual(folder: Path) -> int:
    (folder / "plain").mkdir()
    mode = (folder / "plain").stat().st_mode
    (folder / "plain").rmdir()
    return mode


def test_a_model_that_was_put_aside_comes_back(tmp_path: Path) -> None:
    place = tmp_path / "out"
    aside = beside(place, OLD)
    aside.mkdir()
    (aside / "x").write_text("the old model")
    sweep(place)
    assert (place / "x").read_text() == "the old model"
    aside.mkdir()
    sweep(place)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def recipe(place: Path) -> str:
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    return str(place / "one.merge")


def test_a_merge_begins_with_sweeping(recipe: str) -> None:
    for name in (f".out.part-{os.getpid()}", ".out.steps-dead0000"):
        Path(name).mkdir()
    with writing(Path("out")) as (folder, _):
        assert main(["merge", recipe, "--quiet"]) == 0
        assert {path.name for path in Path().iterdir()} == {"out", folder.name}


KILLED = """
import os, signal, sys
from pathlib import Path
real = Path.rename

def rename(self, place):
    done = real(self, place)
    if ".old-" in Path(place).name:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

Path.rename = rename
from merge_dsl.cli import main
main(["merge", sys.argv[1], "--quiet"])
"""


def test_killed_between_two_renames_the_next_one_has_the_old_model(recipe: str) -> None:
    assert main(["merge", recipe, "--quiet"]) == 0
    first = (Path("out") / target.PROVENANCE).read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, recipe])
    assert done.returncode == -signal.SIGKILL
    assert not Path("out").exists() and len(list(Path().iterdir())) == 2
    sweep(Path("out").absolute())
    assert (Path("out") / target.PROVENANCE).read_bytes() == first
    assert main(["merge", recipe, "--quiet"]) == 0
    assert [path.name for path in Path().iterdir()] == ["out"]
