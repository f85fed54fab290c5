"""Several steps in one recipe: each is made of what those before it have made."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from merge_dsl.cli import main
from tests.vlm.tiny import RECIPE, done, evolve, records, weights

HEAD = RECIPE[: RECIPE.index("merge student")]
BLEND = """merge student {
  keep vision, projector, embed, head from eyes
  language.layers by task_arithmetic {
    base base
    take eyes.language { weight = 0.0..1.0 start 0.5 }
    take tongue { weight = 0.0..1.0 start 0.5 }
  }
}

search student {
  maximize log_likelihood on looked_at
  by = cma_es(sigma = 0.2)
  budget = 5 trials
  seed = 5
}

report student { log_likelihood on reported }

"""
HALF = """merge half {
  keep vision, projector, embed, head from student
  language.layers by linear {
    take student.language { weight = 0.5 }
    take tongue { weight = 0.5 }
  }
}

"""
ROAD = """route road {
  begin student
  path student.language.layers[0] -> maybe half.language.layers[1] scale 0.8..1.2
    -> student.language.layers[1..2]
  end student
}

search road {
  maximize log_likelihood on looked_at
  by = cma_es(sigma = 0.2)
  budget = 5 trials
  seed = 6
}

report road { log_likelihood on reported }

write road to "out/tiny" { dtype = fp32 }
"""
STEPS = HEAD + BLEND + HALF + ROAD
RUN = Path("runs/tiny")


def test_a_road_through_what_a_search_has_blended(place: Path) -> None:
    done(place, STEPS)
    report = json.loads((RUN / "report.json").read_text())
    names = [(model["name"], model["role"]) for model in report["models"]]
    assert names == [
        ("base", "parent"), ("eyes", "parent"), ("tongue", "parent"), ("student", "parent"),
        ("half", "parent"), ("road at its start", "baseline"), ("frankenmerge", "baseline"),
        ("evolved", "evolved"),
    ]  # fmt: skip
    first = json.loads((RUN / "student" / "report.json").read_text())
    score = {model["name"]: model["scores"][0]["value"] for model in report["models"]}
    assert first["models"][-1]["scores"][0]["value"] == score["student"]
    with safe_open(Path("out/tiny/model.safetensors"), "numpy") as file:
        names_in_file = list(file.keys())
    spoken = [name for name in names_in_file if "language_model" in name and ".layers." in name]
    layers = {name.split(".layers.")[1][0] for name in spoken}
    assert layers in ({"0", "1", "2"}, {"0", "1", "2", "3"})

    best = (RUN / "best.merge").read_text()
    assert ".." not in best.partition("merge student")[2].replace("layers[1..2]", "")
    assert main(["merge", str(RUN / "best.merge"), "--out", "again", "--quiet"]) == 0
    assert weights(Path("out/tiny")) == weights(Path("again"))
    assert sorted(path.name for path in Path().iterdir()) == ["again", "out", "runs"]


def test_a_stopped_run_goes_on_in_the_step_where_it_was(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(place, STEPS)
    whole = [records(RUN / "student"), records(RUN)]
    capsys.readouterr()
    assert evolve() == 0
    assert capsys.readouterr().out.count("holds a finished run, 6 trials") == 2
    weight = RUN / "student" / "model" / "model.safetensors"
    made = weight.read_bytes()

    for folder, left in ((RUN / "student", 3), (RUN, 4)):
        journal = folder / "journal.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:left]))
    weight.unlink()
    assert evolve() == 0
    assert [records(RUN / "student"), records(RUN)] == whole
    assert weight.read_bytes() == made


def test_a_written_step_lies_where_the_recipe_says(place: Path) -> None:
    done(place, STEPS + 'write student to "out/student" { dtype = fp16 }\n')
    assert Path("out/student/merge_recipe.merge").exists() and not (RUN / "student/model").exists()
    assert main(["merge", str(RUN / "best.merge"), "--out", "again", "--quiet"]) == 0
    assert weights(Path("out/tiny")) == weights(Path("again"))  # the step was rounded there, too


def test_a_last_step_without_a_search_is_built_of_the_winners(place: Path) -> None:
    done(place, HEAD + BLEND + HALF + 'write half to "out/half" { dtype = fp32 }\n')
    origins = json.loads(Path("out/half/merge_origins.json").read_text())
    assert origins["models"]["student"]["from"] == "an earlier step of this recipe"
    assert set(origins["models"]["student"]["models"]) == {"base", "eyes", "tongue"}
    assert main(["merge", str(RUN / "best.merge"), "--out", "again", "--quiet"]) == 0
    assert weights(Path("out/half")) == weights(Path("again"))


def test_a_later_search_is_reported_beside_the_winner_of_an_earlier_one(place: Path) -> None:
    other = BLEND.replace("student", "other").replace("task_arithmetic", "ties")
    done(place, HEAD + BLEND + other.replace("weight = 0.0..1.0", "weight = 0.2..0.9"))
    report = json.loads((RUN / "report.json").read_text())
    roles = {model["name"]: model["role"] for model in report["models"]}
    assert roles["student"] == "baseline" and roles["evolved"] == "evolved"


def test_a_step_with_holes_is_not_merged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "tiny.merge"
    path.write_text(STEPS)
    assert main(["merge", str(path), "--out", "again"]) == 1
    assert "student has 2 holes to fill" in capsys.readouterr().err
    assert not Path("again").exists()


def test_steps_are_gone_through_before_the_first_is_searched(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = STEPS.replace("merge student", "let share = 0.0..1.0\n\nmerge student", 1)
    shared = shared.replace("weight = 0.0..1.0 start 0.5", "weight = share")
    shared = shared.replace("maybe half", "half").replace("scale 0.8..1.2", "scale share")
    (place / "tiny.merge").write_text(shared)
    assert evolve() == 1
    assert "road has no holes: an earlier search draws" in capsys.readouterr().err
    assert not RUN.exists()
