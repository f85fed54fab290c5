"""The whole thread on a route: evolve, stop, go on, rebuild, report; and what goes wrong."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from merge_dsl.cli import main
from tests.vlm.conftest import Told, save_language_model, save_llava
from tests.vlm.route.tiny_road import DRAWN, MODELS, POOL, TAIL, recipe
from tests.vlm.tiny import done, records, weights
from vlm.reader import open_reader
from vlm.route.code import is_ours


@pytest.fixture(autouse=True)
def louder(road: Path) -> None:
    """Every test here runs on them."""


@pytest.mark.parametrize("hops", [DRAWN, POOL])
def test_the_thread(hops: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(place, recipe(hops))
    run, out = Path("runs/tiny"), Path("out/tiny")
    assert "its logits differ by" in capsys.readouterr().out
    report = json.loads((run / "report.json").read_text())
    names = [(model["name"], model["role"]) for model in report["models"]]
    rivals = [("road at its start", "baseline")] if hops == DRAWN else []
    assert names == [
        ("eyes", "parent"), ("tongue", "parent"), *rivals, ("frankenmerge", "baseline"),
        ("evolved", "evolved"),
    ]  # fmt: skip
    trials = [one for one in records(run) if one["kind"] == "trial"]
    assert len(trials) == 15 and len({one["digest"] for one in trials}) > 5
    for one in trials:
        assert (one["score"] is None) == (one["excess"] is not None), one
    best = (run / "best.merge").read_text()
    assert "# a comment that stays" in best and "flag" not in best and "maybe" not in best
    assert main(["merge", str(run / "best.merge"), "--out", "again"]) == 0
    assert weights(out) == weights(Path("again")) and weights(out)
    origins = json.loads((out / "merge_origins.json").read_text())
    config = json.loads((out / "config.json").read_text())
    assert len(origins["hops"]) == config["text_config"]["num_hidden_layers"]
    assert origins["hops"][0] == {"take": "eyes.language.layers.0", "scale": 1.0}
    assert set(origins["models"]) <= {"eyes", "tongue"} and origins["begin"] == "eyes"
    card = (out / "README.md").read_text()
    assert f"a road through {len(origins['hops'])} language layers" in card
    assert "trust_remote_code" not in card
    score = {one["digest"]: one["score"] for one in trials}
    winner = max(value for value in score.values() if isinstance(value, float))
    # what is reported was reopened from the disk; the search looked at other rows
    assert winner < 0 and report["models"][-1]["scores"][1]["value"] < 0

    before = (run / "journal.jsonl").read_bytes()
    done(place, recipe(hops))
    assert (run / "journal.jsonl").read_bytes() == before
    done(place, recipe(hops), "--run", "second")
    assert records(run) == records(Path("second"))


@pytest.mark.parametrize("hops", [DRAWN, POOL])
def test_a_stopped_run_goes_on(hops: str, place: Path) -> None:
    done(place, recipe(hops))
    whole = records(Path("runs/tiny"))
    journal = Path("runs/tiny/journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:6]) + b'{"crc')
    Path("runs/tiny/report.json").unlink()
    done(place, recipe(hops))
    assert records(Path("runs/tiny")) == whole


def test_equal_walks_are_scored_once(place: Path) -> None:
    plain = POOL.replace("  scale = 0.5..1.5 start 1.0 per hop\n", "").replace("repeat = 2\n  ", "")
    done(place, recipe(plain, TAIL.replace("14 trials", "30 trials")))
    trials = [one for one in records(Path("runs/tiny")) if one["kind"] == "trial"]
    first: dict[object, object] = {}
    for one in trials:
        assert one["repeats"] == first.get(one["digest"])
        first.setdefault(one["digest"], one["number"])
    assert len(first) < len(trials)


def test_a_walk_that_no_ordinary_checkpoint_can_hold_leaves_with_code(
    place: Path, tokenizer: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "tongue").unlink()
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
    save_language_model(place / "tongue", tokenizer, seed=9, **rope)  # type: ignore[arg-type]
    done(place, recipe(DRAWN))
    said = capsys.readouterr().out
    assert "it opens with trust_remote_code=True alone: no ordinary checkpoint can hold" in said
    assert "tongue turns positions by other angles than eyes" in said
    report = json.loads(Path("runs/tiny/report.json").read_text())
    assert report["models"][-1]["role"] == "evolved"
    assert not any("scored from memory" in note for note in report["notes"])
    assert is_ours(Path("out/tiny")) and open_reader(Path("out/tiny"), True).tokenizer
    assert main(["merge", "runs/tiny/best.merge", "--out", "again"]) == 0
    assert weights(Path("out/tiny")) == weights(Path("again")) and weights(Path("again"))


def test_roads_that_do_not_run(place: Path, told: Told) -> None:
    said = told(recipe(DRAWN.replace("layers[2]", "layers[3]")))
    assert "M402" in said
    assert not Path("runs").exists()
    said = told(recipe(DRAWN.replace("require layers <= 6", "require layers >= 20")))
    assert "layers do not meet `require layers >= 20`" in said and "Traceback" not in said
    assert not Path("out/tiny").exists()


def test_a_stream_too_small_to_fold_is_named(
    place: Path, parents: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("eyes", "tongue"):
        (place / name).unlink()
        (place / name).symlink_to(parents[name])
    done(place, recipe(POOL))
    said = capsys.readouterr().out
    assert "it opens with trust_remote_code=True alone" in said
    assert "the stream is so small that the norm's epsilon is" in said
    assert is_ours(Path("out/tiny")) and Path("runs/tiny/report.json").exists()


def test_a_frozen_road_may_require_too_much(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hops = "  begin eyes\n  path eyes.language.layers\n  end eyes\n  require layers > 3\n"
    (place / "tiny.merge").write_text(recipe(hops).split("search road")[0] + 'write road to "o"\n')
    assert main(["merge", "../tiny.merge"]) == 1
    assert "3 layers do not meet `require layers > 3`" in capsys.readouterr().err


def test_a_road_of_a_hundred_hops(
    place: Path, tokenizer: object, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(("left", "right")):
        sizes = {"num_hidden_layers": 30, "hidden_size": 16, "intermediate_size": 16,
                 "initializer_range": 0.2}  # fmt: skip
        save_language_model(place / name, tokenizer, seed=seed, **sizes)  # type: ignore[arg-type]
    models = 'recipe tiny\n\nmodel left from "file:left"\nmodel right from "file:right"\n\n'
    hops = (
        "  begin left\n  path left.layers[0..19]\n"
        "    -> (right.layers[10..19] -> maybe left.layers[10..19]) x 3 scale 0.9..1.1\n"
        "    -> right.layers[20..29]\n    -> left.layers[20..29]\n"
        "  end right\n  require layers >= 70\n"
    )
    tail = TAIL.replace("14 trials", "6 trials").replace("  exact_match on reported\n", "")
    text = recipe(hops, tail, models)
    (place / "tiny.merge").write_text(text)
    assert main(["lint", "../tiny.merge"]) == 0
    capsys.readouterr()
    assert main(["plan", "../tiny.merge", "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [gene["kind"] for gene in plan["genes"]] == ["flag", "real"] and plan["disk_bytes"] > 0
    done(place, text)
    assert "100 layers; reopened, its logits differ by" in capsys.readouterr().out
    config = json.loads(Path("out/tiny/config.json").read_text())
    assert config["num_hidden_layers"] == 100
    whole = records(Path("runs/tiny"))
    journal = Path("runs/tiny/journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    Path("runs/tiny/report.json").unlink()
    done(place, text)
    assert records(Path("runs/tiny")) == whole


def test_a_road_through_towers(place: Path, tokenizer: object) -> None:
    save_llava(place / "eyes2", tokenizer, seed=4)  # type: ignore[arg-type]
    hops = (
        "  begin eyes\n  path eyes.vision.layers[0] -> maybe eyes2.vision.layers[0..1]\n"
        "    -> maybe eyes.vision.layers[0]\n    -> eyes.vision.layers[1]\n  end eyes\n"
    )
    models = MODELS.replace('model tongue from "file:tongue"', 'model eyes2 from "file:eyes2"')
    done(place, recipe(hops, TAIL.replace("14 trials", "8 trials"), models))
    trials = [one for one in records(Path("runs/tiny")) if one["kind"] == "trial"]
    assert len({one["score"] for one in trials}) > 2  # pictures are looked at anew
    config = json.loads(Path("out/tiny/config.json").read_text())
    best = Path("runs/tiny/best.merge").read_text().split("search road")[0]
    longer = best.count("eyes2.vision.layers[0..1]") * 2 + best.count("-> eyes.vision.layers[0]")
    assert config["vision_config"]["num_hidden_layers"] == 2 + longer


def test_a_road_is_frozen_and_built_without_a_search(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "tiny.merge").write_text(recipe(POOL))
    assert main(["freeze", "../tiny.merge", "--start", "-o", "../frozen.merge"]) == 0
    assert "walk = [true, false, false, false" in (place / "frozen.merge").read_text()
    assert main(["merge", "../frozen.merge"]) == 0
    said = capsys.readouterr().out
    assert "3 layers; reopened, its logits differ by 0 from the walk's" in said
