"""Greedy soups: which flags are tried, which are kept, and that no stop changes it."""

import os
from pathlib import Path

import pytest

from merge_dsl.search.engine import Point
from merge_dsl.search.engines import ENGINES
from merge_dsl.search.errors import CandidateFailed, SearchError, SearchFailed
from merge_dsl.search.greedy import Greedy
from merge_dsl.search.journal import Header, Journal, Trial
from merge_dsl.search.loop import Budget, Outcome, Proposal, Result, run_search

HEADER = Header("recipe-digest", 5, ("a", "b", "c", "d"), "evaluator-digest")
ALONE = {"a": 0.3, "b": 0.6, "c": 0.5, "d": 0.4}  # so that the order is b, c, d, a
# Of every soup that is tried: c lowers it, d leaves it where it is, a raises it.
SOUPS = {"bc": 0.55, "bd": 0.6, "abd": 0.7}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def decode(point: Point) -> Proposal:
    assert set(point) <= {0.25, 0.75}
    name = "".join(n for n, x in zip("abcd", point, strict=True) if x > 0.5)
    return Proposal(tuple(x > 0.5 for x in point), name)


def name_of(values: tuple[object, ...]) -> str:
    return "".join(n for n, value in zip("abcd", values, strict=True) if value)


def evaluate(values: tuple[object, ...]) -> Outcome:
    score = {**ALONE, **SOUPS}[name_of(values)]
    return Outcome(score - 3, {})  # a score may be negative


def search(path: Path, budget: Budget | None = None, **changes: object) -> Result:
    arguments: dict[str, object] = {"evaluate": evaluate, "clock": lambda: 0.0, **changes}
    engine = Greedy((0.5,) * 4, 1, sizes=(2,) * 4)
    with Journal(path, HEADER) as journal:
        return run_search(engine, decode, journal=journal, budget=budget or Budget(7), **arguments)  # type: ignore[arg-type]


def tried(result: Result) -> list[str]:
    return [name_of(trial.values) for trial in result.trials]


def test_an_ingredient_is_kept_where_nothing_is_lost(tmp_path: Path) -> None:
    result = search(tmp_path / "j", Budget(99))
    assert tried(result) == ["a", "b", "c", "d", "bc", "bd", "abd", "abd"]
    assert result.reason == "every flag was tried"
    assert result.trials[-1].repeats == 6  # what is kept costs no score of its own
    assert result.winner is not None and name_of(result.winner.values) == "abd"


def test_of_equal_soups_the_larger_wins(tmp_path: Path) -> None:
    def equal(values: tuple[object, ...]) -> Outcome:
        return Outcome(0.5, {})

    result = search(tmp_path / "j", evaluate=equal)
    assert result.winner is not None and name_of(result.winner.values) == "abcd"


def test_a_soup_that_fails_is_left_behind(tmp_path: Path) -> None:
    def failing(values: tuple[object, ...]) -> Outcome:
        if name_of(values) in ("a", "bd"):
            raise CandidateFailed("no weights are left")
        return Outcome({**ALONE, "bc": 0.6, "abc": 0.2, "bcd": 0.1}.get(name_of(values), 0) - 3, {})

    def first(values: tuple[object, ...]) -> Outcome:
        if len(name_of(values)) == 2:
            raise CandidateFailed("no weights are left")
        return evaluate(values)

    result = search(tmp_path / "j", evaluate=failing)
    assert tried(result)[4:] == ["bc", "bcd", "abc", "bc"]
    result = search(tmp_path / "k", evaluate=first)
    assert tried(result)[4:] == ["bc", "bd", "ab", "b"]

    def nothing(values: tuple[object, ...]) -> Outcome:
        raise CandidateFailed("no weights are left")

    with pytest.raises(SearchFailed, match="generation 0 failed"):
        search(tmp_path / "l", evaluate=nothing)


@pytest.mark.parametrize("stop", range(7))
def test_a_stopped_search_goes_on(stop: int, tmp_path: Path) -> None:
    def interrupt(trial: Trial, replayed: bool) -> None:
        if trial.number == stop and not replayed:
            raise KeyboardInterrupt

    whole = search(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "torn", on_trial=interrupt)
    assert search(tmp_path / "torn") == whole


def test_a_short_budget_keeps_the_best_so_far(tmp_path: Path) -> None:
    result = search(tmp_path / "j", Budget(3))
    assert tried(result) == ["a", "b", "c"] and result.winner == result.trials[1]
    result = search(tmp_path / "k", Budget(5))
    assert tried(result) == ["a", "b", "c", "d", "bc", "b"]


def test_its_state_is_all_of_it() -> None:
    first = Greedy((0.5,) * 4, 1, sizes=(2,) * 4)
    first.tell(first.ask(), [0.3, 0.1, 0.2, 0.4])
    second = ENGINES["greedy"]((0.5,) * 4, 9, sizes=(2,) * 4)
    second.restore(first.state())
    for losses in ([0.1], [0.4], [0.0]):
        assert first.ask() == second.ask()
        first.tell(first.ask(), losses)
        second.tell(second.ask(), losses)
    assert first.favourite() == second.favourite() == (0.25, 0.75, 0.75, 0.75)
    assert first.stopped() == second.stopped() != ""


@pytest.mark.parametrize(("start", "sizes"), [((), ()), ((0.5,), (None,)), ((0.5, 0.5), (2, 3))])
def test_it_takes_flags_alone(start: Point, sizes: tuple[int | None, ...]) -> None:
    with pytest.raises(SearchError):
        Greedy(start, 1, sizes=sizes)
