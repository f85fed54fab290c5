"""What a model scores: references are read once however many metrics want them."""

import math
from types import SimpleNamespace

import pytest

from merge_dsl.meaning.metrics import METRICS
from vlm import score
from vlm.score import READINGS, Ask, taste


def test_every_metric_of_likelihoods_has_its_reading() -> None:
    assert set(READINGS) == {name for name, one in METRICS.items() if one.reads == "likelihood"}


def test_likelihood_is_bounded_where_its_logarithm_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []

    def read(model: object, table: object, tick: object) -> tuple[tuple[float, ...], ...]:
        passes.append(table)
        return ((math.log(0.5), math.log(0.125)), (-math.inf,))

    monkeypatch.setattr(score, "log_likelihoods", read)
    asks = [Ask("log_likelihood", "naming"), Ask("likelihood", "naming")]
    tasting = taste(None, {"naming": SimpleNamespace()}, asks)  # type: ignore[dict-item]
    assert len(passes) == 1
    assert tasting.values[asks[0]] == (pytest.approx(math.log(0.25)), -math.inf)
    assert tasting.values[asks[1]] == (pytest.approx((0.5 + 0.125) / 2), 0.0)
