"""Scales of pairs of layers: the matrix W and the network in its place, against the formulas by hand."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from merge_dsl.meaning.values import Network
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.pairs import scale_at
from merge_dsl.space.routes import RouteSpace, compile_route
from merge_dsl.space.space import decode, encode, start
from merge_dsl.text.format import format_text
from tests.merge_dsl.conftest import Lint

HEAD = """recipe test

model a from "file:base"
model b from "file:tongue"

"""
ENDS = """route r {{
  begin a.layers[0]
  pool a.layers[1..2], b.layers[0..1]
  repeat = 2
  walk = flag per slot
  scale = {}
  end a.layers[3]
}}
"""
OPEN = """route r {{
  begin a
  pool a.layers[*], b.layers[0..1]
  repeat = 2
  walk = flag per slot
  scale = {}
  end a
  require layers >= 1
}}
"""
W = "0.5..1.5 start 1.0 per pair"
NETS = [
    "network(0.5..1.5, hidden = 2)",
    "network(0.5..1.5 start 0.9)",
    "network(log 0.25..4.0, hidden = 3)",
]


def space_of(lint: Lint, road: str, scale: str) -> RouteSpace:
    loaded = lint(HEAD + road.format(scale))
    assert loaded.recipe is not None, loaded.diagnostics
    return compile_route(loaded.recipe, "r")


def drawn(space: RouteSpace, seed: int) -> list[object]:
    rng = random.Random(seed)
    return list(decode(space, [rng.random() for _ in space.genes]))


def hops(space: RouteSpace, values: Sequence[object]) -> list[tuple[str, int, float]]:
    return [tuple(hop) for hop in fill(space, values, 0).hops]  # type: ignore[arg-type, misc]


def by_hand(values: dict[str, object], road: str) -> list[tuple[str, int, float]]:
    """The walk through W, from its definition: what a hop is scaled by is named after its pair."""
    pool = [("a", 1), ("a", 2), ("b", 0), ("b", 1)] if road == ENDS else [
        *(("a", n) for n in range(4)), ("b", 0), ("b", 1)
    ]  # fmt: skip
    first, last = ([("a", 0)], [("a", 3)]) if road == ENDS else ([], [])
    slots = [(lap, *layer) for lap in (1, 2) for layer in pool]
    taken = [(m, n) for lap, m, n in slots if values[f"walk[{lap}.{m}.{n}]"]]
    found, before = [], None
    for m, n in [*first, *taken, *last]:
        scale = 1.0 if before is None else values[f"scale[{before[0]}.{before[1]}->{m}.{n}]"]
        found.append((m, n, scale))
        before = (m, n)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("road", [ENDS, OPEN])
@pytest.mark.parametrize("seed", range(6))
def test_a_matrix_scales_each_hop_by_its_pair(lint: Lint, road: str, seed: int) -> None:
    space = space_of(lint, road, W)
    assert len([g for g in space.genes if g.name.startswith("scale")]) == (
        25 if road == ENDS else 36
    )
    values = drawn(space, seed)
    named = dict(zip((g.name for g in space.genes), values, strict=True))
    assert hops(space, values) == by_hand(named, road)


def reference(theta: Sequence[float], units: int, x: Sequence[float], low: float, high: float,
              first: float, log: bool) -> float:  # fmt: skip
    """π_θ as docs/routes.md has it, in matrices."""
    inner = np.array(theta[: 4 * units]).reshape(units, 4)
    hidden = np.tanh(inner[:, :3] @ np.array(x) + inner[:, 3])
    y = math.tanh(float(np.array(theta[4 * units : 5 * units]) @ hidden) + theta[5 * units])
    if log:
        low, high, first = math.log(low), math.log(high), math.log(first)
    found = first + y * (high - first) if y > 0 else first + y * (first - low)
    return math.exp(found) if log else found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", NETS)
@pytest.mark.parametrize("road", [ENDS, OPEN])
def test_a_network_says_what_its_formula_says(lint: Lint, road: str, scale: str, seed: int) -> None:
    space = space_of(lint, road, scale)
    line = space.route.setting("scale")
    assert line is not None and isinstance(line.value, Network)
    net, values = line.value, drawn(space, seed)
    slots = 8 if road == ENDS else 12
    flags, theta = values[:slots], [float(v) for v in values[slots:]]  # type: ignore[arg-type]
    assert len(theta) == 5 * net.hidden + 1
    pool = ["a1", "a2", "b0", "b1"] if road == ENDS else ["a0", "a1", "a2", "a3", "b0", "b1"]
    order = ["a0", *pool, "a3"] if road == ENDS else pool
    walked = [(pool[t % len(pool)], t) for t in range(slots) if flags[t]]
    walked = [("a0", 0), *walked, ("a3", slots - 1)] if road == ENDS else walked
    low, high, first = {"0": (0.5, 1.5, 1.0), "9": (0.5, 1.5, 0.9), "l": (0.25, 4.0, 1.0)}[
        "l" if "log" in scale else "9" if "0.9" in scale else "0"
    ]
    told = hops(space, values)
    assert [f"{m}{n}" for m, n, _ in told] == [layer for layer, _ in walked]
    assert told == [] or told[0][2] == 1.0  # the first hop arrives from no layer
    for (one, _), (other, t), (_, _, found) in zip(walked, walked[1:], told[1:], strict=False):
        x = [
            2 * order.index(one) / (len(order) - 1) - 1,
            2 * order.index(other) / (len(order) - 1) - 1,
        ]
        x.append(2 * t / (slots - 1) - 1)
        wanted = reference(theta, net.hidden, x, low, high, first, net.reach.log)
        assert found == pytest.approx(wanted, abs=2e-4) and low <= found <= high


@pytest.mark.parametrize("scale", [W, *NETS])
def test_a_search_starts_from_the_model_as_it_is(lint: Lint, scale: str) -> None:
    space = space_of(lint, OPEN, scale)
    first = 0.9 if "0.9" in scale else 1.0
    told = hops(space, start(space))
    assert [hop[:2] for hop in told] == [("a", n) for n in range(4)]
    assert [hop[2] for hop in told] == [1.0, first, first, first]
    assert encode(space, start(space)) == pytest.approx(
        encode(space, decode(space, encode(space, start(space))))
    )


def test_a_network_reaches_both_ends() -> None:
    from merge_dsl.meaning.values import Draw
    from merge_dsl.text.source import Span

    here = Span(0, 0)
    for log in (False, True):
        net = Network(Draw("real", here, here, 0.5, 2.0, log, start=1.0), 1, None, here)
        up, down = [0, 0, 0, 2, 2, 2], [0, 0, 0, 2, -2, -2]
        assert scale_at(net, up, (0, 0, 0)) > 1.99 and scale_at(net, down, (0, 0, 0)) < 0.51
        assert scale_at(net, [2, 2, 2, 2, 0, 0], (1, 1, 1)) == 1.0


@pytest.mark.parametrize("road", [ENDS, OPEN])
@pytest.mark.parametrize("scale", [W, *NETS])
@pytest.mark.parametrize("seed", range(5))
def test_frozen_it_is_the_same_candidate(lint: Lint, road: str, scale: str, seed: int) -> None:
    loaded = lint(HEAD + road.format(scale))
    assert loaded.recipe is not None
    space = compile_route(loaded.recipe, "r")
    values = tuple(drawn(space, seed))
    walk = fill(space, values, 0)  # type: ignore[arg-type]
    text = freeze(loaded.source, space, values, 0)  # type: ignore[arg-type]
    tidy = format_text(text)
    assert format_text(tidy) == tidy
    for written in (text, tidy):
        again = lint(written)
        assert again.recipe is not None, again.diagnostics
        frozen = compile_route(again.recipe, "r")
        assert frozen.genes == ()
        told = fill(frozen, (), 0)
        assert told == walk and told.digest() == walk.digest()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=some.data())
def test_what_is_not_walked_does_not_count(lint: Lint, data: some.DataObject) -> None:
    """Pairs that no hop goes may be anything: the walk and its digest are the same."""
    space = space_of(lint, OPEN, W)
    point = data.draw(
        some.lists(some.floats(0, 1), min_size=len(space.genes), max_size=len(space.genes))
    )
    values = list(decode(space, point))
    assert tuple(values) == decode(space, encode(space, values))  # what is decoded is encoded back
    walk = fill(space, values, 0)
    walked = {
        f"scale[{one.model}.{one.layer}->{two.model}.{two.layer}]"
        for one, two in zip(walk.hops, walk.hops[1:], strict=False)
    }
    other = [
        value
        if not gene.name.startswith("scale") or gene.name in walked
        else 0.5 + 1.5 - float(value)
        for gene, value in zip(space.genes, values, strict=True)
    ]
    assert fill(space, other, 0) == walk and fill(space, other, 0).digest() == walk.digest()
    for number, gene in enumerate(space.genes):
        if gene.name in walked:
            moved = [*values]
            moved[number] = 0.77 if values[number] != 0.77 else 0.78
            assert fill(space, moved, 0).digest() != walk.digest()
            break


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        ("network()", "between which numbers"),
        ("network(hidden = 4)", "between which numbers"),
        ("network(0.5..1.5, hidden = 0)", "from 1 to 64"),
        ("network(0.5..1.5, hidden = 2.5)", "from 1 to 64"),
        ("network(0.5..1.5, layers = 2)", "takes no `layers`"),
        ("network(0.5..1.5, 4)", "takes no what stands here"),
        ("network(int 1..3)", "no steps"),
        ("network(0.5..1.5, hidden = 1, weights = [1, 2])", "6 weights, and 2 are given"),
        ("network(0.5..1.5, hidden = 1, weights = 0.5)", "a list of numbers"),
        ("network(1.5..0.5)", "backwards"),
        ("network(0.5..1.5 start 2.0)", "outside"),
        ("network(0.5..1.5) per hop", "says nothing here"),
        ("2 * network(0.5..1.5)", "is a number"),
        ("curve(0.5..1.5, 1.0) per pair", "pairs of layers do not"),
        ("[1.0, 0.5] per pair", "2 values for 36 groups"),
    ],
)
def test_what_is_wrong_is_said(lint: Lint, scale: str, says: str) -> None:
    loaded = lint(HEAD + OPEN.format(scale))
    assert loaded.recipe is None
    assert any(says in found.message for found in loaded.diagnostics), loaded.diagnostics


def test_only_a_scale_knows_pairs(lint: Lint) -> None:
    loaded = lint(HEAD + OPEN.format(W).replace("flag per slot", "flag per pair"))
    assert [d.code for d in loaded.diagnostics if d.severity == "error"] == ["K205"]
    merge = "merge m {\n  language.layers by linear {\n    take a { weight = network(0.0..1.0) }\n  }\n}\n"
    found = [d for d in lint(HEAD + merge).diagnostics if d.code == "K205"]
    assert found and "scales the hops of a pool" in found[0].message
    found = [d for d in lint(HEAD + "let n = network(0.0..1.0)\n").diagnostics if d.code == "K205"]
    assert found


def test_a_matrix_beyond_all_measure_is_refused_at_once(lint: Lint) -> None:
    many = ", ".join(f"a.layers[{n}]" for n in range(4))
    loaded = lint(HEAD + OPEN.format(W).replace("a.layers[*]", many))
    assert loaded.recipe is not None and not any(d.code == "R609" for d in loaded.diagnostics)
    head = HEAD.replace("file:base", "hf:org/a").replace("file:tongue", "hf:org/b")
    road = OPEN.format(W).replace("a.layers[*]", "a.layers[0..600]")
    found = [d for d in lint(head + road).diagnostics if d.code == "R609"]
    assert found and found[0].severity == "error" and "363,609 genes" in found[0].message
