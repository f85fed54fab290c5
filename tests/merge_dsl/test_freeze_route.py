"""A frozen road has no holes, keeps its comments, and walks the same steps."""

import random
from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.load import load_recipe
from merge_dsl.space.freeze_route import freeze_route
from merge_dsl.space.routes import RouteSpace, space_of, walk_of
from merge_dsl.space.space import decode, start
from merge_dsl.text.format import comments
from tests.merge_dsl.conftest import HEAD, Lint

ROADS = {
    "hops": "  path base.layers[0..1] scale 0.5..1.5\n"
    "    -> maybe tongue.layers[2]  # a maybe\n"
    "    -> maybe (tongue.layers[0] -> maybe base.layers[3] scale 0.8..1.2) scale 0.9..1.1\n"
    "    -> base.layers x int 1..3 scale loud\n"
    "    -> maybe base.layers[1] x int 0..2\n",
    "comments in brackets": "  path base.layers[0] -> maybe ( # scale )\n"
    "    maybe # (\n    base.layers[1] -> base.layers[2] scale # scale )\n    0.5..1.5 # )\n"
    "  ) # )\n",
    "a pool": "  pool base.layers[0..3], tongue.layers\n  repeat = 2  # twice\n"
    "  walk = flag per slot\n  scale = 0.5..1.5 start 1.0 per 2 layers\n",
    "a tied pool": "  pool base.layers[0..3]\n  walk = flag per layer\n  scale = loud\n",
    "a list": "  pool base.layers[0..3]\n  walk = [true, flag, true, flag] per slot\n"
    "  scale = curve(0.5..1.0, 1.0, 0.5..1.0)\n",
    "arithmetic": "  pool base.layers[0..3]\n  scale = 2 * loud - 0.5 per hop\n",
}  # fmt: skip


def recipe(road: str) -> str:
    end = "  end base  # the end\n  require layers >= 1\n"
    return f"{HEAD}let loud = 0.5..1.5\n# the road\nroute road {{\n  begin base\n{road}{end}}}\n"


@pytest.mark.parametrize("name", ROADS)
@pytest.mark.parametrize("seed", range(8))
def test_a_frozen_road_walks_the_same(lint: Lint, name: str, seed: int) -> None:
    loaded = lint(recipe(ROADS[name]))
    assert loaded.recipe is not None, loaded.diagnostics
    space = space_of(loaded.recipe, "road")
    assert isinstance(space, RouteSpace)
    rng = random.Random(seed)
    values = decode(space, [rng.random() for _ in space.genes])
    steps = walk_of(space, values)
    text = freeze_route(loaded.source, space, values)
    assert comments(text) == comments(loaded.source.text)
    again = lint(text)
    if not steps:  # no candidate that is kept
        return
    assert again.recipe is not None, (text, again.diagnostics)
    frozen = space_of(again.recipe, "road")
    assert isinstance(frozen, RouteSpace) and frozen.genes == ()
    assert walk_of(frozen, ()) == steps


def test_the_command_freezes_the_shipped_roads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).parents[2] / "recipes" / "route_jp_math.merge"
    out = tmp_path / "frozen.merge"
    assert main(["freeze", "--start", str(path), "-o", str(out)]) == 0
    before, after = load_recipe(path).recipe, load_recipe(out).recipe
    assert before is not None and after is not None
    space, frozen = space_of(before, "found"), space_of(after, "found")
    assert isinstance(space, RouteSpace) and isinstance(frozen, RouteSpace)
    assert (len(space.genes), frozen.genes) == (384, ())
    assert walk_of(frozen, ()) == walk_of(space, start(space))
    assert capsys.readouterr().out == ""
