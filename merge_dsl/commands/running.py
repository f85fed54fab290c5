"""One search of a recipe: the winner is found, frozen, written and reported.

In: a `Run`. Out, in its folder: the journal, `best.merge`, `report.json`, `report.html`; and the checkpoint.
Everything that can be found wrong before the first trial is looked for before it. A run that is finished is
left as it is, and its winner is read from its journal.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from merge_dsl.commands.asking import (
    header_of,
    measured_on,
    reported,
    required,
    scored,
    searched,
    tables,
)
from merge_dsl.commands.common import Job, marked
from merge_dsl.commands.merge import write_candidate
from merge_dsl.commands.mistake import Mistake
from merge_dsl.meaning.engines import PICK
from merge_dsl.meaning.recipe import Search
from merge_dsl.search.engine import Engine
from merge_dsl.search.engines import ENGINES
from merge_dsl.search.journal import FILE_NAME, Journal, Trial
from merge_dsl.search.loop import Budget, Outcome, Proposal, Result, run_search
from merge_dsl.search.report import to_json
from merge_dsl.space.baselines import baselines, baselines_of_route, seated
from merge_dsl.space.candidate import Candidate, Value, Walk
from merge_dsl.space.edits import laid_out
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.genes import even_size
from merge_dsl.space.relocate import moved, relocate
from merge_dsl.space.routes import RouteSpace
from merge_dsl.space.space import decode, encode, start
from merge_dsl.text.words import counted
from merge_dsl.tools.progress import Progress

if TYPE_CHECKING:
    from vlm.errors import MergeError
    from vlm.evaluator import Evaluator
    from vlm.score import Ask

BEST, REPORT, PAGE = "best.merge", "report.json", "report.html"


@dataclass(frozen=True)
class Run:
    """One run: a recipe, where its traces go, and what the command line says instead of it."""

    job: Job
    search: Search
    folder: Path
    out: Path  # of the checkpoint
    seed: int
    budget: Budget
    quiet: bool
    device: str  # where models run: "auto", "cpu", "cuda"
    dtype: str  # in which dtype: "auto", "fp32", "bf16", "fp16"
    title: str  # of the search, where it shows how far it is
    rivals: dict[str, Path] = field(
        default_factory=dict
    )  # winners of earlier searches of the recipe

    @property
    def first(self) -> Candidate | Walk:
        """The candidate at the start of every hole."""
        return self.filled(start(self.job.space))

    def filled(self, values: Sequence[Value]) -> Candidate | Walk:
        """The candidate at these values."""
        return fill(self.job.space, values, self.seed)


def evolved(run: Run, last: bool = True) -> tuple[Value, ...]:
    """Search, or go on with a search, up to the checkpoint and the report; returns what the genes of the
    winner are. `last` where no later step takes the checkpoint. Raises Mistake, at the end, for a walk
    that no ordinary checkpoint can hold."""
    from vlm.evaluator import Evaluator
    from vlm.readiness import check_ready
    from vlm.weights.target import check_target

    job, asks, shown = run.job, searched(run.search), reported(run.job)
    space = job.space
    looked_at = [*(ask.data for ask in asks), *measured_on(job)]
    named = tables(job, [*looked_at, *(ask.data for ask in shown)])
    evaluator = Evaluator(
        job.models,
        named,
        shown=_shown(run, bool(shown)),
        device=run.device,
        **marked(job),
    )
    evaluator.answer_in(run.dtype, job.write.dtype if job.write is not None else None, run.first)
    if evaluator.where:
        _tell(run, f"models answer {evaluator.where}")
    # Of the data that the search looks at: data of the report may be mended between two commands.
    fingerprint = evaluator.fingerprint(looked_at)
    header = header_of(job, run.search, run.seed, fingerprint)
    engine = ENGINES[run.search.engine.name](
        encode(space, start(space)),
        run.seed,
        sizes=[even_size(gene) for gene in space.genes],
        **run.search.engine.settings,
    )
    path = run.folder / FILE_NAME
    if path.exists():
        with Journal(path, header) as journal:  # raises where it is of another run
            _refuse_fewer(run, journal)
            if _is_finished(run, journal, bool(shown)) and (last or _is_written(run)):
                page = f": {run.folder / PAGE}" if shown else ""
                count = counted(len(journal.trials), "trial")
                print(f"{run.folder} holds a finished run, {count}{page}; --run starts another")
                assert journal.end is not None
                return journal.trials[journal.end.winner].values
    check_target(run.out, job.models.values())
    evaluator.open_resident(run.first)
    check_ready(evaluator, asks, shown, measured_on(job))
    evaluator.measure(run.first, partial(_tell, run))
    with Journal(path, header) as journal:
        result = _search(run, engine, evaluator, journal)
        if result.winner is None:
            raise Mistake("the search has no winner", "see the journal")
        best = freeze(job.source, space, result.winner.values, run.seed)
        best = laid_out(relocate(best, job.recipe.folder, run.folder))
        write_text(run.folder / BEST, best)
        winner = run.filled(result.winner.values)
        refused = _write(run, evaluator, winner, best)
        if shown:
            _report(run, evaluator, shown, result, run.out if refused is None else winner)
    print(f"recipe      {run.folder / BEST}")
    if refused is not None:
        raise Mistake(refused.what, refused.way_out)
    print(f"checkpoint  {run.out}")
    return result.winner.values


def _tell(run: Run, what: str) -> None:
    if not run.quiet:
        print(what, file=sys.stderr, flush=True)


def _write(
    run: Run, evaluator: "Evaluator", winner: Candidate | Walk, recipe: str
) -> "MergeError | None":
    """Write the winner. Returns why that cannot be, of a walk that runs all the same."""
    from vlm.errors import MergeError
    from vlm.route.walker import Walker

    resident = evaluator.resident
    walker = resident if isinstance(resident, Walker) else None
    try:
        write_candidate(run.job, winner, recipe, run.folder, run.out, walker, run.quiet)
    except MergeError as error:
        if walker is None:
            raise
        return error
    return None


def _refuse_fewer(run: Run, journal: Journal) -> None:
    """A budget below what is done already asks for a search that is not the one in the journal."""
    limit = run.budget.trials
    done = sum(trial.role == "search" for trial in journal.trials)
    if limit is not None and done > limit:
        raise Mistake(
            f"{run.folder} holds {done} trials, and the budget is {limit}",
            f"give --trials {done} or more, or start another run with --run",
        )


def _is_finished(run: Run, journal: Journal, reports: bool) -> bool:
    wanted = [BEST, REPORT] if reports else [BEST]
    return journal.end is not None and all((run.folder / name).exists() for name in wanted)


def _is_written(run: Run) -> bool:
    """Whether the checkpoint is there, made by the winner."""
    from vlm.weights.target import PROVENANCE

    written = run.out / PROVENANCE
    best = (run.folder / BEST).read_text(encoding="utf-8")
    # Older ones keep the very text of the run's folder.
    wanted = {text.encode() for text in (best, moved(best, run.folder, run.out))}
    return written.is_file() and written.read_bytes() in wanted


def _shown(run: Run, reports: bool) -> dict[str, Path]:
    """Models that only the report looks at."""
    return {**run.job.behind, **run.rivals} if reports else {}


def _search(run: Run, engine: Engine, evaluator: "Evaluator", journal: Journal) -> Result:
    progress = Progress(run.title, run.budget.trials, run.budget.seconds, run.quiet)
    best = -float("inf")

    def propose(point: Sequence[float]) -> Proposal:
        values = decode(run.job.space, point)
        return Proposal(values, run.filled(values).digest())

    def evaluate(values: tuple[Value, ...]) -> Outcome:
        candidate = run.filled(values)
        required(run.job, candidate)
        return scored(run.search, evaluator, candidate)

    def heard(trial: Trial, replayed: bool) -> None:
        nonlocal best
        if trial.score is not None:
            best = max(best, trial.score)
            progress.trial(trial.number + 1, trial.generation, trial.score, best, not replayed)

    with progress:
        pick = run.search.pick or PICK
        return run_search(engine, propose, evaluate, journal, run.budget, heard, pick=pick)


def _unsearched(run: Run, host: str) -> "dict[str, Candidate] | dict[str, Walk]":
    """What one would build from the same parents without a search."""
    first = run.first
    if isinstance(first, Candidate):
        return baselines(first, host)
    assert isinstance(run.job.space, RouteSpace)
    return baselines_of_route(run.job.space, first)


def _report(
    run: Run,
    evaluator: "Evaluator",
    asks: Sequence["Ask"],
    result: Result,
    child: "Path | Candidate | Walk",
) -> None:
    from merge_dsl.tools.report_html import to_html
    from merge_dsl.tools.report_table import print_report
    from vlm import reporting

    assert evaluator.resident is not None
    fresh = [trial for trial in result.trials if trial.repeats is None]
    first, host = run.first, evaluator.resident.host.name
    report = reporting.make_report(
        evaluator,
        asks,
        reporting.Run(
            recipe=run.job.recipe.name,
            seed=run.seed,
            trials=len(result.trials),
            samples_evaluated=sum(len(v) for t in fresh for v in t.samples.values()),
            fingerprint=evaluator.fingerprint(),
        ),
        parents=(*run.job.behind, *run.job.models),
        rivals=tuple(run.rivals),
        seated=seated(first, host) if isinstance(first, Candidate) else {},
        baselines=_unsearched(run, host),
        child=child,
        tell=lambda name: _tell(run, f"scoring {name}"),
    )
    scores = [trial.score for trial in result.trials if trial.score is not None]
    write_text(run.folder / PAGE, to_html(report, scores))
    write_text(run.folder / REPORT, to_json(report))  # last: it is the sign of a finished run
    if not run.quiet:
        print_report(report)
    print(f"report      {run.folder / PAGE}")


def write_text(path: Path, text: str) -> None:
    """Beside its place first, then renamed into it."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
