"""The command: exit codes, contracts, and no traceback for any mistake of a user."""

import json
from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.text.format import layout
from tests.merge_dsl.conftest import TASK, merge_recipe


@pytest.fixture
def recipe(world: Path) -> Path:
    path = world / "cli.merge"
    path.write_text(layout(merge_recipe(TASK)))
    return path


def test_lint_exits_as_it_says(
    recipe: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", str(recipe)]) == 0
    assert capsys.readouterr().out == ""
    bad = world / "bad.merge"
    bad.write_text(recipe.read_text().replace("take tongue", "take tonge"))
    assert main(["lint", str(bad), "--format", "json"]) == 1
    assert [entry["code"] for entry in json.loads(capsys.readouterr().out)] == ["N101"]
    assert main(["lint", str(recipe), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["lint", str(world / "none.merge")]) == 2
    bad.unlink()


def test_lint_reads_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path)]) == 2
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.merge").write_text("recipe a\n")
    (tmp_path / "b.merge").write_text("nonsense\n")
    assert main(["lint", str(tmp_path), "--format", "concise"]) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_notes_are_no_findings(tmp_path: Path) -> None:
    path = tmp_path / "a.merge"
    path.write_text('recipe a\n\ndata d from "file:none.jsonl"\n')
    assert main(["lint", str(path)]) == 0


def test_plan(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(recipe), "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert list(plan) == [
        "dimensions", "genes", "trials", "generations", "memory_bytes", "disk_bytes",
    ]  # fmt: skip
    assert plan["genes"] == [
        {"name": "eyes.weight", "kind": "real", "low": 0.0, "high": 1.0, "start": 0.5}
    ]
    assert (plan["dimensions"], plan["trials"], plan["generations"]) == (1, 1000, 250)
    assert plan["memory_bytes"] > plan["disk_bytes"] > 0
    assert main(["plan", str(recipe)]) == 0
    assert "eyes.weight" in capsys.readouterr().out


def test_plan_counts_what_cannot_run(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = world / "road.merge"
    path.write_text(
        'recipe a\nmodel base from "file:base"\nmerge m { keep language from base }\n'
        "route r {\n  begin base\n"
        "  path base.layers[0..1] -> maybe base.layers[2] -> m.layers[3]\n  end base\n}\n"
        'write r to "out"\n'
    )
    assert main(["plan", str(path), "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [gene["name"] for gene in plan["genes"]] == ["base[2].maybe"]
    assert main(["evolve", str(path)]) == 1
    assert "nothing says how r is searched" in capsys.readouterr().err
    path.write_text("recipe a\n")
    assert main(["plan", str(path)]) == 1
    path.unlink()


def test_freeze(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freeze", str(recipe), "--start"]) == 0
    assert "{ weight = 0.5 }" in capsys.readouterr().out
    values = tmp_path / "v.json"
    values.write_text('{"eyes.weight": 0.25}')
    out = tmp_path / "best.merge"
    assert main(["freeze", str(recipe), "--values", str(values), "-o", str(out)]) == 0
    assert "{ weight = 0.25 }" in out.read_text()
    assert main(["lint", str(out), "--format", "concise"]) == 0  # the search is no finding there
    said = capsys.readouterr().out
    assert "X305" in said and "N108" not in said  # and nothing is missing in its new folder


@pytest.mark.parametrize(
    "content",
    ["", "3", "[1, 2]", '{"no.gene": 1}', '{"eyes.weight": "a"}', '{"eyes.weight": true}'],
)
def test_values_that_do_not_fit(recipe: Path, tmp_path: Path, content: str) -> None:
    values = tmp_path / "v.json"
    values.write_text(content)
    assert main(["freeze", str(recipe), "--values", str(values)]) == 2
    assert main(["freeze", str(recipe), "--values", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize(
    ("hole", "value", "said"),
    [
        ("0.0..1.0", "7", "between 0 and 1, and 7 is not"),
        ("0.0..1.0", "NaN", "between 0 and 1"),
        ("0.0..1.0", "-0.001", "between 0 and 1"),
        ("log 0.1..1.0", "0", "between 0.1 and 1"),
        ("int 0..3", "1.5", "a whole number between 0 and 3"),
        ("0.0..1.0 step 0.25", "0.3", "in steps of 0.25 from 0"),
    ],
)
def test_a_value_outside_its_range_is_refused(
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    hole: str,
    value: str,
    said: str,
) -> None:
    recipe.write_text(recipe.read_text().replace("0.0..1.0", hole))
    values, out = tmp_path / "v.json", tmp_path / "best.merge"
    for table in (f'{{"eyes.weight": {value}}}', f"[{value}]"):
        values.write_text(table)
        assert main(["freeze", str(recipe), "--values", str(values), "-o", str(out)]) == 1
        told = capsys.readouterr().err
        assert "v.json: eyes.weight is a" in told and said in told and "= help: " in told
    assert not out.exists()


@pytest.mark.parametrize("command", [["plan"], ["freeze", "--start"]])
def test_a_recipe_with_mistakes_is_a_finding(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.merge"
    path.write_text("recipe a\nmodel\n")
    assert main([*command, str(path)]) == 1
    assert "bad.merge:2:6: S002" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "none.merge")]) == 2


def test_bad_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    evolve = ["evolve", "x"]
    counts = (["--seed", "-1"], ["--trials", "0"], ["--trials", "-3"], ["--trials", "many"])
    for arguments in (["nonsense"], ["lint"], ["freeze", "x"], *(evolve + c for c in counts)):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    assert main([]) == 2


COMMANDS = ["lint", "fmt", "plan", "show", "lock", "evolve", "merge", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_syntax_is_a_finding_and_a_file_that_is_not_there_is_said_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.merge"
    path.write_text("recipe a\nmodel\n")
    # `export` keeps 1 for what mergekit has no word for.
    assert main([command, str(path)]) == (2 if command == "export" else 1)
    capsys.readouterr()
    assert main([command, str(tmp_path / "none.merge")]) == 2
    said = "".join(capsys.readouterr())
    assert said.count("none.merge") == 2 and "mistakes" not in said  # its place, and the sentence
    assert main([command, "/dev/null"]) == 2
    assert "/dev/null is no file of text" in "".join(capsys.readouterr())


def test_a_model_that_is_not_here_is_said_once(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = merge_recipe(TASK).replace('"file:tongue"', '"hf:org/none"')
    path = world / "missing.merge"
    path.write_text(text.replace("embed, head from eyes", "embed, head from tongue"))
    assert main(["evolve", str(path)]) == 2
    assert capsys.readouterr().err.count("M410") == 1
    path.write_text(text.replace('"file:base"', '"hf:org/none"').replace("file:eyes", "hf:org/one"))
    assert main(["plan", str(path)]) == 2
    assert "--download" in capsys.readouterr().err
    path.unlink()
