"""The whole thread on small random models: evolve, stop, go on, rebuild, report; and what goes wrong."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.load import load_recipe
from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.relocate import moved
from tests.vlm.conftest import save_language_model
from tests.vlm.tiny import NO_REPORT, RECIPE, done, evolve, records, weights


def test_the_thread(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evolve() == 0
    run, out = Path("runs/tiny"), Path("out/tiny")
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert list(report)[:6] == [
        "recipe", "seed", "trials", "samples_evaluated", "fingerprint", "models",
    ]  # fmt: skip
    assert (report["recipe"], report["seed"], report["trials"]) == ("tiny", 5, 15)
    assert report["samples_evaluated"] == 15 * 2 * 4
    roles = [(model["name"], model["role"]) for model in report["models"]]
    assert roles[:3] == [("base", "parent"), ("eyes", "parent"), ("tongue", "parent")]
    assert [name for name, role in roles if role == "baseline"] == [
        "graft", "linear 1/2", "linear 3/4", "task arithmetic", "ties", "dare_ties",
    ]  # fmt: skip
    assert roles[-1] == ("evolved", "evolved")
    for model in report["models"]:
        for score in model["scores"]:
            assert score["low"] <= score["value"] <= score["high"] and score["n"] == 2
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 2 and "<script" not in page

    best = (run / "best.merge").read_text(encoding="utf-8")
    assert (
        "# a comment that stays" in best
        and "# a gene a layer" in best
        and ".." not in best.split("merge student")[1].split("search student")[0]
    )
    assert main(["merge", str(run / "best.merge"), "--out", "again"]) == 0
    assert weights(out) == weights(Path("again")) and weights(out)
    kept = out / "merge_recipe.merge"
    assert kept.read_text(encoding="utf-8") == moved(best, run, out)
    assert main(["lint", str(kept)]) == 0
    assert main(["merge", str(kept), "--out", "again"]) == 0
    assert weights(out) == weights(Path("again"))

    capsys.readouterr()
    before = (run / "journal.jsonl").read_bytes()
    assert evolve() == 0
    assert "holds a finished run" in capsys.readouterr().out
    assert (run / "journal.jsonl").read_bytes() == before

    assert evolve("--run", "second") == 0
    assert records(run) == records(Path("second"))
    assert json.loads(Path("second/report.json").read_text()) == report


# The command, with trials so slow that a signal finds it between the first and the last.
SLOW = """
import signal, sys, time
from vlm.evaluator import Evaluator
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job of a shell
taste = Evaluator.taste_candidate
def slowly(*args, **kwargs):
    time.sleep(0.5)
    return taste(*args, **kwargs)
Evaluator.taste_candidate = slowly
from merge_dsl.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_stopped_run_goes_on(place: Path) -> None:
    assert evolve("--run", "whole") == 0
    command = [sys.executable, "-c", SLOW, "evolve", "../tiny.merge", "--run", "torn"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    journal = Path("torn/journal.jsonl")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 4:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told and "goes on from the last trial" in told
    assert not Path("torn/report.json").exists()
    assert evolve("--run", "torn") == 0
    assert records(Path("torn")) == records(Path("whole"))


def test_mistakes_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(text: str) -> str:
        (place / "tiny.merge").write_text(text, encoding="utf-8")
        assert main(["evolve", "../tiny.merge"]) in (1, 2)
        out = capsys.readouterr().err
        assert "Traceback" not in out
        assert not Path("out").exists() and not Path("runs/tiny/best.merge").exists()
        return out

    assert "S001" in told(RECIPE.replace("from eyes", "form eyes"))
    assert "did you mean `tongue`" in told(RECIPE.replace("take tongue", "take tonge"))
    assert "did you mean `dare_ties`" in told(RECIPE.replace("dare_ties", "dare_tie"))
    assert "did you mean `density`" in told(RECIPE.replace("density", "desnity"))
    assert "N108" in told(RECIPE.replace("file:tongue", "file:nowhere"))
    assert "D701" in told(RECIPE.replace('"report"', '"search"'))


def test_broken_models_are_told(place: Path, tokenizer, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "tongue").unlink()
    save_language_model(place / "tongue", tokenizer, seed=9, intermediate_size=64)
    assert evolve() in (1, 2)
    assert "M401" in capsys.readouterr().err

    file = place / "tongue" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert evolve() in (1, 2)
    assert "M411" in capsys.readouterr().err
    shutil.rmtree(place / "tongue")
    assert main(["evolve", "../nowhere.merge"]) == 2
    assert not Path("out").exists()


def test_a_recipe_with_holes_does_not_merge(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", "../tiny.merge"]) == 1
    assert "8 holes" in capsys.readouterr().err


def test_a_choice_of_methods_is_searched_and_frozen(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "dare_ties | linear | task_arithmetic"
    text = (
        NO_REPORT.replace("by dare_ties", f"by choice {options}")
        .replace("0.2..1.0 start 0.5", "0.2..1.0 start 0.5 when method is dare_ties")
        .replace("cma_es(sigma = 0.2)", "random")
        .replace("5 trials", "9 trials")
    )
    done(place, text)
    best = Path("runs/tiny/best.merge")
    assert "choice" not in best.read_text(encoding="utf-8")
    trials = [one["values"] for one in records(best.parent) if one["kind"] == "trial"]
    assert {values[0] for values in trials} == {*options.split(" | ")}
    assert main(["merge", str(best), "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/tiny"))

    # Whichever method wins: what is frozen is laid out, is clean, and builds the same.
    loaded = load_recipe(place / "tiny.merge")
    assert loaded.recipe is not None
    space = compile_space(loaded.recipe, "student")
    for values in trials[1:]:
        Path("values.json").write_text(json.dumps(values), encoding="utf-8")
        capsys.readouterr()
        freeze = ["freeze", "../tiny.merge", "--values", "values.json", "-o", "../frozen.merge"]
        assert main(freeze) == 0
        lint = main(["lint", "../frozen.merge", "--ignore", "D705,D706"])  # of the rows here
        assert lint == 0, capsys.readouterr().out + (place / "frozen.merge").read_text()
        again = load_recipe(place / "frozen.merge").recipe
        assert again is not None
        text = (place / "frozen.merge").read_text(encoding="utf-8")
        assert "when method" not in text and ("base base" in text) != (values[0] == "linear")
        assert fill(compile_space(again, "student"), (), 5) == fill(space, values, 5)
