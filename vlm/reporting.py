"""The end of a run: parents, unsearched blends and the evolved child on the report split.

In: an evaluator, the terms of the recipe's report, the checkpoint as it was written. Out: a `Report`.
The child is scored from the reopened checkpoint, not from memory: what is published is what is scored.
A walk that no checkpoint can hold is the exception, and the report says so.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.search.report import Difference, ModelRow, Report, Role, Score, Shown
from merge_dsl.space.candidate import Candidate, Walk
from vlm.errors import MergeError
from vlm.evaluator import Evaluator
from vlm.metrics.interval import Interval, interval, paired
from vlm.score import Ask, Tasting

SHOWN = 3  # questions on the report page
SEED = 0  # of the bootstrap: two reports of one run are the same file


@dataclass(frozen=True)
class Run:
    """What a report says of the search that led to it."""

    recipe: str
    seed: int
    trials: int
    samples_evaluated: int
    fingerprint: str


def make_report(
    evaluator: Evaluator,
    asks: Sequence[Ask],
    run: Run,
    *,
    parents: Sequence[str],
    rivals: Sequence[str] = (),
    seated: Mapping[str, Candidate] | None = None,
    baselines: Mapping[str, Candidate] | Mapping[str, Walk],
    child: Path | Candidate | Walk,
    tell: Callable[[str], None] = lambda name: None,
) -> Report:
    """Score everyone on the same questions. `tell` hears each model's name before it is scored.

    `rivals` are winners of earlier searches, of which this one is not made: reported beside those that
    needed none. `seated` has the host with the tower of another parent, which stands for that parent where
    it is a tower alone and answers nothing.
    """
    notes = [f"Questions shown: {SHOWN} drawn by the run's seed, not chosen."]
    blended: list[tuple[str, Role, Tasting]] = []

    def taste(name: str, role: Role, candidate: Candidate | Walk) -> None:
        tell(name)
        try:
            blended.append((name, role, evaluator.taste_candidate(candidate, asks)))
        except MergeError as error:  # a rival that cannot be built is no reason to report nothing
            notes.append(f"{name} is left out: {error.what}.")

    assert evaluator.host is not None
    for name, candidate in (seated or {}).items():
        if not evaluator.sources[name].answers:
            taste(f"{name} in {evaluator.host.name}", "parent", candidate)
    for name, rival in baselines.items():
        taste(name, "baseline", rival)
    if not isinstance(child, Path):
        tell("evolved")
        evolved = evaluator.taste_candidate(child, asks)
        notes.append("The evolved model was scored from memory: no checkpoint can hold it.")
    evaluator.release()  # a device that holds the resident and its parents has no room for another model
    opened: list[tuple[str, Role, Tasting]] = []
    for name in (*parents, *rivals):
        if not evaluator.sources[name].answers:
            continue  # an adapter or a tower is no model that could be asked
        tell(name)
        tasting = evaluator.taste_checkpoint(evaluator.folders[name], asks)
        opened.append((name, "baseline" if name in rivals else "parent", tasting))
    if isinstance(child, Path):
        tell("evolved")
        evolved = evaluator.taste_checkpoint(child, asks)
    tastings = [*opened, *blended, ("evolved", "evolved", evolved)]
    clusters = {ask: [q.picture for q in evaluator.questions[ask.data]] for ask in asks}
    return Report(
        recipe=run.recipe,
        seed=run.seed,
        trials=run.trials,
        samples_evaluated=run.samples_evaluated,
        fingerprint=run.fingerprint,
        models=tuple(
            ModelRow(name, role, tuple(_score(ask, taste, clusters[ask]) for ask in asks))
            for name, role, taste in tastings
        ),
        differences=tuple(
            _difference(ask, name, evolved, other, clusters[ask])
            for ask in asks
            for name, role, other in tastings
            if role != "evolved"
        ),
        shown=_shown(evaluator, asks, tastings, run.seed),
        notes=tuple(notes),
    )


def _score(ask: Ask, tasting: Tasting, clusters: Sequence[str]) -> Score:
    values = tasting.values[ask]
    found = interval(values, clusters, SEED) if _sound(values) else _unknown(values)
    return Score(ask.data, ask.label, found.value, found.low, found.high, found.n)


def _difference(
    ask: Ask, against: str, evolved: Tasting, other: Tasting, clusters: Sequence[str]
) -> Difference:
    pairs = (evolved.values[ask], other.values[ask])
    found = paired(*pairs, clusters, SEED) if all(map(_sound, pairs)) else _unknown(pairs[0])
    return Difference(against, ask.data, ask.label, found.value, found.low, found.high)


def _sound(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))


def _unknown(values: Sequence[float]) -> Interval:
    """Of a model that gives some reference no probability at all: it has no mean."""
    return Interval(math.nan, math.nan, math.nan, len(values))


def _shown(
    evaluator: Evaluator,
    asks: Sequence[Ask],
    tastings: Sequence[tuple[str, Role, Tasting]],
    seed: int,
) -> tuple[Shown, ...]:
    """A few questions of the first data set that anyone answered, with everyone's answers."""
    data = next((ask.data for ask in asks if ask.data in tastings[-1][2].said), None)
    if data is None:
        return ()
    questions = evaluator.questions[data]
    chosen = random.Random(seed).sample(range(len(questions)), min(SHOWN, len(questions)))
    return tuple(
        Shown(
            data=data,
            picture=questions[i].picture,
            image=questions[i].image,
            question=questions[i].question,
            references=questions[i].references,
            said={
                name: tasting.said[data][i]
                for name, role, tasting in tastings
                if role != "baseline"
            },
        )
        for i in chosen
    )
