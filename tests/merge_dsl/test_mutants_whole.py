"""Mutants with all that is known of their models: what is sound compiles, and freezes to no holes.

`test_mutants.py` holds what is said of a broken text. Here whatever is still a recipe goes on through its
space, its estimate, the hints of an editor and its frozen text.
"""

from pathlib import Path

import pytest

from merge_dsl.meaning.load import load_source
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.space.estimate import estimate
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import space_of
from merge_dsl.space.sequence import frozen, settled
from merge_dsl.space.space import start
from merge_dsl.text.source import Source
from merge_dsl.tools.lsp.document import read
from merge_dsl.tools.lsp.hints import hints_of
from tests.merge_dsl.conftest import HEAD, TAIL, merge_recipe
from tests.merge_dsl.mutants import mutants
from tests.merge_dsl.test_kinds_of_tensors import SPLIT, blended
from tests.merge_dsl.test_mutants import RECIPES
from tests.merge_dsl.test_stages import BOTH, SHARED

ROADS = """let loud = 0.5..1.5
route road {
  begin base
  path base.layers[0..1] scale 0.5..1.5
    -> maybe (tongue.layers[0] -> maybe base.layers[3] scale loud) x int 1..2
  end base
  require layers >= 1
}
merge student { keep language from tongue }
route slots {
  begin student
  pool base.layers, tongue.layers[0..2]
  repeat = 2
  walk = flag per slot
  scale = 0.5..1.5 per 2 layers
  end base
  require layers >= 1
}
"""
KINDS = (
    "weight = 0.0..1.0 per 2 layers; weight = curve(0.0..1.0, 0.5) at layers.mlp[0..2]; "
    "weight = 0.3 at language.layers.norms"
)
TEXTS = {
    "both": BOTH,
    "shared": SHARED,
    "split": merge_recipe(SPLIT),
    "kinds": blended(KINDS),
    "roads": HEAD + ROADS + TAIL.replace("student", "slots"),
}


def follow(path: str, text: str) -> int:
    """How many targets of a text were followed to their frozen form."""
    hints_of(read(path, text))
    loaded = load_source(Source(path, text))
    if loaded.recipe is None:
        return 0
    return sum(_freezes(loaded.source, loaded.recipe, target) for target in _made(loaded.recipe))


def _made(recipe: Recipe) -> tuple[str, ...]:
    return (*recipe.merges, *recipe.routes)


def _freezes(source: Source, recipe: Recipe, target: str) -> bool:
    try:
        source, recipe = settled(source, recipe, target)
        space = space_of(recipe, target)
        estimate(recipe, target, len(space.genes))
        text = frozen(source, space, start(space), 0)
    except SpaceError:
        return False  # of models that nobody knows, or methods that are still to come
    again = load_source(Source(source.path, text))
    assert again.recipe is not None, (text, again.diagnostics)
    assert space_of(again.recipe, target).genes == (), text
    return True


@pytest.mark.parametrize("name", TEXTS)
def test_some_mutants(name: str, world: Path) -> None:
    assert follow(str(world / "test.merge"), TEXTS[name])
    for mutant in mutants(TEXTS[name], 25, 7):
        follow(str(world / "test.merge"), mutant)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TEXTS, *(path.stem for path in RECIPES)])
def test_many_mutants(name: str, world: Path) -> None:
    shipped = {path.stem: path for path in RECIPES}
    path = str(shipped.get(name, world / "test.merge"))
    text = TEXTS.get(name) or Path(path).read_text(encoding="utf-8")
    for mutant in mutants(text, 1000, 99):
        follow(path, mutant)
