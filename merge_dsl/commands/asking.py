"""What a recipe's search and report ask of `vlm`, and what makes two searches the same.

In: a `Job`. Out: terms and tables as the evaluator takes them, the score of one candidate, and the
header of a journal.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from merge_dsl.commands.common import Job
from merge_dsl.commands.mistake import CANNOT, Mistake
from merge_dsl.meaning.recipe import Objective, Search, Term
from merge_dsl.search.errors import CandidateFailed
from merge_dsl.search.journal import Header
from merge_dsl.search.loop import Outcome
from merge_dsl.space.candidate import Candidate, Walk
from merge_dsl.space.fill import fill
from merge_dsl.space.required import turned_away
from merge_dsl.space.routes import RouteSpace
from merge_dsl.space.space import decode, start

if TYPE_CHECKING:
    from vlm.evaluator import Evaluator, Table
    from vlm.score import Ask


def ask_of(term: Term) -> "Ask":
    """A term of a recipe, as `vlm` is asked."""
    from vlm.score import Ask

    return Ask(term.metric, term.data, tuple(sorted(term.settings.items())))


def searched(search: Search) -> "list[Ask]":
    """What a search looks at."""
    return [ask_of(term) for objective in search.objectives for term in objective.terms]


def reported(job: Job) -> "list[Ask]":
    """What the report of the job's target scores; empty where there is none."""
    reports = [report for report in job.recipe.reports if report.target == job.target]
    return list(dict.fromkeys(ask_of(term) for report in reports for term in report.terms))


def tables(job: Job, asks: Sequence["Ask"]) -> "dict[str, Table]":
    """Where the data of these terms lie. Raises Mistake for data that are not here."""
    from vlm.evaluator import Table

    found = {}
    for name in dict.fromkeys(ask.data for ask in asks):
        data = job.recipe.data[name]
        if data.path is None:
            raise Mistake(
                f"{name} ({data.place}) is not on this machine",
                "export it to parquet and point to it with file:",
                CANNOT,
            )
        found[name] = Table(data.path, data.split, data.rows, data.prompt)
    return found


def required(job: Job, candidate: Candidate | Walk) -> None:
    """Raise CandidateFailed for a walk that the recipe's `require` lines turn away."""
    if isinstance(candidate, Walk):
        assert isinstance(job.space, RouteSpace)
        away = turned_away(job.source, job.space, candidate)
        if away is not None:
            raise CandidateFailed(away.why, away.excess)


def scored(search: Search, evaluator: "Evaluator", candidate: Candidate | Walk) -> Outcome:
    """The weighted sum of the terms of each of a search's aims, so that more is better."""
    from vlm.errors import MergeError

    try:
        tasting = evaluator.taste_candidate(candidate, list(dict.fromkeys(searched(search))))
    except MergeError as error:  # this candidate's weights have no blend; others may
        raise CandidateFailed(str(error)) from error

    def aim(objective: Objective) -> float:
        total = sum(term.factor * tasting.mean(ask_of(term)) for term in objective.terms)
        return total if objective.maximize else -total

    aims = tuple(map(aim, search.objectives))
    samples = {str(ask): values for ask, values in tasting.values.items()}
    return Outcome(aims[0], samples, aims if len(aims) > 1 else ())


def header_of(job: Job, search: Search, seed: int, fingerprint: str) -> Header:
    """What a run is. All that decides a trial is in it, but for the budget, which may change."""
    space = job.space
    # Two points of the space stand for what is done with its genes; any other two would do.
    points = (start(space), decode(space, [(0.37 * i + 0.11) % 1 for i in range(len(space.genes))]))
    state: dict[str, object] = {
        "candidates": [fill(space, values, 0).digest() for values in points],
        "objectives": [
            {
                "maximize": objective.maximize,
                "terms": [(term.factor, str(ask_of(term))) for term in objective.terms],
            }
            for objective in search.objectives
        ],
        "engine": [search.engine.name, dict(search.engine.settings)],
        "genes": [gene._asdict() for gene in space.genes],
    }
    if isinstance(space, RouteSpace):
        requires = (*space.route.requires, *search.requires)
        state["requires"] = [job.source.slice(require.span) for require in requires]
    text = json.dumps(state, sort_keys=True, ensure_ascii=False)
    return Header(
        recipe=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
        seed=seed,
        genes=tuple(gene.name for gene in space.genes),
        evaluator=fingerprint,
    )
