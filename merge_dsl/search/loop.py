"""The search: ask, score, write down, tell, until the budget is spent.

In: an engine, what a point means, how a candidate is scored, a journal. Out: the trials and the
best of them. Everything that decides what happens next is in the engine's seed and in the journal,
so a run that is stopped at any moment is taken up by the same call: the engine is made anew and
asked again, and what the journal has is not scored a second time.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from merge_dsl.search.engine import Engine, Loss, Point
from merge_dsl.search.errors import CandidateFailed, JournalError, SearchFailed
from merge_dsl.search.front import PICKS
from merge_dsl.search.journal import End, Journal, Trial
from merge_dsl.space.candidate import Value

FAILED = 1e9  # the loss of a candidate that failed: no score is as bad


@dataclass(frozen=True)
class Proposal:
    """What a point means: the genes' values, and the digest of the candidate that they make."""

    values: tuple[Value, ...]
    digest: str


@dataclass(frozen=True)
class Outcome:
    """What scoring a candidate gave: a score to maximise, and each term's samples behind it.

    Where a search has several aims, `aims` are the scores of all, and `score` is that of the first.
    """

    score: float
    samples: Mapping[str, tuple[float, ...]]
    aims: tuple[float, ...] = ()


@dataclass(frozen=True)
class Budget:
    """When to end: at the first of these that is reached. None is no limit; one must be given.

    `seconds` counts time spent on trials, over all commands that worked on the run, and not the
    time between them. The trial of the engine's favourite comes on top.
    """

    trials: int | None = None
    generations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.trials, self.generations, self.seconds) == (None, None, None):
            raise ValueError("a search without a budget never ends")

    def spent(self, trials: Sequence[Trial], generation: int) -> str:
        """Which limit is reached, or "" while none is."""
        if self.trials is not None and len(trials) >= self.trials:
            return f"{self.trials} trials"
        if self.generations is not None and generation >= self.generations:
            return f"{self.generations} generations"
        if self.seconds is not None and sum(one.seconds for one in trials) >= self.seconds:
            return f"{self.seconds:g} s of trials"
        return ""


@dataclass(frozen=True)
class Result:
    """What a search came to. `reason` is "" where `stop` ended it early, to be taken up again."""

    trials: tuple[Trial, ...]
    winner: Trial | None  # None only where no trial has a score yet
    reason: str


Decode = Callable[[Point], Proposal]
Evaluate = Callable[[tuple[Value, ...]], Outcome]


def run_search(
    engine: Engine,
    decode: Decode,
    evaluate: Evaluate,
    journal: Journal,
    budget: Budget,
    on_trial: Callable[[Trial, bool], None] = lambda trial, replayed: None,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.perf_counter,
    pick: str = "best",
) -> Result:
    """Search until the budget is spent, the engine has converged, or `stop` says so.

    engine: new, made from the run's seed. decode: total, and the same in every process. evaluate:
    scores the candidate of these values; it raises CandidateFailed for one that cannot be.
    on_trial: called after each trial is in the journal, with True for those that were there
    before. stop: asked before each new trial. clock: seconds. pick: which of the front wins where
    there are several aims, a key of `merge_dsl.search.front.PICKS`.

    A candidate whose digest was scored before is not scored again; it counts as a trial. A failed
    one ranks last in its generation, behind those that are not what the recipe requires, which are
    ranked by how far they are from it (Deb 2000, doi:10.1016/S0045-7825(99)00389-8). A generation
    that the budget cuts short is not told. The
    winner is the trial of the highest score: among equals the favourite's, then the earliest.
    KeyboardInterrupt passes through and leaves the journal whole. Raises SearchFailed where all
    candidates of a generation fail for other reasons, JournalError where the journal tells of other trials than are
    asked.
    """
    if journal.end is not None:
        return Result(journal.trials, journal.trials[journal.end.winner], journal.end.reason)
    trials: list[Trial] = []
    scored: dict[str, Trial] = {}

    def try_point(point: Point, generation: int, role: Literal["search", "mean"]) -> Trial:
        proposal = decode(point)
        number = len(trials)
        asked = Trial(number, generation, point, proposal.values, proposal.digest, None, role=role)
        replayed = number < len(journal.trials)
        if replayed:
            trial = journal.trials[number]
            _check_replayed(journal, trial, asked)
        else:
            trial = _score(asked, scored.get(proposal.digest), evaluate, clock)
            journal.append(trial)
        trials.append(trial)
        scored.setdefault(trial.digest, trial)
        on_trial(trial, replayed)
        return trial

    def is_stopped() -> bool:
        return len(trials) >= len(journal.trials) and stop()

    generation, reason = 0, ""
    while not reason:
        points = engine.ask()
        tried: list[Trial] = []
        for point in points:
            reason = budget.spent(trials, generation)
            if reason:
                break
            if is_stopped():
                return Result(tuple(trials), best(trials, pick), "")
            tried.append(try_point(point, generation, "search"))
        if len(tried) == len(points):
            engine.tell(points, _losses(tried, generation))
            generation += 1
            reason = engine.stopped()
    favourite = engine.favourite()
    if favourite is not None:
        if is_stopped():
            return Result(tuple(trials), best(trials, pick), "")
        try_point(favourite, generation, "mean")
    if len(trials) < len(journal.trials):
        raise _other_trials(journal, len(trials))
    winner = best(trials, pick)
    if winner is None:
        raise _all_failed(trials, "this search")
    journal.append(End(reason, winner.number))
    return Result(tuple(trials), winner, reason)


