"""Editors and documents show recipes as the parser reads them: every keyword, every name."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lark import Token

from merge_dsl.text.draft import without_comments
from merge_dsl.text.grammar import grammar_text, parser
from merge_dsl.tools.lsp.keywords import KEYWORDS
from tests.merge_dsl import highlight

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.merge"))
# What the recipes do not say.
REST = """recipe rest
use "a.merge" as b
let c = log int 1..8 step 1 start 2 per 8 layers
merge m {
  keep embed from base
  language.layers by choice ties | linear {
    base base
    each { scale = choice a | b; start = flag at layers[0..3] }
    take flag { weight = c when method is ties; step = -1e-3 }
    take x
  }
  require memory <= 24GiB
}
route r {
  begin end
  path m.layers[0..2] -> maybe (m.layers[*]) x 3 scale 0.5..1.5 -> x x int 1..2
  end m
}
route q { pool m.layers[*]; scale = 5% }
search r { minimize - 0.5 * cider(tokenizer = "mecab") on d + cider on x; budget = 5 trials or 2h }
report r { cider on d }
write r to "out"  # 絵 🍣 "quoted"
"""
WORDS = {"MAYBE", "MAXIMIZE", "MINIMIZE", "LOG", "INT", "FLAG"}
HIGHLIGHTERS: list[Callable[[str], list[str]]] = [highlight.textmate, highlight.pygments]


def keywords() -> set[str]:
    """Every word that `grammars/recipe.lark` spells out in a rule or a terminal."""
    rules = re.sub(r"//[^\n]*|/(?:[^/\n\\]|\\.)+/\w*", "", grammar_text())
    return {word for word in re.findall(r'"([^"\n]+)"', rules) if word.isalpha()}


def tokens(text: str) -> list[Token]:
    """What the parser reads, keywords and names told apart by where they stand."""
    return list(parser().parse_interactive(without_comments(text)).iter_parse())


def expected(token: Token) -> str:
    if token.type in ("STRING", "NAME"):
        return token.type.lower()
    if token.type in ("NUMBER", "QUANTITY"):
        return "number"
    return "keyword" if str(token).isalpha() else "sign"


def test_the_table_of_keywords_is_the_grammar() -> None:
    assert set(KEYWORDS) == keywords() and len(keywords()) > 35


def test_the_samples_hold_every_keyword() -> None:
    text = [path.read_text(encoding="utf-8") for path in RECIPES]
    found = {str(t) for each in [*text, REST] for t in tokens(each) if expected(t) == "keyword"}
    assert found == keywords()


@pytest.mark.parametrize("classes_of", HIGHLIGHTERS, ids=["textmate", "pygments"])
@pytest.mark.parametrize("path", [*RECIPES, None], ids=lambda path: path.stem if path else "rest")
def test_words_are_what_the_parser_says(
    path: Path | None, classes_of: Callable[[str], list[str]]
) -> None:
    if classes_of is highlight.pygments:
        pytest.importorskip("pygments")
    text = path.read_text(encoding="utf-8") if path else REST
    classes = classes_of(text)
    assert len(classes) == len(text) and "invalid" not in classes
    wrong = []
    for token in tokens(text):
        if token.type == "_NL":
            continue
        start = token.start_pos or 0
        seen = set(classes[start : start + len(token)])
        if seen != {expected(token)}:
            wrong.append((str(token), token.line, seen, expected(token)))
    assert not wrong


@pytest.mark.parametrize("classes_of", HIGHLIGHTERS, ids=["textmate", "pygments"])
@pytest.mark.parametrize("keyword", sorted(keywords()))
def test_every_keyword_is_known(classes_of: Callable[[str], list[str]], keyword: str) -> None:
    if classes_of is highlight.pygments:
        pytest.importorskip("pygments")
    text = f"{keyword} 3"
    assert set(classes_of(text)[: len(keyword)]) == {"keyword"}


@pytest.mark.parametrize("classes_of", HIGHLIGHTERS, ids=["textmate", "pygments"])
@pytest.mark.parametrize("text", ["let a = ?", 'model a from "b', "Model", "weight = 0.5é"])
def test_what_is_no_recipe_shows(classes_of: Callable[[str], list[str]], text: str) -> None:
    if classes_of is highlight.pygments:
        pytest.importorskip("pygments")
    assert "invalid" in classes_of(text)


def test_pygments_finds_it() -> None:
    pytest.importorskip("pygments")
    import tomllib

    from merge_dsl.tools.pygments_lexer import RecipeLexer

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [entry] = project["entry-points"]["pygments.lexers"].values()
    assert entry == f"{RecipeLexer.__module__}:{RecipeLexer.__name__}"
    assert "*.merge" in RecipeLexer.filenames
