"""`awase lint`: which findings are shown, what is mended, and what is refused."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from merge_dsl.cli import main

TEXT = """recipe tea

model leaf from "hf:org/leaf"
model idle from "hf:org/idle"

let share = 1.0..0.0

merge cup {
  keep language from leaf
}
"""
FOUND = ["M410", "N103", "X301"]  # of TEXT, but X301 hides N103


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tea.merge"
    path.write_text(TEXT.replace("1.0..0.0", "0.0..1.0"))
    return path


def codes(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    main(["lint", *map(str, arguments), "--format", "json"])
    return sorted(entry["code"] for entry in json.loads(capsys.readouterr().out))


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# ---- which findings ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], ["M410", "N103"]),
        (["--select", "N"], ["N103"]),
        (["--select", "N1,M410"], ["M410", "N103"]),
        (["--select", "N103", "--select", "M4"], ["M410", "N103"]),
        (["--ignore", "M"], ["N103"]),
        (["--ignore", "N", "--select", "N103"], ["N103"]),
        (["--ignore", "N103", "--select", "N"], []),
        (["--offline"], ["N103"]),
        (["--deep"], ["M410", "N103"]),
    ],
)
def test_select_and_ignore(
    recipe: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], left: list[str]
) -> None:
    assert codes(capsys, recipe, *arguments) == left


def test_what_is_ignored_is_no_finding(recipe: Path) -> None:
    assert main(["lint", str(recipe)]) == 1
    assert main(["lint", str(recipe), "--ignore", "N103"]) == 0


def test_a_text_that_does_not_parse_is_always_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.merge"
    path.write_text("recipe tea\nmodel\n")
    assert codes(capsys, path, "--ignore", "S", "--select", "X") == ["S002"]


@pytest.mark.parametrize("word", ["Z", "X9", "x301", "X301x", "", "X301,,D"])
@pytest.mark.parametrize("flag", ["--select", "--ignore"])
def test_a_rule_that_does_not_exist_is_refused(
    recipe: Path, capsys: pytest.CaptureFixture[str], flag: str, word: str
) -> None:
    assert main(["lint", str(recipe), flag, word]) == 2
    assert "there is no rule" in capsys.readouterr().err


def test_offline_reads_the_recipe_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tea.merge"
    path.write_text(
        'recipe tea\nmodel leaf from "file:none"\nmodel z from "zoo:none"\n'
        'data d from "file:none.jsonl"\nmodel x from "nonsense"\nmodel y from "hf:no/such/name"\n'
    )
    assert codes(capsys, path, "--offline", "--ignore", "F901") == [
        "N108",
        "N108",
    ]  # the two that are no addresses
    assert codes(capsys, path, "--ignore", "F901") == ["N108"] * 5


# ---- mending ----------------------------------------------------------------


def test_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tea.merge"
    path.write_text(
        TEXT.replace("model idle from", "model idle form").replace("\n", "\r\n"), newline=""
    )
    path.chmod(0o640)
    assert main(["lint", str(path), "--fix", "--format", "concise"]) == 1
    shown = capsys.readouterr()
    text = path.read_bytes().decode()
    assert text == TEXT.replace("1.0..0.0", "0.0..1.0")  # the house layout ends lines with LF
    assert "tea.merge:4:12: S001" in shown.err and "wrote `from`" in shown.err
    assert "tea.merge:6:13: X301 this range runs backwards: wrote `0.0..1.0`" in shown.err
    assert "N103" in shown.out and "X301" not in shown.out
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["tea.merge"]


def test_unsafe_fixes_are_made_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "tea.merge"
    path.write_text("recipe tea\n\nlet share = 0..1\n")
    main(["lint", str(path), "--fix"])
    assert "0..1\n" in path.read_text()
    assert main(["lint", str(path), "--unsafe-fixes"]) == 0
    assert "0.0..1.0\n" in path.read_text()


def test_only_what_is_shown_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "tea.merge"
    path.write_text(TEXT)
    assert main(["lint", str(path), "--fix", "--ignore", "X"]) == 0
    assert path.read_text() == TEXT


def test_a_byte_order_mark_goes_only_when_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "tea.merge"
    mark = b"\xef\xbb\xbf"
    path.write_bytes(mark + TEXT.encode())
    main(["lint", str(path), "--fix", "--ignore", "S,F"])
    assert path.read_bytes() == mark + TEXT.replace("1.0..0.0", "0.0..1.0").encode()
    main(["lint", str(path), "--fix"])
    assert path.read_bytes() == TEXT.replace("1.0..0.0", "0.0..1.0").encode()


def test_a_file_that_is_no_text_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "tea.merge"
    path.write_bytes(TEXT.encode() + b"# \xff\n")
    assert main(["lint", str(path), "--unsafe-fixes"]) == 1
    assert path.read_bytes().endswith(b"\xff\n")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    real, link = tmp_path / "deep" / "tea.merge", tmp_path / "link.merge"
    real.write_text(TEXT)
    link.symlink_to(real)
    main(["lint", str(link), "--fix"])
    assert link.is_symlink() and "0.0..1.0" in real.read_text()


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tea.merge"
    path.write_text(TEXT)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert main(["lint", str(path), "--fix"]) == 2
    assert "cannot be written: Read-only file system" in capsys.readouterr().err
    assert path.read_text() == TEXT


# ---- stdin ------------------------------------------------------------------


def test_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, TEXT.encode())
    assert main(["lint", "-", "--format", "concise"]) == 1
    assert "<stdin>:6:13: X301" in capsys.readouterr().out
    (tmp_path / "milk.merge").write_text("recipe milk\n")
    stdin(monkeypatch, b'recipe tea\n\nuse "milk.merge" as milk\n')
    name = str(tmp_path / "tea.merge")
    assert main(["lint", "-", "--stdin-filename", name]) == 0
    stdin(monkeypatch, b"\xff\xfe\0\1")
    assert main(["lint", "-"]) == 1


def test_fix_of_stdin_goes_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stdin(monkeypatch, TEXT.encode())
    assert main(["lint", "-", "--fix", "--ignore", "N103"]) == 0
    assert capfdbinary.readouterr().out == TEXT.replace("1.0..0.0", "0.0..1.0").encode()


# ---- configuration ----------------------------------------------------------


def configure(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def test_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("tea.merge", "old/tea.merge", "inner/tea.merge"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(TEXT.replace("1.0..0.0", "0.0..1.0"))
    configure(
        tmp_path,
        '[tool.awase.lint]\nignore = ["M"]\nper-file-ignores = { "old/*" = ["N103"] }\n',
    )
    assert codes(capsys, tmp_path / "tea.merge") == ["N103"]
    assert codes(capsys, tmp_path / "old" / "tea.merge") == []
    assert codes(capsys, tmp_path / "tea.merge", "--ignore", "N") == ["M410"]
    configure(tmp_path / "inner", '[project]\nname = "awase"\n')  # says nothing of lint
    assert codes(capsys, tmp_path / "inner" / "tea.merge") == ["N103"]
    configure(tmp_path / "inner", '[tool.awase.lint]\nselect = ["M4"]\n')
    assert codes(capsys, tmp_path / "inner" / "tea.merge") == ["M410"]


@pytest.mark.parametrize(
    "text",
    [
        '[tool.awase.lint]\nselct = ["M"]\n',
        '[tool.awase.lint]\nselect = "M"\n',
        "[tool.awase.lint]\nselect = [3]\n",
        '[tool.awase.lint]\nignore = ["Q7"]\n',
        '[tool.awase.lint]\nper-file-ignores = ["M"]\n',
        '[tool.awase.lint]\nper-file-ignores = { "*" = "M" }\n',
        "[tool.awase]\nlint = 3\n",
        "[tool.awase.lint\n",
    ],
)
def test_a_wrong_configuration_is_refused(
    recipe: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    configure(recipe.parent, text)
    assert main(["lint", str(recipe)]) == 2
    assert "pyproject.toml" in capsys.readouterr().err


def test_toml_is_read_only_where_it_speaks_of_awase(recipe: Path) -> None:
    configure(recipe.parent, "[tool.other]\nnot toml at all\n")
    assert main(["lint", str(recipe), "--ignore", "N103"]) == 0


def test_a_name_of_a_file_may_be_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.merge"
    with open(path, "w") as file:
        file.write(TEXT)
    for form in ("text", "concise", "json", "github", "sarif"):
        assert main(["lint", os.fsdecode(path), "--format", form]) == 1
