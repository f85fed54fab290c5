"""Which run is the same run, who is reported, and where a run and its model may lie."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.cli import main
from tests.vlm.conftest import Told, save_llava
from tests.vlm.tiny import (
    BLEND,
    KEEP,
    NO_REPORT,
    OBJECTIVE,
    QUICK,
    SHORT,
    changed,
    done,
    records,
    save_rows,
    weights,
)


def scores(run: str = "runs/tiny") -> list[Any]:
    return [one["score"] for one in records(Path(run)) if one["kind"] == "trial"]


def cut(run: str, lines: int) -> None:
    """As a kill would leave it: some trials, and nothing that comes after them."""
    journal = Path(run) / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:lines]))
    for name in ("report.json", "best.merge"):
        (Path(run) / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OBJECTIVE, "rouge_l on looked_at"),
        ("maximize", "minimize"),
        ("0.5 * rouge_l", "0.25 * rouge_l"),
        ("sigma = 0.2", "sigma = 0.3"),
        ("cma_es(sigma = 0.2)", "random"),
        ("density = 0.2..1.0", "density = 0.1..1.0"),
    ],
)
def test_another_search_does_not_go_on_with_this_one(
    old: str, new: str, place: Path, told: Told
) -> None:
    done(place, SHORT)
    assert old in SHORT
    assert "other recipe" in told(SHORT.replace(old, new))  # finished
    cut("runs/tiny", 4)
    assert "other recipe" in told(SHORT.replace(old, new))  # stopped
    assert len(scores()) == 3


def test_another_seed_tokenizer_or_budget(place: Path, told: Told) -> None:
    real = (place / "eyes").resolve()
    (place / "eyes").unlink()
    shutil.copytree(real, place / "eyes")
    done(place, QUICK)
    assert "holds a run with other seed" in told(QUICK, "--seed", "9")
    assert "holds 5 trials, and the budget is 3" in told(QUICK, "--trials", "3")
    cut("runs/tiny", 4)
    assert "holds 3 trials, and the budget is 2" in told(QUICK, "--trials", "2")
    template = place / "eyes" / "chat_template.jinja"
    before = template.read_text()
    template.write_text("X" + before)
    assert "other models, data, device or dtype" in told(QUICK)
    template.write_text(before)
    done(place, QUICK)


def test_a_run_without_a_report_is_finished_too(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(place, NO_REPORT)
    before = (Path("out/tiny") / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    done(place, NO_REPORT)
    assert "holds a finished run, 6 trials; --run" in capsys.readouterr().out
    assert (Path("out/tiny") / "model.safetensors").stat().st_mtime_ns == before
    Path("runs/tiny/best.merge").unlink()
    done(place, NO_REPORT)
    assert "replacing out/tiny" in capsys.readouterr().err
    assert Path("runs/tiny/best.merge").exists()


def test_trials_on_the_command_line_are_the_whole_budget(place: Path) -> None:
    done(place, NO_REPORT.replace("5 trials", "1ms"), "--trials", "6")
    assert len(scores()) == 7  # and the mean's


def test_a_foreign_report_finishes_nothing(place: Path) -> None:
    Path("report.json").write_text("{}")
    done(place, QUICK, "--run", ".")
    assert json.loads(Path("report.json").read_text())["recipe"] == "tiny"


def test_candidates_that_see_differently_score_differently(
    place: Path, tokenizer: Any, tmp_path: Path
) -> None:
    save_llava(place / "eyes2", tokenizer, seed=4)
    parts = {
        "vision": "keep projector, embed, language.layers, head from eyes",
        "projector": "keep vision, embed, language.layers, head from eyes",
    }
    for part, keep in parts.items():
        blend = (
            f"  {part} by linear {{\n    take eyes {{ weight = 0.1..1.0 start 0.5 }}\n"
            "    take eyes2 { weight = 0.1..1.0 start 0.5 }\n  }\n"
        )
        text = QUICK.replace(KEEP, keep).replace(BLEND, blend)
        text = text.replace('model base from "file:base"\nmodel eyes', "model eyes")
        text = text.replace('model tongue from "file:tongue"', 'model eyes2 from "file:eyes2"')
        done(place, text, "--run", part)
        assert len(set(scores(part))) == 6
        report = json.loads((Path(part) / "report.json").read_text())
        assert [m["name"] for m in report["models"] if m["role"] == "baseline"] == [
            "graft", "linear 1/2", "linear 3/4",
        ]  # fmt: skip
        shutil.rmtree("out")


def test_both_ingredients_may_be_kept(place: Path) -> None:
    keep = "keep vision, projector from eyes\n  keep embed, head from tongue"
    done(place, QUICK.replace(KEEP, keep))
    report = json.loads(Path("runs/tiny/report.json").read_text())
    assert [m["name"] for m in report["models"] if m["role"] == "baseline"] == [
        "graft", "linear 1/2", "linear 3/4", "task arithmetic", "ties", "dare_ties",
    ]  # fmt: skip


def test_a_start_without_a_blend_is_one_failed_trial(place: Path) -> None:
    blend = (
        "  language.layers by linear {\n    each { weight = -1.0..1.0 start 0.0 }\n"
        "    take eyes.language\n    take tongue\n  }\n"
    )
    text = NO_REPORT.replace(BLEND, blend).replace('model base from "file:base"\n', "")
    done(place, text)
    assert any(score is not None for score in scores())


def test_a_rival_without_a_blend_is_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlm.errors import MergeError
    from vlm.evaluator import Evaluator

    real = Evaluator.taste_candidate

    def taste(self: Evaluator, candidate: Any, *rest: Any) -> Any:
        if candidate.blends[0].method == "ties":
            raise MergeError("these weights sum to zero", "change one")
        return real(self, candidate, *rest)

    monkeypatch.setattr(Evaluator, "taste_candidate", taste)
    done(place, QUICK)
    report = json.loads(Path("runs/tiny/report.json").read_text())
    assert "ties" not in [model["name"] for model in report["models"]]
    assert "ties is left out: these weights sum to zero." in report["notes"]


def test_data_of_a_report_may_be_mended(place: Path) -> None:
    done(place, QUICK)
    cut("runs/tiny", 4)
    save_rows(place / "rows.parquet", changed(5, answers=["another"]))
    done(place, QUICK)


def test_where_a_model_may_go(place: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a parent is never written over" in told(QUICK.replace("out/tiny", "../tongue"))
    assert "is the run's own folder" in told(QUICK.replace("out/tiny", "runs"))
    assert not Path("runs").exists()
    monkeypatch.setenv("HOME", str(place / "home"))
    done(place, NO_REPORT.replace("out/tiny", "~/m"))
    assert (place / "home" / "m" / "model.safetensors").exists()


def test_homes_and_links_survive_the_move_into_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(place))
    (place / "scratch" / "deep" / "er").mkdir(parents=True)
    Path("runs").symlink_to(place / "scratch" / "deep" / "er")
    done(place, NO_REPORT.replace("file:base", "file:~/base"))
    assert '"file:~/base"' in Path("runs/tiny/best.merge").read_text()
    assert main(["merge", "runs/tiny/best.merge", "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/tiny"))


def test_a_parent_without_a_score_is_reported_all_the_same(place: Path) -> None:
    from safetensors.torch import load_file, save_file

    real = (place / "tongue").resolve()
    (place / "tongue").unlink()
    shutil.copytree(real, place / "tongue")
    tensors = load_file(place / "tongue" / "model.safetensors")
    tensors["lm_head.weight"][:] = float("nan")
    save_file(tensors, place / "tongue" / "model.safetensors", metadata={"format": "pt"})
    done(place, QUICK.replace("exact_match on", "log_likelihood on"))
    report = json.loads(Path("runs/tiny/report.json").read_text(), parse_constant=pytest.fail)
    values = {model["name"]: model["scores"][0]["value"] for model in report["models"]}
    assert values["tongue"] is None and values["evolved"] is not None
