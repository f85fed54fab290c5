"""NSGA-II and the front: ranks against brute force, known fronts, and whole searches of two aims."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_dsl.search.engine import Point
from merge_dsl.search.front import best_of, dominates, front_of, knee_of
from merge_dsl.search.journal import Header, Journal, read_journal
from merge_dsl.search.loop import Budget, Outcome, Proposal, Result, run_search
from merge_dsl.search.nsga2 import Nsga2, between, nearby, ranked
from merge_dsl.space.candidate import Value

losses = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 2), min_size=1, max_size=14)


@given(losses)
def test_ranks_are_those_of_peeling_fronts(told: list[tuple[float, ...]]) -> None:
    left, level = list(range(len(told))), 0
    rank: dict[int, int] = {}
    while left:
        front = [
            i
            for i in left
            if not any(
                all(a <= b for a, b in zip(told[j], told[i], strict=True)) and told[j] != told[i]
                for j in left
            )
        ]
        rank |= dict.fromkeys(front, level)
        left, level = [i for i in left if i not in front], level + 1
    assert [level for level, _ in ranked(told)] == [rank[i] for i in range(len(told))]


def test_crowding_is_the_side_of_the_cuboid_between_neighbours() -> None:
    found = ranked([(0.0, 4.0), (1.0, 2.0), (3.0, 1.0), (4.0, 0.0)])
    assert [distance for _, distance in found] == [
        -math.inf,
        -(3 / 4 + 3 / 4),
        -(3 / 4 + 2 / 4),
        -math.inf,
    ]


@given(losses)
def test_the_front_is_what_nobody_dominates(told: list[tuple[float, ...]]) -> None:
    front = front_of(told)
    assert len({told[i] for i in front}) == len(front)
    for aims in told:
        assert any(told[i] == aims or dominates(told[i], aims) for i in front)
    for one, other in itertools.permutations(front, 2):
        assert not dominates(told[one], told[other])
    assert knee_of(told) in front and best_of(told) in front


def test_the_knee_is_where_the_front_bends() -> None:
    bent = [(0.0, 10.0), (0.5, 9.0), (0.9, 8.0), (1.0, 0.0), (0.3, 0.3)]
    assert knee_of(bent) == 2 and best_of(bent) == 3
    assert knee_of([(x * 100.0, y) for x, y in bent]) == 2  # whatever the scale of an aim
    assert knee_of([(0.2, 1.0), (0.1, 1.0)]) == 0
    assert knee_of([(0.2, 1.0)]) == 0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_children_stay_in_the_cube(one: float, other: float, u: float) -> None:
    for child in (*between(one, other, u), nearby(one, u)):
        assert 0.0 <= child <= 1.0
    assert between(one, one, u) == (one, one)


def test_children_are_as_far_apart_as_their_parents_are_in_the_mean() -> None:
    """β is 1 at u = ½ where no bound is near: the children are the parents."""
    low, high = between(0.4, 0.6, 0.5)
    assert (low, high) == pytest.approx((0.4, 0.6), abs=1e-3)
    assert nearby(0.3, 0.5) == pytest.approx(0.3)


def zdt1(point: Point) -> tuple[float, float]:
    """Zitzler, Deb and Thiele 2000: its front is f₂ = 1 − √f₁."""
    g = 1 + 9 * sum(point[1:]) / (len(point) - 1)
    return point[0], g * (1 - math.sqrt(point[0] / g))


def test_it_finds_a_known_front_and_spreads_over_it() -> None:
    engine = Nsga2((0.5,) * 6, 3, population=24)
    told: list[tuple[float, float]] = []
    for _ in range(80):
        points = engine.ask()
        told = [zdt1(point) for point in points]
        engine.tell(points, told)
    best = engine._losses
    gaps = [second - (1 - math.sqrt(first)) for first, second in best]
    assert max(gaps) < 0.05
    firsts = sorted(first for first, _ in best)
    assert firsts[0] < 0.01 and firsts[-1] > 0.95
    assert max(b - a for a, b in itertools.pairwise(firsts)) < 0.15


def test_words_without_an_order_are_searched() -> None:
    """The right word stands far from the start, and words beside it are worst."""
    engine = Nsga2((0.1, 0.5), 1, population=8, sizes=(5, None))
    for _ in range(12):
        points = engine.ask()
        engine.tell(points, [(0.0 if int(w * 5) == 3 else 1.0) + abs(x - 0.7) for w, x in points])
    word, number = engine._parents[0]
    assert int(word * 5) == 3 and abs(number - 0.7) < 0.05


def outcome(values: tuple[Value, ...]) -> Outcome:
    first, second = (float(str(value)) for value in values)
    aims = (-((first - 0.2) ** 2) - second, -((first - 0.8) ** 2) - second)
    return Outcome(aims[0], {"one": (aims[0],), "two": (aims[1],)}, aims)


def search(path: Path, pick: str = "knee", stop: int = 10**9) -> Result:
    engine = Nsga2((0.5, 0.5), 4, population=16)
    count = itertools.count()
    with Journal(path, Header("recipe", 4, ("a", "b"), "evaluator")) as journal:
        return run_search(
            engine,
            lambda point: Proposal(point, repr(point)),
            outcome,
            journal,
            Budget(trials=320),
            stop=lambda: next(count) >= stop,
            pick=pick,
        )


def test_a_search_of_two_aims_picks_from_its_front(tmp_path: Path) -> None:
    whole = search(tmp_path / "one")
    assert whole.winner is not None and len(whole.trials) == 320
    first, second = (float(value) for value in whole.winner.values)
    assert second < 0.1 and 0.3 < first < 0.7
    best = search(tmp_path / "two", pick="best").winner
    assert best is not None and abs(float(best.values[0]) - 0.2) < 0.1
    assert best.score == max(t.aims[0] for t in whole.trials)
    assert read_journal(tmp_path / "one").trials == whole.trials


def test_a_search_of_two_aims_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    for _ in range(4):
        part = search(tmp_path / "parts", stop=90)
    found = [(t.values, t.aims, t.generation) for t in part.trials]
    assert found == [(t.values, t.aims, t.generation) for t in whole.trials]
    assert part.winner is not None and whole.winner is not None
    assert part.winner.number == whole.winner.number
