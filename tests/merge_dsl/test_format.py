"""The house layout, its guards, and the command around it."""

import contextlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from merge_dsl.cli import main
from merge_dsl.text import format as formatter
from merge_dsl.text.format import FormatterError, format_text
from tests.merge_dsl.conftest import TASK, Lint, merge_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
HEAD = "recipe a\n\n"
LONG = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


def laid(text: str) -> str:
    """The layout of some lines behind a header."""
    result = format_text(HEAD + text)
    assert result.startswith(HEAD)
    return result.removeprefix(HEAD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let a=1;let b=2", "let a = 1\nlet b = 2\n"),
        ("let a = - 1 +2*-3", "let a = -1 + 2 * -3\n"),
        ("let a = ( 1+x )/ 2", "let a = (1 + x) / 2\n"),
        (
            "let a = log -1.0 .. 2.0 start 0.5 per 8 layers",
            "let a = log -1.0..2.0 start 0.5 per 8 layers\n",
        ),
        ("let a = choice -1|x", "let a = choice -1 | x\n"),
        ("let a = [ 1,[2 ] ,f ( 1 , b=2 )]", "let a = [1, [2], f(1, b = 2)]\n"),
        ('model a from"x"{revision="y"}', 'model a from "x" { revision = "y" }\n'),
        ('write a to "x" {  }', 'write a to "x" {}\n'),
        ('write a to "x" {\n}', 'write a to "x" {}\n'),
        (
            "route r {\n  pool a.layers [ * , 0 .. 3 ]\n}",
            "route r {\n  pool a.layers[*, 0..3]\n}\n",
        ),
        (
            "search s {\nmaximize -0.5*m on d-m(x=y) on e . f\n}",
            "search s {\n  maximize -0.5 * m on d - m(x = y) on e.f\n}\n",
        ),
        (
            "merge m { keep a,b from c; d by e { base f; take g { w=1 } } }",
            "merge m { keep a, b from c; d by e { base f; take g { w = 1 } } }\n",
        ),
        (
            "merge m {\nd by e { base f; take g { w=1;v=2 } }\n}",
            "merge m {\n  d by e { base f; take g { w = 1; v = 2 } }\n}\n",
        ),
        ("report r {\n\n\n  m on d\n\n\n\n  m on e\n\n}", "report r {\n  m on d\n\n  m on e\n}\n"),
    ],
)
def test_spaces_and_lines(text: str, expected: str) -> None:
    assert laid(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (  # a block that fits no longer opens, outermost first
            f"write a to 'x' {{ dtype = {LONG}; shard = {LONG} }}",
            f"write a to 'x' {{\n  dtype = {LONG}\n  shard = {LONG}\n}}\n",
        ),
        (
            f"merge m {{ keep a from b; c by d {{ base {LONG}; take {LONG} }} }}",
            f"merge m {{\n  keep a from b\n  c by d {{\n    base {LONG}\n    take {LONG}\n  }}\n}}\n",
        ),
        (  # a chain stays broken, and breaks at every hop outside brackets
            "route r {\npath a -> (b -> c) x 2\n-> d\n}",
            "route r {\n  path a\n    -> (b -> c) x 2\n    -> d\n}\n",
        ),
        ("route r {\npath a -> b\n}", "route r {\n  path a -> b\n}\n"),
        (
            f"route r {{\npath {LONG} -> {LONG}\n}}",
            f"route r {{\n  path {LONG}\n    -> {LONG}\n}}\n",
        ),
        ("let a = choice x\n  | y", "let a = choice x | y\n"),
        (f"let a = choice {LONG} | {LONG}", f"let a = choice {LONG}\n  | {LONG}\n"),
        ("let a = [1,\n 2]", "let a = [1, 2]\n"),
        (
            f"let a = [{', '.join(['0.25'] * 20)}] per layer",
            f"let a = [\n  {', '.join(['0.25'] * 14)},\n  {', '.join(['0.25'] * 6)}\n] per layer\n",
        ),
        (f"let {LONG} = {LONG}", f"let {LONG} = {LONG}\n"),
    ],
)
def test_what_is_broken_over_lines(text: str, expected: str) -> None:
    quotes = str.maketrans("'", '"')
    assert laid(text.translate(quotes)) == expected.translate(quotes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let a = 1 # x", "let a = 1  # x\n"),
        ("let a = 1; # x", "let a = 1  # x\n"),
        ("# x\n\n\n# y\nlet a = 1\n# end", "# x\n\n# y\nlet a = 1\n# end\n"),
        ("report r { # x\n m on d # y\n # z\n} # end", "report r {  # x\n  m on d  # y\n  # z\n}  # end\n"),
        ("report r {\n# x\n}", "report r {\n  # x\n}\n"),
        ("report r { m on d } # x", "report r { m on d }  # x\n"),
        ("report r { m on d # x\n}", "report r {\n  m on d  # x\n}\n"),
        (
            "route r {\npath a # x\n# y\n\n-> b -> c # z\n}",
            "route r {\n  path a  # x\n    # y\n    -> b\n    -> c  # z\n}\n",
        ),
        ("let a = [ # x\n1, # y\n2\n]", "let a = [  # x\n  1,  # y\n  2]\n"),
        ('let a = "# no" # yes', 'let a = "# no"  # yes\n'),
        ("let a = 1 # x  \t", "let a = 1  # x\n"),
        ("let a = 1 # x\n; # y", "let a = 1  # x\n# y\n"),
    ],
)  # fmt: skip
def test_comments_stay_where_they_stand(text: str, expected: str) -> None:
    assert laid(text) == expected


