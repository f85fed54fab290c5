"""Mutants of every shipped recipe: a place inside the file, a sentence written by hand, no traceback."""

import re
from pathlib import Path

import pytest

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_source
from merge_dsl.text import messages
from merge_dsl.text.grammar import parser
from merge_dsl.text.source import Source
from merge_dsl.text.wanted import PATTERNS, wanted
from merge_dsl.tools.show_text import show_text
from tests.merge_dsl.mutants import mutants

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.merge"))
SLOW = 20_000


def check(path: Path, count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generic: dict[frozenset[str], str] = {}

    def spoken(expected: frozenset[str]) -> str | None:
        phrase = wanted(expected)
        if phrase is None:
            generic[expected] = mutant
        return phrase

    monkeypatch.setattr(messages, "wanted", spoken)
    text = path.read_text(encoding="utf-8")
    for mutant in mutants(text, count, seed):
        source = Source(str(path), mutant)
        diagnostics = load_source(source, depth=Depth.TEXT).diagnostics
        for diagnostic in diagnostics:
            spans = [diagnostic.span] + ([diagnostic.fix.span] if diagnostic.fix else [])
            for span in spans:
                assert 0 <= span.start <= span.end <= len(mutant) + 1, (diagnostic, mutant)
                assert span.start <= len(mutant)
            said = re.sub(r"`[^`]*`", "", f"{diagnostic.message} {diagnostic.help}")
            assert not re.search(r"\b[A-Z]{4,}\b|__ANON", said), (said, mutant)
        show_text(source, diagnostics)
    assert not generic, [(sorted(expected), text) for expected, text in generic.items()]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_some_mutants(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(path, 40, 0, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_mutants(path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check(path, SLOW // (10 * len(RECIPES)) + 1, seed, monkeypatch)


def test_every_state_of_the_parser_has_its_words() -> None:
    states = parser().parser.parser._parse_table.states  # Lark has no public name for them
    sets = {
        frozenset(t for t in actions if t.isupper() or t == "$END") for actions in states.values()
    }
    assert len(states) > 400 and len(sets) > 60
    assert [sorted(expected) for expected in sets if expected and wanted(expected) is None] == []


def test_mutants_are_the_same_every_time() -> None:
    text = RECIPES[0].read_text(encoding="utf-8")
    assert list(mutants(text, 20, 1)) == list(mutants(text, 20, 1))
    assert text not in list(mutants(text, 5, 2))


def test_no_pattern_hides_another() -> None:
    sets = [frozenset(terminals.split()) for terminals, _ in PATTERNS]
    for number, later in enumerate(sets):
        assert not any(earlier <= later for earlier in sets[:number]), sorted(later)
