"""plan: the JSON contract, and hours where a pace is known."""

import json
from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.facts import read_facts
from merge_dsl.search.journal import FILE_NAME, Header, Journal, Trial
from merge_dsl.space.estimate import estimate
from tests.merge_dsl.conftest import TASK, Lint, merge_recipe
from tests.merge_dsl.test_rules import ON_DEV

KEYS = ["dimensions", "genes", "trials", "generations", "memory_bytes", "disk_bytes"]


@pytest.fixture
def recipe(world: Path) -> Path:
    path = world / "plan.merge"
    path.write_text(merge_recipe(TASK))  # 1000 trials
    return path


def with_budget(recipe: Path, budget: str) -> Path:
    recipe.write_text(merge_recipe(TASK).replace("1000 trials", budget))
    return recipe


def plan(recipe: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    assert main(["plan", str(recipe), "--format", "json", *options]) == 0
    table: dict[str, object] = json.loads(capsys.readouterr().out)
    return table


def told(recipe: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["plan", str(recipe), *options]) == 0
    return capsys.readouterr().out


def test_a_pace_adds_to_the_contract_and_changes_nothing(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = plan(recipe, capsys)
    assert list(bare) == KEYS
    paced = plan(recipe, capsys, "--seconds-per-trial", "36")
    assert list(paced) == [*KEYS, "seconds_per_trial", "hours"]
    assert (paced["seconds_per_trial"], paced["hours"]) == (36.0, 10.0)
    assert {key: paced[key] for key in KEYS} == bare


@pytest.mark.parametrize(
    ("budget", "hours", "said"),
    [
        ("1000 trials", 10.0, "hours 10, at 36 s a trial (as given)"),
        ("1000 trials or 2h", 2.0, "hours 2, time for 200 trials, at 36 s a trial (as given)"),
        ("1000 trials or 48h", 10.0, "hours 10, at 36 s a trial (as given)"),
        ("30min", 0.5, "hours 0.5, time for 50 trials, at 36 s a trial (as given)"),
        ("25 generations", 1.0, "hours 1, at 36 s a trial (as given)"),
    ],
)
def test_hours(
    recipe: Path, budget: str, hours: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with_budget(recipe, budget)
    assert plan(recipe, capsys, "--seconds-per-trial", "36")["hours"] == hours
    assert said in told(recipe, capsys, "--seconds-per-trial", "36").splitlines()


@pytest.mark.parametrize(("said", "size"), [("", 4), (" { dtype = bf16 }", 2)])
def test_disk_is_in_the_type_of_the_write_else_of_the_parents(
    recipe: Path, said: str, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(merge_recipe(TASK) + f'write student to "out"{said}\n')
    facts = read_facts(recipe.parent / "eyes")  # the largest, in fp32
    assert facts.parameters
    assert plan(recipe, capsys)["disk_bytes"] == size * facts.parameters


def test_the_text_says_memory_and_disk(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = plan(recipe, capsys)
    text = told(recipe, capsys)
    assert f"memory {table['memory_bytes']} bytes, disk {table['disk_bytes']} bytes" in text
    assert "hours" not in text


def test_the_pace_of_a_run(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def trial(number: int, seconds: float, **fields: object) -> Trial:
        base = {"score": 1.0, "seconds": seconds} | fields
        return Trial(number, 0, (0.5,), (0.5,), "digest", **base)  # type: ignore[arg-type]

    options = ("--run", str(tmp_path))
    assert main(["plan", str(recipe), *options]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with Journal(tmp_path / FILE_NAME, Header("x", 1, ("g",), "e")) as journal:
        assert main(["plan", str(recipe), *options]) == 2
        assert "has no trial yet" in capsys.readouterr().err
        for number, seconds in enumerate((30.0, 36.0, 900.0)):
            journal.append(trial(number, seconds))
        journal.append(trial(3, 0.0, repeats=0))
        journal.append(trial(4, 0.1, score=None))
    table = plan(recipe, capsys, *options)
    assert (table["seconds_per_trial"], table["hours"]) == (36.0, 10.0)
    said = f"hours 10, at 36 s a trial (the median of 3 trials in {tmp_path})"
    assert said in told(recipe, capsys, *options)


@pytest.mark.parametrize("number", ["0", "-1", "inf", "nan", "many"])
def test_a_pace_that_is_none(recipe: Path, number: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", str(recipe), "--seconds-per-trial", number])
    assert stopped.value.code == 2


def test_a_recipe_without_a_search(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(merge_recipe(TASK, tail=""))
    assert plan(recipe, capsys, "--seconds-per-trial", "36")["hours"] is None
    assert "hours" not in told(recipe, capsys, "--seconds-per-trial", "36")


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("3 trials", "3 trials in 1 generation"),
        ("1 trial", "1 trial in 1 generation"),
        ("9 trials or 5min", "at most 5 min"),
        ("9 trials or 90min", "at most 1.5 h"),
        ("9 trials or 2d", "at most 48 h"),
        ("9 trials or 30s", "at most 30 s"),
    ],
)
def test_counts_and_times_are_spoken(
    recipe: Path, budget: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with_budget(recipe, budget)
    assert any(line.endswith(said) for line in told(recipe, capsys).splitlines())


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_what_is_measured_counts_in_memory(lint: Lint, method: str) -> None:
    recipe = lint(ON_DEV.replace("by fisher", f"by {method}")).recipe
    assert recipe is not None
    facts = {name: model.facts for name, model in recipe.models.items()}
    eyes, tongue = facts["eyes"], facts["tongue"]
    assert eyes and tongue and eyes.parameters and tongue.parameters
    kept = eyes.parameters + tongue.parameters
    if method == "regmean":
        assert eyes.hidden and eyes.intermediate and eyes.layers
        kept = 2 * eyes.layers * (6 * eyes.hidden**2 + eyes.intermediate**2)
    held = 2 * eyes.parameters + tongue.parameters  # and the candidate, which is as large as eyes
    assert estimate(recipe, "student", 1).memory_bytes == 4 * (held + kept)
