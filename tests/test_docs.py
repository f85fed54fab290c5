"""The outputs in docs/commands.md are what the commands print."""

import argparse
import re
import shutil
from pathlib import Path

import pytest

from merge_dsl.cli import ARGUMENTS, main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "commands.md"
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(shown: str, printed: str) -> bool:
    """A line `…` stands for any lines."""
    pattern = r"(?:.*\n)*".join(map(re.escape, shown.split("…\n")))
    return re.fullmatch(pattern, printed) is not None


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    commands = 0
    for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
        info, body = fence["info"], fence["body"]
        if "file=" in info:
            (tmp_path / info.partition("file=")[2]).write_text(body, encoding="utf-8")
        elif info == "console":
            command, _, shown = body.partition("\n")
            assert command.startswith("$ awase ")
            main(command.split()[2:])
            said = capsys.readouterr()
            assert matches(shown, said.out + said.err), f"{command}\n{said.out}{said.err}"
            commands += 1
    assert commands >= 7


def test_every_command_has_a_section() -> None:
    sections = re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(ARGUMENTS)


@pytest.mark.parametrize("command", ARGUMENTS)
def test_every_option_is_on_the_page(command: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {command}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    said = page.partition("\n## ")[0] + section
    options = argparse.ArgumentParser()
    ARGUMENTS[command](options.add_subparsers().add_parser)
    (commands,) = [a for a in options._actions if isinstance(a, argparse._SubParsersAction)]
    for action in commands.choices[command]._actions:
        longest = max(action.option_strings, key=len, default="--help")
        short = f"{action.option_strings[0]} " if action.option_strings else ""
        known = longest in said or (short.startswith("-o") and short in said)
        assert known or longest in ("--help", "--stdio"), (command, longest)


def test_the_examples_of_the_language_lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    fences = [fence for fence in FENCE.finditer(page) if fence["info"].startswith("merge")]
    (prelude,) = [fence["body"] for fence in fences if fence["info"] == "merge prelude"]
    examples = [fence["body"] for fence in fences if fence["info"] == "merge"]
    assert len(examples) >= 5
    monkeypatch.chdir(tmp_path)
    for fence in fences:
        if "file=" in fence["info"]:  # one that an example uses
            Path(fence["info"].partition("file=")[2]).write_text(fence["body"], encoding="utf-8")
    for number, body in enumerate(examples):
        Path("example.merge").write_text(f"{prelude}\n{body}", encoding="utf-8")
        # N103: an example need not use all of the prelude; the others speak of searches to come.
        unfinished = ["--ignore", "N103,D706,X312,N199,F901,R604,X307"]
        assert main(["lint", "example.merge", *unfinished]) == 0, (number, capsys.readouterr())
