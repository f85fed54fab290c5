"""What a run hands to people: models with their scores and intervals, as plain data.

In: numbers that `vlm` measured. Out: `report.json`, whose keys others script against.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["parent", "baseline", "evolved"]


@dataclass(frozen=True)
class Score:
    """One metric on one data set: the mean and its 95 % interval (bootstrap over pictures)."""

    data: str
    metric: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ModelRow:
    """One model's scores, in the order of the recipe's report."""

    name: str
    role: Role
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Difference:
    """Evolved minus another model on the same questions, paired, with its 95 % interval."""

    against: str
    data: str
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """One picture with what every model said of it."""

    data: str
    picture: str
    image: bytes | None  # encoded; None for a question without a picture
    question: str
    references: tuple[str, ...]
    said: dict[str, str]  # model name -> answer


@dataclass(frozen=True)
class Report:
    """The end of a run."""

    recipe: str
    seed: int
    trials: int
    samples_evaluated: int
    fingerprint: str
    models: tuple[ModelRow, ...]
    differences: tuple[Difference, ...] = ()
    shown: tuple[Shown, ...] = ()
    notes: tuple[str, ...] = field(default=())


def to_json(report: Report) -> str:
    """The text of `report.json`. A number without a finite value is null: NaN is no JSON."""
    table: dict[str, Any] = {
        "recipe": report.recipe,
        "seed": report.seed,
        "trials": report.trials,
        "samples_evaluated": report.samples_evaluated,
        "fingerprint": report.fingerprint,
        "models": [
            {
                "name": row.name,
                "role": row.role,
                "scores": [_finite(vars(score)) for score in row.scores],
            }
            for row in report.models
        ],
        "differences": [_finite(vars(difference)) for difference in report.differences],
        "samples": [
            {
                "data": shown.data,
                "picture": shown.picture,
                "question": shown.question,
                "references": list(shown.references),
                "said": shown.said,
            }
            for shown in report.shown
        ],
        "notes": list(report.notes),
    }
    return json.dumps(table, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finite(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in table.items()
    }
