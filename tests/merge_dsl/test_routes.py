"""Routes: roads laid out, their genes, and the walks of a candidate."""

from pathlib import Path

import pytest

from merge_dsl.meaning.load import load_recipe
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.space.estimate import estimate
from merge_dsl.space.lengths import lengths_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import RouteSpace, compile_route, walk_of
from merge_dsl.space.space import start
from merge_dsl.text.build import build_tree
from merge_dsl.text.tables import machine
from merge_dsl.text.tree import Route, RouteLine
from tests.merge_dsl.conftest import Lint

RECIPES = Path(__file__).parents[2] / "recipes"
HEAD = """recipe test
model a from "file:base"
model b from "file:tongue"
model tower from "file:tower"
model eyes from "file:eyes"
"""


def compiled(lint: Lint, lines: str, head: str = HEAD) -> RouteSpace:
    loaded = lint(f"{head}route r {{\n{lines}}}\n")
    assert loaded.recipe is not None, loaded.diagnostics
    return compile_route(loaded.recipe, "r")


def walked(space: RouteSpace, *values: object) -> list[str]:
    return [f"{s.layer.model}{s.layer.number}*{s.scale:g}" for s in walk_of(space, values)]  # type: ignore[arg-type]


@pytest.mark.parametrize("maybe", ["", "maybe "])
@pytest.mark.parametrize("inside", ["a.layers[0..1]", "(a.layers -> maybe b.layers x 2)"])
@pytest.mark.parametrize("times", ["", " x 2", " x int 1..3"])
@pytest.mark.parametrize("scale", ["", " scale 0.5", " scale 0.5..1.5 start 1.0"])
def test_every_form_of_a_hop_is_read(maybe: str, inside: str, times: str, scale: str) -> None:
    text = f"recipe t\nroute r {{ path {maybe}{inside}{times}{scale} -> b.layers }}\n"
    tree = build_tree(machine().read(text))
    (route,) = tree.items
    assert isinstance(route, Route) and isinstance(route.lines[0], RouteLine)
    hop, last = route.lines[0].hops
    assert (hop.maybe, hop.repeat is not None, hop.scale is not None) == tuple(
        map(bool, (maybe, times, scale))
    )
    assert (hop.path is None) == inside.startswith("(") and last.path is not None


def test_a_drawn_path(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a\n  path a.layers[0..1]\n"
        "    -> (b.layers[1] -> maybe a.layers[2]) x int 1..3 scale 0.8..1.2\n"
        "    -> a.layers[3]\n  end a\n",
    )
    assert [(g.name, g.kind) for g in space.genes] == [
        ("a[2].maybe", "flag"), ("(b[1]…).times", "int"), ("(b[1]…).scale", "real"),
    ]  # fmt: skip
    assert walked(space, True, 2, 0.9) == [
        "a0*1",
        "a1*1",
        "b1*0.9",
        "a2*1",
        "b1*0.9",
        "a2*1",
        "a3*1",
    ]
    assert walked(space, False, 1, 1.0) == ["a0*1", "a1*1", "b1*1", "a3*1"]


def test_a_pool_has_a_flag_and_a_scale_for_each_slot(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a\n  pool a.layers[*], b.layers[0..1]\n  repeat = 2\n  walk = flag per slot\n"
        "  scale = 0.5..1.5 start 1.0 per hop\n  end a\n  require layers >= 1\n",
    )
    assert len(space.genes) == 12 + 12
    assert space.genes[0].name == "walk[1.a.0]" and space.genes[-1].name == "scale[2.b.1]"
    values = [False] * 24
    values[1] = values[6] = True
    values[12:] = [1.0] * 12
    values[12 + 6] = 0.5
    assert walked(space, *values) == ["a1*1", "a0*0.5"]
    assert walked(space, *start(space)) == ["a0*1", "a1*1", "a2*1", "a3*1"]


@pytest.mark.parametrize(("per", "genes"), [("per layer", 4), ("per 2 layers", 2), ("", 1)])
def test_a_pool_may_be_tied(lint: Lint, per: str, genes: int) -> None:
    space = compiled(
        lint, f"  begin a\n  pool a.layers\n  repeat = 3\n  walk = flag {per}\n  end a\n"
        "  require layers >= 1\n"
    )  # fmt: skip
    assert len(space.genes) == genes
    assert len(walk_of(space, start(space))) == 12


def test_a_list_and_a_curve_along_a_pool(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a\n  pool a.layers\n  walk = [true, false, true, true] per slot\n"
        "  scale = curve(1.0, 0.7..1.3)\n  end a\n",
    )
    assert [gene.name for gene in space.genes] == ["scale[point 2]"]
    assert walked(space, 1.3) == ["a0*1", "a2*1.2", "a3*1.3"]


def test_ends_may_pin_layers(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a.layers[0]\n  pool a.layers[1..2], b.layers\n  walk = flag per slot\n"
        "  end a.layers[2..3]\n",
    )
    assert walked(space, *start(space)) == ["a0*1", "a1*1", "a2*1", "a2*1", "a3*1"]
    assert walked(space, *([False] * 6)) == ["a0*1", "a2*1", "a3*1"]
    lengths = lengths_of(space.recipe, space.route, space.road)
    assert lengths is not None and (min(lengths), max(lengths)) == (3, 9)


