"""`awase explain`: the page of a rule, and the list of all."""

import pytest

from merge_dsl.cli import main
from merge_dsl.text.codes import CODES
from merge_dsl.tools import rule_pages


@pytest.mark.parametrize("word", ["X301", "x301", "backwards-range"])
def test_a_page(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", word]) == 0
    assert capsys.readouterr().out == rule_pages.page_path("X301").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [[], ["--all"], ["X301", "--all"]])
def test_the_list(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(CODES)
    assert "X301  error    backwards-range" in lines


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("X30", "X3"),
        ("backward-range", "backwards-range"),
        ("", ""),
        ("../X301", ""),
        ("x" * 10**5, ""),
    ],
)
def test_no_such_rule(word: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", word]) == 2
    shown = capsys.readouterr().err
    assert "there is no rule" in shown and (not meant or f"did you mean {meant}" in shown)


def test_an_installation_without_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rule_pages, "PLACES", ())
    assert main(["explain", "X301"]) == 2
    assert "install awase anew" in capsys.readouterr().err