def test_blank_lines_between_declarations() -> None:
    text = """

# head
recipe a
model b from "b"


model c from "c"
model d from "d"
# about the data

# about e
data e from "e"
report x { m on e }
report y { m on e }
# about z
search z {
  seed = 1
}
"""
    assert (
        format_text(text)
        == """# head
recipe a

model b from "b"

model c from "c"
model d from "d"
# about the data

# about e
data e from "e"

report x { m on e }

report y { m on e }

# about z
search z {
  seed = 1
}
"""
    )


def test_a_text_without_anything_to_lay_out() -> None:
    assert format_text("recipe a") == "recipe a\n"
    with pytest.raises(FormatterError):
        format_text("recipe  a {")


@given(st.text('{}()[];#"\n ->|a1.=,é\t', max_size=40))
@example("{")
@example("{" * 10_000)
@example("recipe a\nlet x = " + "(" * 10_000)
def test_a_text_that_does_not_parse_is_refused_or_left(text: str) -> None:
    with contextlib.suppress(FormatterError):
        assert format_text(text) == text


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.merge")), ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_in_the_house_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda text: "recipe a  # c\n", "read the same"),
        (lambda text: "recipe a\n\nlet x = [1\n", "does not parse"),
        (lambda text: "recipe a\n\nlet x = 1\n", "comment"),
        (lambda text: "# 2\nrecipe a\n\nlet x = 1  # c\n", "comment"),
        (lambda text: text + " ", "twice"),
    ],
)
def test_the_guards_hold_a_wrong_layout_back(
    wrong: Callable[[str], str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(formatter, "layout", wrong)
    path = tmp_path / "a.merge"
    text = "recipe a;let x = 1 # c\n# 2"
    path.write_text(text)
    assert main(["fmt", str(path)]) == 2
    assert path.read_text() == text
    assert said in capsys.readouterr().err


# ---- F901 -------------------------------------------------------------------


def test_lint_says_what_is_not_formatted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    path.write_text("recipe a\n\nlet  x = 1\n")
    assert main(["lint", str(path), "--format", "concise"]) == 1
    assert capsys.readouterr().out.startswith(f"{path}:3:1: F901 ")
    path.write_text("recipe a\n\nlet x = 1\n")
    assert main(["lint", str(path)]) == 0


@pytest.mark.parametrize("text", ["recipe a", "recipe a\n\n", "recipe a\r\n", " recipe a\n"])
def test_the_fix_of_an_unformatted_recipe(text: str, tmp_path: Path) -> None:
    from merge_dsl.meaning.load import load_source
    from merge_dsl.text.source import Source

    source = Source(str(tmp_path / "a.merge"), text)
    assert load_source(source).diagnostics == ()  # the layout does not matter to who runs it
    (found,) = load_source(source, form=True).diagnostics
    assert found.fix is not None and found.fix.safe
    assert 0 <= found.span.start <= found.span.end <= len(text)
    assert (found.fix.span.start, found.fix.span.end) == (0, len(text))
    assert found.fix.text == "recipe a\n"


def test_a_formatted_recipe_means_the_same(lint: Lint) -> None:
    text = merge_recipe(TASK)
    assert format_text(text) != text
    assert lint(format_text(text)).diagnostics == lint(text).diagnostics == ()


# ---- the command ------------------------------------------------------------

BAD = "recipe a;let x=1"
GOOD = "recipe a\n\nlet x = 1\n"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.merge"
    path.write_text(BAD)
    return path


def test_fmt_writes(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad.chmod(0o640)
    assert main(["fmt", str(bad.parent)]) == 0
    assert bad.read_text() == GOOD and bad.stat().st_mode & 0o777 == 0o640
    assert capsys.readouterr() == ("", "1 recipe formatted\n")
    assert os.listdir(bad.parent) == ["bad.merge"]
    before = bad.stat().st_mtime_ns
    assert main(["fmt", str(bad)]) == 0
    assert bad.stat().st_mtime_ns == before  # nothing to change, nothing is written


def test_fmt_writes_through_links(bad: Path) -> None:
    link = bad.parent / "link.merge"
    link.symlink_to(bad.name)
    assert main(["fmt", str(link)]) == 0
    assert link.is_symlink() and bad.read_text() == GOOD


def test_check_and_diff_write_nothing(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", str(bad)]) == 1
    assert capsys.readouterr().out == f"would format {bad}\n"
    assert main(["fmt", "--diff", str(bad)]) == 1
    diff = capsys.readouterr().out
    assert f"--- {bad}" in diff and f"\n-{BAD}\n\\ No newline at end of file\n" in diff
    assert diff.endswith("+recipe a\n+\n+let x = 1\n")
    assert bad.read_text() == BAD
    bad.write_text(GOOD)
    assert main(["fmt", "--check", "--diff", str(bad)]) == 0
    assert capsys.readouterr() == ("", "")


def test_line_ends_and_the_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.merge"
    path.write_bytes(b"\xef\xbb\xbfrecipe a\r\n\r\nlet x = 1 # c\r\n")
    assert main(["fmt", str(path)]) == 0
    assert path.read_bytes() == b"recipe a\n\nlet x = 1  # c\n"


def test_fmt_refuses_what_does_not_parse(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad.write_text("recipe a\nlet x =\n")
    for options, code in (([], 2), (["--check"], 1), (["--diff"], 1)):
        assert main(["fmt", *options, str(bad)]) == code
        assert "bad.merge:2:8: S002" in capsys.readouterr().err
    assert bad.read_text() == "recipe a\nlet x =\n"
    assert main(["fmt", "--check", str(bad.parent / "none.merge")]) == 2
    bad.write_bytes(b"recipe \xff")
    assert main(["fmt", str(bad)]) == 2
    bad.unlink()
    assert main(["fmt", str(bad.parent)]) == 2


def test_the_others_are_formatted_beside_one_that_cannot_be(bad: Path) -> None:
    (bad.parent / "a.merge").write_text("nonsense")
    assert main(["fmt", str(bad.parent)]) == 2
    assert bad.read_text() == GOOD


def test_fmt_reads_stdin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, code, out in (([], 0, GOOD), (["--check"], 1, "would format <stdin>\n")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
        assert main(["fmt", *options, "-"]) == code
        assert capsys.readouterr() == (out, "")


def test_a_folder_that_cannot_be_written(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    assert main(["fmt", str(bad)]) == 2
    assert bad.read_text() == BAD and os.listdir(bad.parent) == ["bad.merge"]
