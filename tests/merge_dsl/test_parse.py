"""Syntax errors: all of them in one run, each once, each at its place, none in the parser's words."""

import random
import re
from pathlib import Path

import pytest

from merge_dsl.text.parse import parse
from merge_dsl.text.reading import LIMIT, read_source, source_of
from merge_dsl.text.source import Source

RECIPES = Path(__file__).parents[2] / "recipes"
TEXT = (RECIPES / "evovlm_jp.merge").read_text(encoding="utf-8")


def errors(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of every error."""
    source = Source("x.merge", text)
    return [(d.code, *source.line_column(d.span.start)) for d in parse(source).diagnostics]


def swapped(*pairs: tuple[str, str]) -> str:
    """The recipe with each `old` replaced by `new`."""
    text = TEXT
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('shisa from "', 'shisa form "', ("S001", 8, 13)),
        ("density = 0.1..1.0 start 0.5 per 8 layers", "density =", ("S002", 24, 16)),
        ("    take shisa\n  }\n}", "    take shisa\n  }\n", ("S003", 15, 1)),
        ("    take shisa\n  }\n}", "    take shisa\n}\n", ("S003", 18, 3)),
        ("merge student {", "merge student", ("S002", 15, 14)),
        ("merge student {", "merge student\n{", ("S002", 15, 14)),
        ("merge student {", "mrege student {", ("S001", 15, 1)),
        ("seed = 7", "seed = 7,,", ("S001", 18, 41)),
        ("(seed = 7)", "(seed = 7", ("S003", 18, 31)),
        ("recipe evovlm_jp\n", "", ("S001", 6, 1)),
        ("base mistral", "base = mistral", ("S001", 21, 10)),
        ("  keep vision", "  weight = 3\n  keep vision", ("S001", 16, 10)),
        ('shisa-gamma-7b-v1"', "shisa-gamma-7b-v1", ("S003", 8, 18)),
        ("report student {", "report model {", ("S005", 39, 8)),
        ("take shisa", "take Shisa", ("S004", 28, 10)),
        ("sigma = 0.17", "sigma ＝ 0.17", ("S004", 34, 21)),
        ("sigma = 0.17", "sigma = ０.17", ("S004", 34, 23)),
    ],
)
def test_one_mistake_yields_one_message(old: str, new: str, found: tuple[str, int, int]) -> None:
    assert errors(swapped((old, new))) == [found]


def test_all_errors_in_one_run() -> None:
    text = swapped(
        ("data vqa_500", "data Vqa_500"),
        ("density = 0.1..1.0 start 0.5 per 8 layers", "density ="),
        ("take shisa", "tak shisa"),
        ("seed = 42", "seed 42"),
        ("report student", "reprot student"),
    )
    lines = [line for _, line, _ in errors(text)]
    assert lines == [12, 24, 28, 36, 39]


def test_a_closing_brace_too_many() -> None:
    assert errors(TEXT + "}\n") == [("S001", TEXT.count("\n") + 1, 1)]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment\n", "recipe", "recipe 3\n", "{", "}"]
)
def test_what_is_no_recipe_is_one_error(text: str) -> None:
    assert len(errors(text)) == 1


def test_nesting_beyond_reason_is_a_diagnostic() -> None:
    assert errors("recipe a\nlet x = " + "1 + " * 30000 + "1\n")[0][0] == "S001"


def test_messages_never_name_a_terminal() -> None:
    draw = random.Random(0)
    for name in ("evovlm_jp", "hybrid_polyglot", "route_jp_math"):
        text = (RECIPES / f"{name}.merge").read_text(encoding="utf-8")
        tokens = list(re.finditer(r'"[^"\n]*"|[\w.]+|\S', text))
        for _ in range(60):
            one, other = draw.sample(tokens, 2)
            kind = draw.randrange(3)
            new = {0: "", 1: other[0], 2: f"{one[0]} {other[0]}"}[kind]
            mutant = text[: one.start()] + new + text[one.end() :]
            for diagnostic in parse(Source("x", mutant)).diagnostics:
                said = re.sub(r"`[^`]*`", "", f"{diagnostic.message} {diagnostic.help}")
                assert not re.search(r"\b[A-Z]{3,}\b|__ANON|_NL|a sign", said), said


def test_crlf_is_a_line_end() -> None:
    assert parse(Source("x", TEXT.replace("\n", "\r\n"))).tree is not None


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    source, found = source_of("x", b"recipe a\n# \xff\n")
    assert [(d.code, source.line_column(d.span.start)) for d in found] == [("S010", (2, 3))]
    assert source_of("x", "recipe a".encode("utf-16"))[1][0].code == "S010"
    source, found = source_of("x", b"\xef\xbb\xbfrecipe a\n")
    assert [d.code for d in found] == ["S011"] and parse(source).tree is not None
    assert source_of("x", b"recipe a\0\n")[1][0].code == "S012"
    assert source_of("x", b" " * (LIMIT + 1))[1][0].code == "S013"
    assert read_source(tmp_path)[1][0].code == "S014"
    assert read_source(tmp_path / "none.merge")[1][0].code == "S014"


def test_places_count_characters() -> None:
    source = Source("x", "recipe a\n# 日本\nlet x = \n")
    (found,) = parse(source).diagnostics
    assert source.line_column(found.span.start) == (3, 8)
