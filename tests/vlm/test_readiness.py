"""What is found wrong before the first trial of a search."""

from pathlib import Path
from typing import Any

import pytest

from tests.vlm.conftest import Told
from tests.vlm.tiny import KEEP, QUICK, changed, done, rows, save_rows


def without(name: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != name} for row in rows()]


@pytest.mark.parametrize(
    ("data", "recipe", "says"),
    [
        (without("split"), QUICK, "no column `split`"),
        (without("image"), QUICK, "column `image`"),
        (changed(1, question="<image>\n何？"), QUICK, "it holds <image>"),
        (changed(5, question="<image>\n何？"), QUICK, "it holds <image>"),
        (
            changed(5, image={"bytes": b"torn", "path": None}),
            QUICK,
            "reported, row 5: a picture is of no kind",
        ),
        (changed(5, image=None), QUICK, "reported, question 5: it has no picture"),
        (changed(5, answers=[]), QUICK, "row 5: column `answers` has no references"),
        (rows(), QUICK.replace("exact_match on", "choice_accuracy on"), "choice_accuracy on repor"),
        ([*rows(), rows()[0] | {"split": "report"}], QUICK, "reports row 0, which the search sees"),
    ],
)
def test_data_are_looked_at_before_the_first_trial(
    data: list[dict[str, Any]], recipe: str, says: str, place: Path, told: Told
) -> None:
    save_rows(place / "rows.parquet", data)
    assert says in told(recipe)
    assert not Path("runs").exists() and not Path("out").exists()


def test_models_that_cannot_see_need_no_pictures(place: Path) -> None:
    some = [row | {"question": f"{i}+1?"} for i, row in enumerate(without("image"))]
    save_rows(place / "rows.parquet", some)
    text = QUICK.replace(KEEP, "keep embed, head from base").replace("take eyes.language", "")
    text = text.replace('model eyes from "file:eyes"\n', "")
    done(place, text)
    assert "<img" not in Path("runs/tiny/report.html").read_text()