@pytest.mark.parametrize("value", ["stream", "mlp", "attention", "0.5", '"mlp"'])
def test_what_a_scale_may_scale(lint: Lint, value: str) -> None:
    loaded = lint(
        f"{HEAD}route r {{\n  begin a\n  path a.layers\n  end a\n  scale_of = {value}\n}}\n"
    )
    assert (loaded.recipe is not None) == (value in ("stream", "mlp"))
    assert ("K205" in {d.code for d in loaded.diagnostics}) == (loaded.recipe is None)


def test_vision_layers_are_walked_too(lint: Lint) -> None:
    space = compiled(
        lint, "  begin eyes\n  path eyes.vision.layers -> maybe tower.layers[0]\n  end eyes\n"
    )
    steps = walk_of(space, (True,))
    assert [(s.layer.model, s.layer.stack, s.layer.number) for s in steps] == [
        ("eyes", "vision", 0), ("eyes", "vision", 1), ("tower", "vision", 0),
    ]  # fmt: skip


def test_one_let_is_one_gene(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a\n  path a.layers scale loud -> b.layers scale loud\n  end a\n",
        HEAD + "let loud = 0.8..1.2\n",
    )
    assert [gene.name for gene in space.genes] == ["loud"]
    assert [step.scale for step in walk_of(space, (0.9,))][::4] == [0.9, 0.9]


def test_lengths_are_those_of_the_walks(lint: Lint) -> None:
    space = compiled(
        lint,
        "  begin a\n  path a.layers[0] -> (b.layers[1..2] -> maybe a.layers[2]) x int 1..3\n"
        "    -> maybe a.layers[3]\n  end a\n",
    )
    found = lengths_of(space.recipe, space.route, space.road)
    assert found is not None and sum(found.values()) == pytest.approx(1.0)
    walks = [
        len(walk_of(space, (inner, times, last)))
        for inner in (True, False)
        for times in (1, 2, 3)
        for last in (True, False)
    ]
    assert found == pytest.approx({n: walks.count(n) / len(walks) for n in set(walks)})


def shipped(name: str) -> Recipe:
    recipe = load_recipe(RECIPES / f"{name}.merge").recipe
    assert recipe is not None
    return recipe


def test_the_shipped_roads() -> None:
    recipe = shipped("route_jp_math")
    drawn = compile_route(recipe, "drawn")
    assert [gene.kind for gene in drawn.genes] == ["flag", "int", "real"]
    assert len(walk_of(drawn, start(drawn))) == 16 + 2 * 12 + 12
    found = compile_route(recipe, "found")
    # 32 + 32 layers, three times: 192 flags, and a scale for the hop into each slot.
    assert [gene.kind for gene in found.genes] == ["flag"] * 192 + ["real"] * 192
    cost = estimate(recipe, "found", 384)
    assert cost.trials == 12800
    assert cost.disk_bytes is not None and 10 * 2**30 < cost.disk_bytes < 30 * 2**30


def test_a_layer_count_that_nobody_knows(lint: Lint) -> None:
    head = HEAD + 'model c from "hf:nobody/nothing"\n'
    with pytest.raises(SpaceError, match="nothing is known of c"):
        compiled(lint, "  begin c\n  path c.layers\n  end c\n", head)
    road = "route r {\n  begin c\n  path c.layers[0..99999999999]\n  end c\n}\n"
    assert ("R610", "c has no 10000 layers") in {
        (d.code, d.message) for d in lint(head + road).diagnostics
    }


@pytest.mark.parametrize(
    ("hops", "longest"),
    [
        ("a.layers x int 1..90000", "360,000"),
        ("a.layers x 90000", "360,000"),
        ("((a.layers x 900) x 900) x 900", "2,916,000,000"),
        ("((a.layers x int 1..900) x 900) x int 1..900 step 2", "2,916,000,000"),
        ("b.layers -> " + "(" * 40 + "a.layers" + ") x 3" * 40, f"{4 + 4 * 3**40:,}"),
        ("a.layers[0] x 10001", "10,001"),
    ],
)
def test_an_endless_road_is_refused_before_it_is_laid_out(
    lint: Lint, hops: str, longest: str
) -> None:
    """None of these would come back if anything were multiplied out."""
    found = lint(f"{HEAD}route r {{\n  begin a\n  path {hops}\n  end a\n}}\n").diagnostics
    (told,) = [d for d in found if d.code == "R610"]
    assert f"may have {longest} layers" in told.message and told.severity == "error"


@pytest.mark.parametrize("hops", ["a.layers[0] x 10000", "(a.layers[0] x int 0..50) x int 0..200"])
def test_a_long_road_is_a_road(lint: Lint, hops: str) -> None:
    loaded = lint(
        f"{HEAD}route r {{\n  begin a\n  path {hops} -> a.layers[1] x 0\n  end a\n"
        "  require layers >= 1\n}\n"
    )
    assert loaded.recipe is not None, loaded.diagnostics


def test_a_pool_without_end_is_refused(lint: Lint) -> None:
    road = "  begin a\n  pool a.layers[*]\n  repeat = 90000\n  walk = flag per slot\n  end a\n"
    found = lint(f"{HEAD}route r {{\n{road}}}\n").diagnostics
    assert [d.message for d in found if d.code == "R610"] == [
        "`r` would have more than 10000 slots"
    ]
