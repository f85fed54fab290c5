"""Model + questions -> per-sample scores, for every term of a search or report.

In: a model, prepared questions, terms ("rouge_l(tokenizer = char) on naming"). Out: for each term one
number a question. Answers are generated once a data set however many metrics read them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from merge_dsl.meaning.metrics import METRICS
from vlm.answer import Prepared, answers, log_likelihoods
from vlm.metrics import Sample, score

# What a question scores, from the mean log-probability of each of its references' tokens.
READINGS: dict[str, Callable[[Sequence[float]], float]] = {
    "log_likelihood": fmean,
    "likelihood": lambda means: fmean(map(math.exp, means)),
}


@dataclass(frozen=True)
class Ask:
    """One metric on one data set, as a recipe's search or report names it."""

    metric: str
    data: str
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The metric as it is written: `rouge_l(tokenizer = mecab)`."""
        inside = ", ".join(f"{key} = {value}" for key, value in self.settings)
        return f"{self.metric}({inside})" if inside else self.metric

    def __str__(self) -> str:
        return f"{self.label} on {self.data}"


@dataclass(frozen=True)
class Tasting:
    """What one model scored: per-sample values by term, and what it said by data set."""

    values: Mapping[Ask, tuple[float, ...]]
    said: Mapping[str, tuple[str, ...]]

    def mean(self, ask: Ask) -> float:
        """The plain mean of one term's samples."""
        values = self.values[ask]
        return sum(values) / len(values)


def taste(
    model: Any,
    prepared: Mapping[str, Prepared],
    asks: Sequence[Ask],
    tick: Callable[[], None] = lambda: None,
) -> Tasting:
    """Score one model. `prepared` holds each data set that `asks` name; `tick` is called a batch."""
    values: dict[Ask, tuple[float, ...]] = {}
    said: dict[str, tuple[str, ...]] = {}
    read: dict[str, tuple[tuple[float, ...], ...]] = {}
    for ask in asks:
        table = prepared[ask.data]
        if METRICS[ask.metric].reads == "likelihood":
            if ask.data not in read:
                read[ask.data] = log_likelihoods(model, table, tick)
            values[ask] = tuple(map(READINGS[ask.metric], read[ask.data]))
            continue
        if ask.data not in said:
            said[ask.data] = answers(model, table, tick)
        samples = [
            Sample(q.id, q.picture, text, q.references, q.choices)
            for q, text in zip(table.questions, said[ask.data], strict=True)
        ]
        values[ask] = score(ask.metric, dict(ask.settings), samples)
    return Tasting(values, said)
