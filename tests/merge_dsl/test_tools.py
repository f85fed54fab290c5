"""The forms in which diagnostics are shown."""

import json
from pathlib import Path

from merge_dsl.meaning.load import load_source
from merge_dsl.text.source import Source
from merge_dsl.tools.show_concise import show_concise
from merge_dsl.tools.show_github import show_github
from merge_dsl.tools.show_json import show_json
from merge_dsl.tools.show_sarif import show_sarif
from merge_dsl.tools.show_text import show_text
from tests.merge_dsl.conftest import TASK, merge_recipe

KEYS = [
    "code", "slug", "severity", "path", "line", "column", "end_line", "end_column", "message",
    "help", "fix",
]  # fmt: skip


def shown(world: Path) -> tuple[Source, Source]:
    text = merge_recipe(TASK.replace("0.0..1.0", "1.0..0.0"))
    return Source(str(world / "test.merge"), text), Source("r.merge", text)


def test_text(world: Path) -> None:
    here, renamed = shown(world)
    assert show_text(renamed, load_source(here).diagnostics) == (
        "r.merge:11:35: X301 this range runs backwards\n"
        "   |\n"
        "11 |     take eyes.language { weight = 1.0..0.0 }\n"
        "   |                                   ^^^^^^^^\n"
        "   = help: write 0.0..1.0"
    )


def test_carets_stand_under_wide_characters() -> None:
    source = Source("r.merge", 'recipe a\nmodel a from "日本\n')
    lines = show_text(source, load_source(source).diagnostics).splitlines()
    assert lines[3].index("^") == lines[2].index('"')
    assert lines[3].count("^") == 1


def test_concise_and_github(world: Path) -> None:
    here, renamed = shown(world)
    found = load_source(here).diagnostics
    assert show_concise(renamed, found) == "r.merge:11:35: X301 this range runs backwards"
    assert show_github(renamed, found) == (
        "::error file=r.merge,line=11,col=35,title=X301 backwards-range::"
        "this range runs backwards (write 0.0..1.0)"
    )


def test_json(world: Path) -> None:
    here, renamed = shown(world)
    (entry,) = json.loads(show_json([(renamed, load_source(here).diagnostics)]))
    assert list(entry) == KEYS
    place = ("line", "column", "end_line", "end_column")
    assert [entry[key] for key in place] == [11, 35, 11, 43]
    assert (entry["code"], entry["slug"], entry["severity"]) == ("X301", "backwards-range", "error")
    assert entry["fix"]["text"] == "0.0..1.0" and entry["path"] == "r.merge"
    assert json.loads(show_json([])) == []


def test_marks_of_direction_are_escaped() -> None:
    address = "file:\u202egnp\x1b[31m\U000e0001日本"
    source = Source("\u202er.merge", f'recipe a\nmodel m from "{address}"\n')
    found = load_source(source).diagnostics
    for text in (show_json([(source, found)]), show_sarif([(source, found)])):
        assert all(c.isprintable() or c == "\n" for c in text) and "日本" in text
        assert json.loads(text)
    entry = next(e for e in json.loads(show_json([(source, found)])) if "日本" in e["message"])
    assert entry["message"].isprintable() and entry["path"] == "\u202er.merge"
