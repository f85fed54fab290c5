"""What a command line says in place of a recipe's own words: `--set` and `--with`."""

import json
from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.instead import address_words

RECIPE = """recipe r

model eyes from "zoo:emoji-vlm-en"
model tongue from "hf:nobody/has-this"

let share = 0.2..0.8

merge student {
  keep vision, projector, embed, head from eyes

  language.layers by linear {
    take eyes.language { weight = 1 - share }
    take tongue { weight = share }
  }
}

write student to "out/r"
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("r.merge").write_text(RECIPE, encoding="utf-8")
    return "r.merge"


def genes(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, float]]:
    capsys.readouterr()
    assert main(["plan", *arguments, "--format", "json"]) == 0
    planned = json.loads(capsys.readouterr().out)["genes"]
    return [(gene["name"], gene["high"]) for gene in planned]


def test_a_let_has_another_value(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert genes(capsys, recipe) == [("share", 0.8)]
    assert genes(capsys, recipe, "--set", "share=0.1..0.5") == [("share", 0.5)]
    assert genes(capsys, recipe, "--set", "share=0.4") == []


def test_a_model_stands_in_for_another(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in = ["--with", "tongue=zoo:emoji-llm-ja"]
    assert main(["show", recipe, *stand_in]) == 0
    shown = capsys.readouterr().out
    assert "zoo:emoji-llm-ja" in shown and "nobody" not in shown
    assert main(["merge", recipe, "--set", "share=0.4"]) == 2  # the real one is not here
    assert "a model of `student` is not on this machine" in capsys.readouterr().err
    assert main(["merge", recipe, "--set", "share=0.4", *stand_in]) == 0
    written = Path("out/r/merge_recipe.merge").read_text(encoding="utf-8")
    assert 'model tongue from "zoo:emoji-llm-ja"' in written and "let share = 0.4" in written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "shar=0.4"], "there is no `let`, model or data `shar`"),
        (["--with", "tonge=zoo:emoji-llm-ja"], "did you mean `tongue`?"),
        (["--set", "share"], "--set share: write NAME=…"),
        (["--with", "=x"], "--with =x: write NAME=…"),
        (["--with", 'tongue=a"b'], "is no address that a recipe can hold"),
        (["--set", "share=0.9..0.1"], "X301"),
    ],
)
def test_mistakes(
    arguments: list[str], said: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", recipe, *arguments]) in (1, 2)
    assert said in capsys.readouterr().err


def test_a_path_starts_where_the_command_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert address_words("models/mine") == f'"file:{tmp_path}/models/mine"'
    assert address_words("file:mine") == f'"file:{tmp_path}/mine"'
    assert address_words("hf:org/name") == '"hf:org/name"'


def test_what_is_brought_by_use_has_other_words(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("deep.merge").write_text("recipe deep\nlet far = 0.1..0.2\n", encoding="utf-8")
    Path("kin.merge").write_text(
        'recipe kin\nuse "deep.merge" as deep\nlet share = 0.2..0.8\n'
        'model tongue from "hf:nobody/has-this" { trained_on = ["x"]; remote_code = run }\n',
        encoding="utf-8",
    )
    use = 'use "kin.merge" as kin  # all of it\nlet kin_share = kin.deep.far\n'
    text = RECIPE.replace("let share = 0.2..0.8\n", use)
    text = text.replace('model tongue from "hf:nobody/has-this"\n', "")
    text = text.replace("take tongue {", "take kin.tongue {")
    Path("r.merge").write_text(text.replace("share }", "kin.share + kin_share }"), encoding="utf-8")
    assert genes(capsys, recipe) == [("kin.deep.far", 0.2), ("kin.share", 0.8)]
    other = ["--set", "kin.share=0.4..0.5", "--set", "kin.deep.far=0.3"]
    other += ["--with", "kin.tongue=zoo:emoji-llm-ja"]
    assert genes(capsys, recipe, *other) == [("kin_share_2", 0.5)]
    assert main(["show", recipe, *other]) == 0
    shown = capsys.readouterr().out
    assert 'model kin_tongue from "zoo:emoji-llm-ja"' in shown
    assert 'trained_on = ["x"]' in shown and "remote_code" not in shown
    assert main(["plan", recipe, "--set", "kin.shore=0.4"]) == 1
    assert "no `let`, model or data `kin.shore`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ('{ subset = "ja"; split = "test" }', '{ split = "test" }'),
        ('{ split = "test"; subset = "ja" }', '{ split = "test" }'),
        ('{ revision = "abc" }', None),
        ('{\n  subset = "ja"\n  split = "test"\n}', '{ split = "test" }'),
    ],
)
def test_what_was_said_of_the_other_address_goes(
    recipe: str, capsys: pytest.CaptureFixture[str], written: str, left: str | None
) -> None:
    line = f'data dev from "hf:nobody/has-this" {written}\n'
    Path("r.merge").write_text(RECIPE.replace("let share", f"{line}let share"), encoding="utf-8")
    Path("dev.jsonl").write_text('{"question": "?", "answer": "!", "split": "test"}\n')
    assert main(["show", recipe, "--with", "dev=dev.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "subset" not in shown and "revision" not in shown
    assert left is None or "".join(left.split()) in "".join(shown.split())
