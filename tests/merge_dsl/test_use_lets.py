"""`let`s of another file: one draw each, wherever they are used, and frozen into the recipe that uses them."""

import random
from pathlib import Path

import pytest

from merge_dsl.meaning.load import Loaded, load_recipe, load_source
from merge_dsl.space.compile import compile_space
from merge_dsl.space.edits import laid_out
from merge_dsl.space.fill import fill
from merge_dsl.space.genes import decode
from merge_dsl.space.routes import space_of, walk_of
from merge_dsl.space.sequence import frozen, settled
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import HEAD, TAIL, merge_recipe

COMMON = """recipe common

use "deeper.merge" as deep

let share = 0.2..0.8 start 0.5 per 2 layers
let rest = 1 - share
let fade = curve(0.1..0.4, deep.low, 0.9)
let mode = choice mild | wild
let fixed = 0.75
"""
DEEPER = "recipe deeper\n\nlet low = 0.0..1.0 start 0.25\n"
USE = HEAD + 'use "common.merge" as w  # of the house\nlet w_share = 0.5\nlet mode = w.mode\n'
BLEND = """  language.layers by dare_ties(seed = 1) {
    base base
    each { density = w.share; density = w.rest at layers[0] when mode is wild }
    take eyes.language { weight = w.rest * w.fixed }
    take tongue { weight = w.fade; weight = w.share at layers[2..3] }  # not w.share
  }
"""
TEXT = merge_recipe(BLEND, USE)


@pytest.fixture
def house(world: Path) -> Path:
    """The world, with two files to use."""
    (world / "common.merge").write_text(COMMON, encoding="utf-8")
    (world / "deeper.merge").write_text(DEEPER, encoding="utf-8")
    return world


def lint(house: Path, text: str) -> Loaded:
    return load_source(Source(str(house / "test.merge"), text))


def test_each_is_one_draw(house: Path) -> None:
    loaded = lint(house, TEXT)
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    names = [gene.name for gene in space.genes]
    assert names == ["w.deep.low", "w.share[0..1]", "w.share[2..3]", "w.fade[point 1]", "w.mode"]
    tongue = fill(space, (0.6, 0.2, 0.8, 0.3, "mild"), 0).blends[0].ingredients[1].settings
    assert tongue["weight"] == (0.3, pytest.approx(0.5), 0.8, 0.8)
    assert tongue["density"] == (0.2, 0.2, 0.8, 0.8)


@pytest.mark.parametrize("draw_seed", range(8))
def test_frozen_they_are_the_same_candidate(house: Path, draw_seed: int) -> None:
    loaded = lint(house, TEXT)
    assert loaded.recipe is not None
    space = compile_space(loaded.recipe, "student")
    draw = random.Random(draw_seed)
    values = tuple(decode(gene, draw.random()) for gene in space.genes)
    text = laid_out(frozen(loaded.source, space, values, 0))
    again = lint(house, text)
    assert again.recipe is not None, (text, again.diagnostics)
    assert fill(compile_space(again.recipe, "student"), (), 0) == fill(space, values, 0)
    assert "# not w.share" in text and "as w  # of the house\nlet w_deep_low = " in text.replace(
        "\n\n", "\n"
    )
    assert "let w_share_2 = [" in text and "w.fixed" in text and "w.share" not in text.split("#")[1]
    assert frozen(again.source, compile_space(again.recipe, "student"), (), 0) == text


def test_a_road_uses_them_too(house: Path) -> None:
    road = "route road {\n  begin tongue\n  path tongue.layers[0..2] -> tongue.layers[3] scale w.share\n"
    text = USE.replace("let mode = w.mode\n", "") + road + "  end tongue\n}\n"
    loaded = lint(house, text.replace("scale w.share", "scale w.deep.low"))
    assert loaded.recipe is not None, loaded.diagnostics
    space = space_of(loaded.recipe, "road")
    assert [gene.name for gene in space.genes] == ["w.deep.low"]
    again = lint(house, frozen(loaded.source, space, (0.7,), 0))
    assert again.recipe is not None and "let w_deep_low = 0.7\n" in again.source.text
    assert walk_of(space_of(again.recipe, "road"), ()) == walk_of(space, (0.7,))


def test_two_searches_share_one(house: Path) -> None:
    """The first draws it; the second finds it filled."""
    second = TEXT[TEXT.index("merge student") :].replace("student", "pupil")
    loaded = lint(house, TEXT + second)
    assert loaded.recipe is not None, loaded.diagnostics
    _, recipe = settled(loaded.source, loaded.recipe, "pupil")
    assert compile_space(recipe, "pupil").genes == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("w.rest *", "w.rset *", "N101", "did you mean `w.rest`?"),
        ("w.rest *", "w.word *", "N101", "`w.word` is the word `plain`, and no number"),
        ("density = w.share", "density = w.large", "K204", "2 is outside"),
        ("density = w.share", "density = w.listed", "K208", "`w.listed` has 3 values"),
        ("let mode = w.mode\n", "let fine = w.share\nuse \"common.merge\" as v\n", "N101", "no `let` `mode`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_use(
    house: Path, old: str, new: str, code: str, said: str
) -> None:
    more = "let word = plain\nlet large = 0.5..2.0\nlet listed = [0.1, 0.2, 0.3] per 2 layers\n"
    (house / "common.merge").write_text(COMMON + more, encoding="utf-8")
    found = [d for d in lint(house, TEXT.replace(old, new, 1)).diagnostics if d.code == code]
    assert found and said in found[0].message
    assert 0 <= found[0].span.start < found[0].span.end


@pytest.mark.parametrize(
    "wrong", ["let a = a", "let a = nothing + 1..2", "let a = 0.8..0.2", "let a = 1..3"]
)
def test_a_let_that_is_wrong_is_no_import(house: Path, wrong: str) -> None:
    (house / "deeper.merge").write_text(f"{DEEPER}{wrong}\n", encoding="utf-8")
    codes = [d.code for d in lint(house, TEXT).diagnostics]
    assert codes[0] == "N109"
    found = load_recipe(house / "common.merge").diagnostics[0]
    assert found.code == "N109" and "deeper.merge has a mistake on line 4: " in found.message


def test_of_a_choice_a_let_that_nothing_reads_goes_nowhere(house: Path) -> None:
    blend = BLEND.replace("dare_ties(seed = 1)", "choice linear | ties")
    loaded = lint(house, merge_recipe(blend, USE))
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    values = tuple(gene.start for gene in space.genes)
    text = frozen(loaded.source, space, values, 0)
    again = lint(house, text)
    assert again.recipe is not None, (text, again.diagnostics)
    assert 'use "common.merge" as w' in text and TAIL in text
    assert fill(compile_space(again.recipe, "student"), (), 0) == fill(space, values, 0)
