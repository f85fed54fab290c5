"""A report in its three forms: what users and models wrote is text, and JSON is JSON."""

import json
import math

import pytest

from merge_dsl.search.report import Difference, ModelRow, Report, Score, Shown, to_json
from merge_dsl.tools.report_html import to_html
from merge_dsl.tools.report_table import print_report

ODD = "[/b] what [a]? <i>"


def report(value: float = 0.5, image: bytes | None = b"png") -> Report:
    score = Score(ODD, "exact_match", value, value, value, 2)
    return Report(
        recipe="odd",
        seed=1,
        trials=3,
        samples_evaluated=6,
        fingerprint="f",
        models=tuple(
            ModelRow(name, role, (score,))
            for name, role in ((ODD, "parent"), ("ties", "baseline"), ("evolved", "evolved"))
        ),
        differences=(Difference("ties", ODD, "exact_match", value, value, value),),
        shown=(Shown(ODD, "p", image, f"\n{ODD}\nmore", ("[/x]",), {"evolved": "[red]"}),),
        notes=("[/n]",),
    )


def test_nothing_is_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_report(report())
    shown = capsys.readouterr().out
    for text in (ODD, "[/x]", "[red]", "[/n]"):
        assert text in shown
    assert "<i>" not in to_html(report(), [0.1, 0.2])


def test_numbers_without_a_value_are_null() -> None:
    for value in (math.nan, -math.inf):
        table = json.loads(to_json(report(value)), parse_constant=pytest.fail)
        assert table["models"][0]["scores"][0]["value"] is None
        assert table["differences"][0]["low"] is None
    assert json.loads(to_json(report()))["models"][0]["scores"][0]["value"] == 0.5


def test_a_question_without_a_picture_has_none_on_the_page() -> None:
    assert "<img" in to_html(report(), []) and "<img" not in to_html(report(image=None), [])