def best(trials: Sequence[Trial], pick: str = "best") -> Trial | None:
    """The trial of the highest score; among equals the favourite's, then the earliest. Of several aims
    the one that is picked."""
    several = [trial for trial in trials if trial.aims]
    if several:
        return several[PICKS[pick]([trial.aims for trial in several])]
    ranked = sorted(trials, key=lambda trial: (trial.role != "mean", trial.number))
    scores = [
        (trial.score, -place) for place, trial in enumerate(ranked) if trial.score is not None
    ]
    return ranked[-max(scores)[1]] if scores else None


def _score(
    asked: Trial, known: Trial | None, evaluate: Evaluate, clock: Callable[[], float]
) -> Trial:
    """The trial with its score, from an earlier trial of the same candidate where there is one."""
    if known is not None:
        return replace(
            asked,
            score=known.score,
            aims=known.aims,
            failure=known.failure,
            excess=known.excess,
            repeats=known.number,
        )
    start = clock()
    try:
        outcome = evaluate(asked.values)
    except CandidateFailed as error:
        why = str(error) or "no reason given"
        return replace(asked, failure=why, excess=error.excess, seconds=clock() - start)
    seconds = clock() - start
    samples = {name: tuple(map(float, values)) for name, values in outcome.samples.items()}
    scores = (outcome.score, *outcome.aims)
    for name, values in {"the score": scores, **samples}.items():
        if not all(map(math.isfinite, values)):
            return replace(asked, failure=f"{name} is not a finite number", seconds=seconds)
    aims = tuple(map(float, outcome.aims))
    return replace(asked, score=float(outcome.score), samples=samples, seconds=seconds, aims=aims)


def _losses(tried: Sequence[Trial], generation: int) -> list[Loss]:
    """What the engine is told: minus the score, or minus each of several; for a failed candidate, more
    than for any other, whatever the aim.

    Engines rank, so how much more says nothing: far more, for some keep what they heard in earlier
    generations. NaN would be ranked by chance, or as the median.
    """
    width = max(len(trial.aims) for trial in tried)
    if not width:
        return list(_losses_of([trial.score for trial in tried], tried, generation))
    columns = [
        _losses_of([trial.aims[aim] if trial.aims else None for trial in tried], tried, generation)
        for aim in range(width)
    ]
    return list(zip(*columns, strict=True))


def _losses_of(
    scores: Sequence[float | None], tried: Sequence[Trial], generation: int
) -> list[float]:
    losses = [-score for score in scores if score is not None]
    excesses = [trial.excess for trial in tried if trial.excess is not None]
    if not losses and not excesses:
        raise _all_failed(tried, f"generation {generation}")
    worst = max([FAILED, *(loss + 1.0 for loss in losses)])

    def loss(score: float | None, trial: Trial) -> float:
        if score is not None:
            return -score
        return 2.0 * worst if trial.excess is None else worst + trial.excess

    return [loss(score, trial) for score, trial in zip(scores, tried, strict=True)]


def _all_failed(tried: Sequence[Trial], where: str) -> SearchFailed:
    return SearchFailed(
        f"all {len(tried)} candidates of {where} failed; the last one: {tried[-1].failure}",
        "mend the recipe and start again in another folder with --run",
    )


def _check_replayed(journal: Journal, trial: Trial, asked: Trial) -> None:
    """Raises JournalError unless the journal tells of the very trial that is asked now."""
    for name in ("generation", "role", "point", "values", "digest"):
        if getattr(trial, name) != getattr(asked, name):
            raise _other_trials(journal, trial.number)


def _other_trials(journal: Journal, number: int) -> JournalError:
    return JournalError(
        f"{journal.path}: trial {number} is not the one that this search asks for",
        "take it up with the versions of awase, numpy and cma, the kind of processor and the "
        "budget that it was begun with, or start again in another folder with --run",
    )
