"""C: what a run costs, whether it ends, and whether it can be repeated."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.recipe import Budget, Recipe, Search
from merge_dsl.meaning.rows import count_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.estimate import estimate, seconds_of_trial, trials_of
from merge_dsl.space.fill import models_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import space_of
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding


def seeds(checked: Checked) -> Iterator[Diagnostic]:
    """C903: without a seed two runs differ."""
    for search in checked.recipe.searches:
        if search.seed is None:
            yield finding(
                "C903", search.target_span, "no seed: two runs will differ", "add `seed = 1`"
            )


def budgets(checked: Checked) -> Iterator[Diagnostic]:
    """C904: a search that nothing ends. A budget that is written wrongly is K203's."""
    written = [setting.span for setting in checked.recipe.written if setting.name == "budget"]
    for search in checked.recipe.searches:
        if search.budget != Budget() or search.engine.name == "greedy":
            continue  # which ends by itself
        if not any(search.span.start <= span.start < search.span.end for span in written):
            message = "no budget: this search would never end"
            help = "add `budget = 200 trials`, or `budget = 8h`"
            yield finding("C904", search.target_span, message, help)


def memory(checked: Checked) -> Iterator[Diagnostic]:
    """C901: more memory than there is. A note where the weights lie elsewhere, so will the run."""
    here = machine_memory()
    recipe = checked.recipe
    for search in recipe.searches if here and checked.depth is not Depth.TEXT else ():
        if search.target not in (*recipe.merges, *recipe.routes):
            continue
        need = estimate(recipe, search.target, 1).memory_bytes
        if need is None or here is None or need <= here:
            continue
        local = all(recipe.models[name].folder for name in models_of(recipe, search.target))
        gib = 1024**3
        message = f"needs {need / gib:.0f} GiB at once; this machine has {here / gib:.0f}"
        help = "run it on a larger machine, or with fewer parents"
        level = None if local else Severity.NOTE
        yield finding("C901", search.target_span, message, help, severity=level)


def machine_memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def hours(checked: Checked) -> Iterator[Diagnostic]:
    """C902: more trials than the time allows: a warning where a journal knows how long one takes.

    Without a journal only a note, from the rough guess of `merge_dsl/space/estimate.py`.
    """
    recipe = checked.recipe
    for search in recipe.searches if checked.depth is not Depth.TEXT else ():
        limit = search.budget.seconds
        size = _size(recipe, search) if limit is not None else None
        trials = trials_of(search, size) if size else None
        if trials is None or limit is None:
            continue
        known = seconds_in_journal(Path("runs", recipe.name, "journal.jsonl"))
        seconds = known if known is not None else _guess(recipe, search)
        if seconds is None or trials * seconds <= limit:
            continue
        message = f"{trials} trials at about {_spoken(seconds)} are {_spoken(trials * seconds)}; "
        message += f"the budget is {_spoken(limit)}"
        help = f"the time ends the search after about {int(limit / seconds)} trials"
        level = None if known is not None else Severity.NOTE
        yield finding("C902", search.target_span, message, help, severity=level)


def _size(recipe: Recipe, search: Search) -> int | None:
    """The dimensions of a search, where its generations depend on them; else any number will do."""
    if search.target not in recipe.merges and search.target not in recipe.routes:
        return None
    if search.budget.generations is None or "population" in search.engine.settings:
        return 1
    try:
        return len(space_of(recipe, search.target).genes)
    except SpaceError:
        return None


def _guess(recipe: Recipe, search: Search) -> float | None:
    names = {term.data for objective in search.objectives for term in objective.terms}
    counts = [count_of(recipe.data[name]) for name in names if name in recipe.data]
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    return seconds_of_trial(recipe, search.target, sum(known))


def seconds_in_journal(path: Path) -> float | None:
    """The median time of the last trials in a journal; None without three of them."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - 1_000_000, 0))
            lines = stream.read().splitlines()[-50:]
    except OSError:
        return None
    found = sorted(s for line in lines if (s := _seconds(line)) > 0)
    return found[len(found) // 2] if len(found) >= 3 else None


def _seconds(line: bytes) -> float:
    try:
        seconds = json.loads(line)["record"].get("seconds", 0.0)
        return float(seconds)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 0.0


def _spoken(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"
