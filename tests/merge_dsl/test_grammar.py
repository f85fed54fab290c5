"""The grammar has no conflicts, is found, and its cache may fail."""

import os
import re
from pathlib import Path

import pytest

from merge_dsl.text import grammar


def test_strict_mode_finds_no_conflict() -> None:
    pytest.importorskip("interegular")
    grammar.build_parser(strict=True)


def test_every_declaration_word_is_reserved() -> None:
    text = grammar.grammar_text()
    reserved = re.search(r"NAME: /\(\?!\(\?:([a-z|]+)\)", text)
    assert reserved is not None
    declared = set(re.findall(r'^(?:header|[a-z]+): "([a-z]+)" (?:NAME|STRING)', text, re.M))
    inner = {"begin", "end", "pool", "path", "keep", "base", "each", "take"}
    assert declared - inner == set(reserved[1].split("|"))


def test_an_unusable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    grammar.parser.cache_clear()
    grammar.parser().parse("recipe a\n")
    grammar.parser.cache_clear()


def test_a_damaged_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    grammar.parser.cache_clear()
    grammar.parser().parse("recipe a\n")
    (file,) = (tmp_path / "awase").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    grammar.parser.cache_clear()
    grammar.parser().parse("recipe a\n")
    grammar.parser.cache_clear()
    assert os.listdir(tmp_path / "awase")
