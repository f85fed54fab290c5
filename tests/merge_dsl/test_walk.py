"""Walks: what a point of a route means, its digest, and its frozen text."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merge_dsl.space.candidate import Hop
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.genes import decode
from merge_dsl.space.routes import RouteSpace, compile_route
from merge_dsl.space.space import start
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import Lint

HEAD = """recipe test
model a from "file:base"
model b from "file:tongue"
model eyes from "file:eyes"
let loud = 0.8..1.2
"""
MANY = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def compiled(lint: Lint, lines: str, head: str = HEAD) -> tuple[Source, RouteSpace]:
    loaded = lint(f"{head}route r {{\n{lines}\n}}\n")
    assert loaded.recipe is not None, (lines, loaded.diagnostics)
    return loaded.source, compile_route(loaded.recipe, "r")


def test_a_walk_is_plain_data(lint: Lint) -> None:
    _, space = compiled(
        lint,
        "  begin a.layers[0]\n  path maybe b.layers[1..2] scale 0.5..1.5\n  end b.layers[3]\n"
        "  scale_of = mlp",
    )
    walk = fill(space, (True, 0.75), 0)
    assert (walk.name, walk.stack, walk.begin, walk.end) == ("r", "language", "a", "b")
    assert walk.hops == (Hop("a", 0), Hop("b", 1, 0.75), Hop("b", 2), Hop("b", 3))
    assert walk.scale_of == "mlp" and set(walk.models) == {"a", "b"}
    assert fill(space, (False, 0.75), 0).hops == (Hop("a", 0), Hop("b", 3))


def test_walks_that_compute_the_same_share_a_digest(lint: Lint) -> None:
    pool = (
        "  begin a\n  pool a.layers[*], b.layers[*]\n  repeat = 2\n  walk = flag per slot\n"
        "  scale = 0.5..1.5 start 1.0 per hop\n  end a\n  require layers >= 1"
    )
    _, space = compiled(lint, pool)
    values = list(start(space))
    assert fill(space, values, 0).hops == tuple(Hop("a", n) for n in range(4))
    one = fill(space, values, 0).digest()
    values[16 + 5] = 0.7  # of a slot that is not walked
    assert fill(space, values, 1).digest() == one
    values[16 + 1] = 0.7
    assert fill(space, values, 1).digest() != one
    values[16 + 1] = 1.0
    lap = [*([False] * 8), *([True] * 4), *([False] * 4), *([1.0] * 16)]
    assert fill(space, lap, 0).digest() == one  # the same layers, taken from the second lap
    _, other = compiled(lint, f"{pool}\n  scale_of = mlp")
    assert fill(other, values, 0).digest() == one  # nothing is scaled
    values[16 + 1] = 0.7
    assert fill(other, values, 0).digest() != fill(space, values, 0).digest()


def test_the_start_of_a_pool_is_the_model_that_the_road_begins_with(lint: Lint) -> None:
    _, space = compiled(
        lint,
        "  begin b\n  pool a.layers[*], b.layers[1..2]\n  repeat = 2\n  walk = flag per slot\n"
        "  end b\n  require layers >= 1",
    )
    assert fill(space, start(space), 0).hops == (Hop("b", 1), Hop("b", 2))
    _, space = compiled(
        lint,
        "  begin b\n  pool a.layers[*]\n  walk = flag per 2 layers\n  end b\n  require layers >= 1",
    )
    assert len(fill(space, start(space), 0).hops) == 4


REPEATS = st.sampled_from(["", " x 2", " x int 1..3", " x 0"])
SCALES = st.sampled_from(["", " scale 0.5", " scale 0.5..1.5 start 1.0", " scale loud * 1.1",
                          " scale log 0.1..2.0", " scale -0.5..0.5"])  # fmt: skip
LAYERS = st.sampled_from(["a.layers[0..1]", "b.layers", "b.layers[3, 1]", "a.layers[2]"])
ARROWS = st.sampled_from([" -> ", " -> ", "\n    -> ", "  # why\n    -> "])


@st.composite
def hops(draw: st.DrawFn, depth: int = 0) -> str:
    """A path, or what stands in a bracket."""
    text = ""
    for number in range(draw(st.integers(1, 3))):
        body = draw(LAYERS)
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            body = f"({draw(hops(depth + 1))})"
        arrow = draw(ARROWS) if number else ""
        text += f"{arrow}{draw(st.sampled_from(['', 'maybe ']))}{body}{draw(REPEATS)}{draw(SCALES)}"
    return text


@st.composite
def pools(draw: st.DrawFn) -> str:
    """The lines of a pool."""
    lines = ["pool a.layers[*], b.layers[1..2]", f"repeat = {draw(st.integers(1, 2))}"]
    per = st.sampled_from(["", " per slot", " per hop", " per layer", " per 2 layers"])
    lines.append(f"walk = {draw(st.sampled_from(['flag', 'true']))}{draw(per)}")
    scale = draw(
        st.sampled_from(
            ["0.5..1.5", "loud", "curve(1.0, 0.7..1.3)", "log 0.1..1.0", "0.5..1.5 step 0.1"]
        )
    )
    lines.append(f"scale = {scale}{draw(per) if scale != 'loud' else ''}")
    return "\n".join(f"  {line}" for line in draw(st.permutations(lines)))


@MANY
@given(
    st.one_of(hops().map(lambda text: f"  path {text}"), pools()),
    st.sampled_from(["begin a", "begin a.layers[0]"]),
    st.integers(0, 2**31),
)
def test_a_frozen_route_is_the_same_walk(lint: Lint, road: str, begin: str, seed: int) -> None:
    lines = f"  {begin}\n{road}\n  end a\n  require layers >= 1"
    loaded = lint(f"{HEAD}route r {{\n{lines}\n}}\n")
    assert loaded.recipe is not None, (lines, loaded.diagnostics)
    space = compile_route(loaded.recipe, "r")
    draw = random.Random(seed)
    values = tuple(decode(gene, draw.random()) for gene in space.genes)
    walk = fill(space, values, seed)
    frozen = freeze(loaded.source, space, values, seed)
    again = lint(frozen)
    assert again.recipe is not None, (frozen, again.diagnostics)
    frozen_space = compile_route(again.recipe, "r")
    assert frozen_space.genes == (), frozen
    assert fill(frozen_space, (), seed + 1) == walk, frozen
    assert frozen.count("#") == lines.count("#")
    assert freeze(again.source, frozen_space, (), seed) == frozen


@pytest.mark.parametrize(
    ("path", "values", "frozen"),
    [
        ("a.layers -> maybe b.layers[1] -> a.layers[3]", (True,), "a.layers -> b.layers[1] -> a.layers[3]"),
        ("a.layers -> maybe b.layers[1] -> a.layers[3]", (False,), "a.layers -> a.layers[3]"),
        ("maybe a.layers -> b.layers[1]", (False,), "b.layers[1]"),
        ("a.layers -> (maybe b.layers) x 2 -> a.layers", (False,), "a.layers -> a.layers"),
        ("(a.layers -> maybe b.layers) x int 1..3 scale 0.8..1.2", (False, 2, 0.93),
         "(a.layers) x 2 scale 0.93"),
        ("maybe a.layers scale 0.8..1.2", (False, 1.0), "a.layers x 0 scale 1.0"),
    ],
)  # fmt: skip
def test_what_a_frozen_path_looks_like(
    lint: Lint, path: str, values: tuple[bool | float, ...], frozen: str
) -> None:
    source, space = compiled(
        lint, f"  begin a\n  path {path}\n  end a\n  require layers >= 1", HEAD.split("let")[0]
    )
    text = freeze(source, space, values, 0)
    assert f"  path {frozen}\n" in text
