"""The machine reads what Lark reads; and its tables are kept, where they can be."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lark
import pytest

from merge_dsl.text import tables
from merge_dsl.text.draft import without_comments
from merge_dsl.text.grammar import parser
from merge_dsl.text.machine import Node, Word
from tests.merge_dsl.mutants import mutants

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.merge"))
ODD = (  # what only a lexer that follows the parser reads
    "recipe a\nroute r { path m.layers[0] x3 scale0.5 }\n",
    "recipe a\nlet x = 1 per8 layers\n",
    "recipe a\nlet scale = x * log\n",
    "recipe a\nlet v = [1,\n\n 2]\nlet w = (1\n + 2)\n",
    "recipe a\n\n\nlet v = choice a\n\n  | b\n  | c\n",
    "recipe a; let recipes = 4.5h; let v = 5%",
    "recipe a\nlet v = 4.5.5\n",
    "recipe é\n",
    "recipe a\nlet v = 1x\n",
    "",
)


def shape(node: Node | Word | None) -> Any:
    """A tree of the machine, to compare."""
    if isinstance(node, Node):
        return node.data, node.start, node.end, [shape(child) for child in node.children]
    return node and tuple(node)


def shape_of_lark(node: Any) -> Any:
    """The same of a tree of Lark."""
    if isinstance(node, lark.Tree):
        children = [shape_of_lark(child) for child in node.children]
        return str(node.data), node.meta.start_pos, node.meta.end_pos, children
    return node and (node.type, str(node), node.start_pos, node.end_pos)


def read_by_lark(text: str) -> Any:
    try:
        return shape_of_lark(parser().parse(text))
    except lark.UnexpectedInput:
        return None


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_it_reads_recipes_and_their_mutants_as_lark_does(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    machine, right = tables.machine(), 0
    for mutant in (text, *mutants(text, 150, seed=7)):
        mutant = without_comments(mutant)
        tree = shape(machine.read(mutant))
        assert tree == read_by_lark(mutant)
        right += tree is not None
    assert right > 30


@pytest.mark.parametrize("text", ODD)
def test_it_follows_the_parser_as_lark_does(text: str) -> None:
    assert shape(tables.machine().read(text)) == read_by_lark(text)


# ---- the cache --------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder; the file that will be in it is asked for by `kept`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for cached in (tables.machine, parser):
        cached.cache_clear()
    yield tmp_path / "awase"
    for cached in (tables.machine, parser):
        cached.cache_clear()


def kept(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


def reads() -> bool:
    tables.machine.cache_clear()
    return tables.machine().read("recipe a\n") is not None


def test_tables_are_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reads()
    fresh = tables.made()
    monkeypatch.setattr(tables, "made", lambda: pytest.fail("made again"))
    assert reads()
    assert json.dumps(tables.machine().tables) == json.dumps(fresh)
    assert not list(cache.glob("*.[0-9]*"))  # what it was written to first is gone


@pytest.mark.parametrize("damage", ["", "{}", "[1, 2]", "[1, [], []]", "\udc80"])
def test_a_damaged_file_is_made_again(cache: Path, damage: str) -> None:
    assert reads()
    whole = kept(cache).read_text()
    kept(cache).write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert reads()
    assert kept(cache).read_text() == whole


def test_tables_of_another_grammar_are_made_again(cache: Path) -> None:
    assert reads()
    whole = kept(cache).read_text()
    form, grammar, data = json.loads(whole)
    kept(cache).write_text(json.dumps([form, grammar + "//\n", data]))
    assert reads()
    assert kept(cache).read_text() == whole


def test_a_file_of_another_user_is_not_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reads()
    made: list[int] = []
    really = tables.made
    monkeypatch.setattr(tables, "made", lambda: made.append(1) or really())
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert reads() and made


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert reads()
    tables.machine.cache_clear()
