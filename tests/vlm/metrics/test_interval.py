"""Intervals: their coverage, their pairing, and that they are the same every time."""

import numpy as np
import pytest

from vlm.metrics.interval import Interval, interval, paired


def names(count: int, each: int = 1) -> list[str]:
    return [f"p{i // each}" for i in range(count)]


def test_an_interval_of_independent_values_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 400).tolist()
    found = interval(values, names(400), seed=1)
    error = np.std(values) / 400**0.5
    assert found.value == pytest.approx(np.mean(values)) and found.n == 400
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.1 * error)


def test_questions_of_one_picture_are_not_independent() -> None:
    """Each value said four times over tells nothing new: the interval must not halve."""
    once = np.random.default_rng(1).normal(size=200).tolist()
    alone = interval(once, names(200), seed=1)
    fourfold = [value for value in once for _ in range(4)]
    honest = interval(fourfold, names(800, each=4), seed=1)
    naive = interval(fourfold, names(800), seed=1)
    width = alone.high - alone.low
    assert honest.high - honest.low == pytest.approx(width, rel=0.03)
    assert naive.high - naive.low == pytest.approx(width / 2, rel=0.05)


def test_pictures_of_several_sizes_weigh_by_their_samples() -> None:
    found = interval([1, 1, 1, 0], ["a", "a", "a", "b"], seed=0)
    assert found == Interval(0.75, 0.0, 1.0, 4)


def test_coverage_is_about_95_percent() -> None:
    draw = np.random.default_rng(2)
    hits = 0
    for seed in range(60):
        found = interval(draw.normal(size=60).tolist(), names(60), seed=seed)
        hits += found.low <= 0 <= found.high
    assert hits >= 52  # the chance of fewer at 93 % coverage is below 2 %


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    draw = np.random.default_rng(3)
    hard = draw.normal(size=150)
    better = (hard + 0.2 + 0.1 * draw.normal(size=150)).tolist()
    worse = hard.tolist()
    found = paired(better, worse, names(150), seed=0)
    assert found.value == pytest.approx(np.mean(better) - np.mean(worse))
    assert 0 < found.low < found.value < found.high
    first, second = (interval(one, names(150), seed=0) for one in (better, worse))
    assert first.low < second.high  # which alone would have shown nothing
    back = paired(worse, better, names(150), seed=0)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_the_same_arguments_give_the_same_interval() -> None:
    values = [0.0, 1.0, 0.5, 0.25, 1.0]
    assert interval(values, names(5), seed=3) == interval(values, names(5), seed=3)
    assert interval(values, names(5), seed=3) == Interval(0.55, 0.2, 0.9, 5)


def test_one_picture_has_no_width() -> None:
    assert interval([0.0, 1.0], ["p", "p"], seed=0) == Interval(0.5, 0.5, 0.5, 2)


def test_what_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 values"):
        interval([], [], seed=0)
    with pytest.raises(ValueError, match="2 values in 1 clusters"):
        interval([1, 2], ["p"], seed=0)
    with pytest.raises(ValueError):
        paired([1, 2], [1], ["p", "q"], seed=0)
