"""`awase evolve RECIPE`: search, write the winner, report. The same command continues a stopped run.

In: a recipe. Out, in the run's folder: the journal, `best.merge`, `report.json`, `report.html`; and
the checkpoint where the recipe's `write` says.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merge_dsl.commands.common import CANNOT, DONE
from merge_dsl.commands.merge import target_folder, write_candidate
from merge_dsl.commands.shared import Job, Mistake, open_job, told
from merge_dsl.meaning.recipe import Search, Term
from merge_dsl.search.engines import ENGINES
from merge_dsl.search.errors import CandidateFailed
from merge_dsl.search.journal import FILE_NAME, Header, Journal, Trial
from merge_dsl.search.loop import Budget, Outcome, Proposal, Result, run_search
from merge_dsl.search.report import to_json
from merge_dsl.space.baselines import baselines
from merge_dsl.space.candidate import Candidate, Value
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.relocate import relocate
from merge_dsl.space.space import decode, encode, start
from merge_dsl.tools.progress import Progress

if TYPE_CHECKING:
    from vlm.evaluator import Evaluator, Table
    from vlm.score import Ask

STOPPED = 130  # Ctrl-C, as shells have it
BEST, REPORT, PAGE = "best.merge", "report.json", "report.html"


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""

    # Before numpy loads: small linear algebra on many threads is slower by tens on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    def command() -> int:
        job = open_job(args.recipe)
        folder = Path(args.run) if args.run else Path("runs") / job.recipe.name
        if (folder / REPORT).exists():
            print(f"{folder} holds a finished run: {folder / PAGE}; --run starts another")
            return DONE
        return _evolve(job, folder, args.seed, args.trials, args.quiet)

    try:
        return told(command)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last trial", file=sys.stderr)
        return STOPPED


def _evolve(job: Job, folder: Path, seed: int | None, trials: int | None, quiet: bool) -> int:
    search = job.recipe.search_of(job.target)
    if search is None:
        raise Mistake(f"nothing says how {job.target} is searched", f"add `search {job.target}`")
    if not job.space.genes:
        raise Mistake(f"{job.target} has no holes", "awase merge builds it as it stands")
    out = target_folder(job, None) if job.write else folder / "model"
    seed = seed if seed is not None else (search.seed or 0)
    budget = Budget(
        trials or search.budget.trials, search.budget.generations, search.budget.seconds
    )
    from vlm.evaluator import Evaluator
    from vlm.weights.writer import check_target

    check_target(out)
    asks = [ask_of(term) for objective in search.objectives for term in objective.terms]
    reported = [ask_of(t) for r in job.recipe.reports if r.target == job.target for t in r.terms]
    evaluator = Evaluator(job.models, _tables(job, [*asks, *reported]))
    evaluator.open_resident(fill(job.space, start(job.space), seed))
    header = Header(
        recipe=fill(job.space, start(job.space), seed).digest(),
        seed=seed,
        genes=tuple(gene.name for gene in job.space.genes),
        evaluator=evaluator.fingerprint(),
    )
    with Journal(folder / FILE_NAME, header) as journal:
        result = _search(job, search, evaluator, journal, budget, seed, quiet)
    if result.winner is None:
        raise Mistake("the search has no winner", "see the journal")
    best = freeze(job.source, job.space, result.winner.values, seed)
    _write_text(folder / BEST, relocate(best, job.recipe.folder, folder))
    candidate = fill(job.space, result.winner.values, seed)
    write_candidate(job, candidate, (folder / BEST).read_text(encoding="utf-8"), str(out))
    if reported:
        _report(job, evaluator, reported, result, folder, out, seed, quiet)
    print(f"recipe      {folder / BEST}\ncheckpoint  {out}")
    return DONE


def _search(
    job: Job,
    search: Search,
    evaluator: "Evaluator",
    journal: Journal,
    budget: Budget,
    seed: int,
    quiet: bool,
) -> Result:
    space = job.space
    origin = encode(space, start(space))
    engine = ENGINES[search.engine.name](origin, seed, **search.engine.settings)
    progress = Progress(job.recipe.name, budget.trials, budget.seconds, quiet)
    best = -float("inf")

    def propose(point: Sequence[float]) -> Proposal:
        values = decode(space, point)
        return Proposal(values, fill(space, values, seed).digest())

    def evaluate(values: tuple[Value, ...]) -> Outcome:
        return _score(search, evaluator, fill(space, values, seed))

    def heard(trial: Trial, replayed: bool) -> None:
        nonlocal best
        if trial.score is not None:
            best = max(best, trial.score)
            progress.trial(trial.number + 1, trial.generation, trial.score, best, not replayed)

    with progress:
        return run_search(engine, propose, evaluate, journal, budget, heard)


def _score(search: Search, evaluator: "Evaluator", candidate: Candidate) -> Outcome:
    """The weighted sum of a search's terms: what the recipe's one objective says."""
    from vlm.errors import MergeError

    objective = search.objectives[0]
    asks = [ask_of(term) for term in objective.terms]
    try:
        tasting = evaluator.taste_candidate(candidate, asks)
    except MergeError as error:  # this candidate's weights have no blend; others may
        raise CandidateFailed(str(error)) from error
    total = sum(
        term.factor * tasting.mean(ask) for term, ask in zip(objective.terms, asks, strict=True)
    )
    samples = {str(ask): values for ask, values in tasting.values.items()}
    return Outcome(total if objective.maximize else -total, samples)


def ask_of(term: Term) -> "Ask":
    """A term of a recipe, as `vlm` is asked."""
    from vlm.score import Ask

    return Ask(term.metric, term.data, tuple(sorted(term.settings.items())))


def _tables(job: Job, asks: Sequence["Ask"]) -> "dict[str, Table]":
    from vlm.evaluator import Table

    tables = {}
    for name in dict.fromkeys(ask.data for ask in asks):
        data = job.recipe.data[name]
        if data.path is None:
            raise Mistake(
                f"{name} ({data.place}) is not on this machine",
                "export it to parquet and point to it with file:",
                CANNOT,
            )
        tables[name] = Table(data.path, data.split, data.rows, data.prompt)
    return tables


def _report(
    job: Job,
    evaluator: "Evaluator",
    asks: Sequence["Ask"],
    result: Result,
    folder: Path,
    out: Path,
    seed: int,
    quiet: bool,
) -> None:
    from merge_dsl.tools.report_html import to_html
    from merge_dsl.tools.report_table import print_report
    from vlm.reporting import Run, make_report

    def tell(name: str) -> None:
        if not quiet:
            print(f"scoring {name}", file=sys.stderr, flush=True)

    fresh = [trial for trial in result.trials if trial.repeats is None]
    report = make_report(
        evaluator,
        asks,
        Run(
            recipe=job.recipe.name,
            seed=seed,
            trials=len(result.trials),
            samples_evaluated=sum(len(v) for t in fresh for v in t.samples.values()),
            fingerprint=evaluator.fingerprint(),
        ),
        parents=tuple(job.models),
        baselines=baselines(fill(job.space, start(job.space), seed)),
        child=out,
        tell=tell,
    )
    scores = [trial.score for trial in result.trials if trial.score is not None]
    _write_text(folder / PAGE, to_html(report, scores))
    _write_text(folder / REPORT, to_json(report))  # last: it is the sign of a finished run
    if not quiet:
        print_report(report)
    print(f"report      {folder / PAGE}")


def _write_text(path: Path, text: str) -> None:
    """Beside its place first, then renamed into it."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
