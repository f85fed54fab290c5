"""The loop: what it finds, what it writes down, and that no way of stopping it changes either."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from merge_dsl.search.errors import CandidateFailed, JournalError, SearchFailed
from merge_dsl.search.journal import Header, Journal, Trial, read_journal
from merge_dsl.search.loop import Budget, Outcome, _losses, best, run_search
from tests.merge_dsl.search.world import (
    HEADER,
    decode,
    engine,
    evaluate,
    search,
)

ENGINES = ["cma_es", "random"]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of records are written here; that each is waited for is `test_journal`'s matter."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def test_a_search_climbs_and_says_why_it_ended(tmp_path: Path) -> None:
    result = search(tmp_path / "j", trials=120)
    assert result.reason == "120 trials"
    assert len(result.trials) == 121 and result.trials[-1].role == "mean"
    assert result.winner is not None and result.winner.score is not None
    assert result.winner.score > 0.999
    assert result.winner.score == max(t.score for t in result.trials if t.score is not None)
    found = read_journal(tmp_path / "j")
    assert found.trials == result.trials
    assert found.end is not None and found.end.winner == result.winner.number


def test_random_search_and_the_preset_try_no_mean(tmp_path: Path) -> None:
    assert len(search(tmp_path / "j", trials=20, name="random").trials) == 20


@pytest.mark.parametrize("name", ENGINES)
def test_failures_and_repeats_are_written_down(tmp_path: Path, name: str) -> None:
    trials = search(tmp_path / "j", trials=90, name=name).trials
    reasons = {trial.failure for trial in trials}
    assert {"", "the weights sum to zero", "the score is not a finite number"} <= reasons
    for trial in trials:
        assert (trial.score is None) == bool(trial.failure)
        if trial.repeats is not None:
            first = trials[trial.repeats]
            assert first.repeats is None and first.number < trial.number
            assert (first.digest, first.score) == (trial.digest, trial.score)
            assert trial.samples == {} and trial.seconds == 0
    digests = [trial.digest for trial in trials if trial.repeats is None]
    assert len(set(digests)) == len(digests)


def test_a_candidate_is_scored_once(tmp_path: Path) -> None:
    seen: list[object] = []

    def counting(values: tuple[object, ...]) -> Outcome:
        seen.append(values)
        return evaluate(values)

    trials = search(tmp_path / "j", trials=150, evaluate=counting).trials
    assert len(seen) == len(set(seen)) < len(trials)


@pytest.mark.parametrize("name", ENGINES)
def test_an_interrupt_at_any_trial_changes_nothing(tmp_path: Path, name: str) -> None:
    search(tmp_path / "whole", name=name)
    whole = (tmp_path / "whole").read_bytes()
    calls = 0

    for at in range(40):
        path = tmp_path / f"{at}"
        calls = 0

        def interrupted(values: tuple[object, ...], at: int = at) -> Outcome:
            nonlocal calls
            calls += 1
            if calls == at + 1:
                raise KeyboardInterrupt
            return evaluate(values)

        try:
            search(path, name=name, evaluate=interrupted)
        except KeyboardInterrupt:
            assert whole.startswith(path.read_bytes()) and path.read_bytes() != whole
            search(path, name=name)
        assert path.read_bytes() == whole
    assert calls < 40  # the last rounds ran through: every trial has been interrupted


def test_stopping_again_and_again_changes_nothing(tmp_path: Path) -> None:
    """One new trial a command: each command replays all that came before it."""
    search(tmp_path / "whole")
    for _ in range(40):
        new = 0

        def count(trial: Trial, replayed: bool) -> None:
            nonlocal new
            new += not replayed

        result = search(tmp_path / "j", on_trial=count, stop=lambda: new >= 1)  # noqa: B023
        if result.reason:
            break
        assert new == 1
    assert (tmp_path / "j").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_stop_lets_what_is_journalled_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "j", on_trial=interrupt_at(4))
    result = search(tmp_path / "j", stop=lambda: True)
    assert (len(result.trials), result.reason) == (5, "")
    assert result.winner is not None and read_journal(tmp_path / "j").end is None


def test_a_tail_torn_at_any_byte_changes_nothing(tmp_path: Path) -> None:
    """The last trial and the end, each cut off at every byte, and the search taken up there."""
    path = tmp_path / "j"
    search(path, trials=8, name="random")
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for size in range(len(whole) - len(lines[-1]) - len(lines[-2]), len(whole)):
        path.write_bytes(whole[:size])
        search(path, trials=8, name="random")
        assert path.read_bytes() == whole


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.merge_dsl.search.world import evaluate, search

left = int(sys.argv[2])

def killed(values):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return evaluate(values)

search(Path(sys.argv[1]), evaluate=killed)
"""


def test_kill_9_changes_nothing(tmp_path: Path) -> None:
    search(tmp_path / "whole")
    path = tmp_path / "j"
    kills = 0
    while True:
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), "6"],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": str(kills)},
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    first = search(tmp_path / "j")

    def never(values: tuple[object, ...]) -> Outcome:
        raise AssertionError("scored again")

    assert search(tmp_path / "j", evaluate=never) == first


def test_an_error_that_is_no_candidates_fault_is_not_recorded(tmp_path: Path) -> None:
    def broken(values: tuple[object, ...]) -> Outcome:
        raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        search(tmp_path / "j", evaluate=broken)
    assert read_journal(tmp_path / "j").trials == ()
    assert search(tmp_path / "j").winner is not None


@pytest.mark.parametrize("name", ENGINES)
def test_a_generation_of_failures_ends_the_search(tmp_path: Path, name: str) -> None:
    def failing(values: tuple[object, ...]) -> Outcome:
        raise CandidateFailed("no weights are left")

    for _ in range(2):  # and says so again when taken up
        with pytest.raises(SearchFailed, match="generation 0 failed; the last one: no weights"):
            search(tmp_path / "j", name=name, evaluate=failing)
    with pytest.raises(SearchFailed, match="all 3 candidates of this search failed"):
        search(tmp_path / "k", trials=3, name="random", evaluate=failing)


def test_samples_that_are_no_numbers_fail_the_candidate(tmp_path: Path) -> None:
    def holes(values: tuple[object, ...]) -> Outcome:
        samples = (0.5, float("inf") if values[0] == 0.5 else 0.5)
        return Outcome(0.5, {"log_likelihood on dev": samples})

    trials = search(tmp_path / "j", trials=8, name="random", evaluate=holes).trials
    assert trials[0].failure == "log_likelihood on dev is not a finite number"
    assert all(trial.score == 0.5 for trial in trials[1:])


def test_a_journal_that_tells_of_other_trials_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with pytest.raises(KeyboardInterrupt):
        search(path, on_trial=interrupt_at(9))
    before = path.read_bytes()
    with Journal(path, HEADER) as journal, pytest.raises(JournalError, match="trial 0 is not"):
        run_search(engine(seed=6), decode, evaluate, journal, Budget(24))
    with pytest.raises(JournalError, match="trial 4 is not"):
        search(path, trials=4)  # its mean would come where the journal has a trial of the search
    assert path.read_bytes() == before
    assert search(path).reason == "24 trials"


def interrupt_at(number: int) -> Callable[[Trial, bool], None]:
    def on_trial(trial: Trial, replayed: bool) -> None:
        if trial.number == number and not replayed:
            raise KeyboardInterrupt

    return on_trial


def test_budgets(tmp_path: Path) -> None:
    def run(budget: Budget, name: str) -> tuple[str, int]:
        ticks = iter(range(1000))
        with Journal(tmp_path / name, Header("r", 1, (), "e")) as journal:
            result = run_search(
                engine("random"), decode, evaluate, journal, budget, clock=lambda: next(ticks)
            )
        return result.reason, len(result.trials)

    assert run(Budget(trials=11), "a") == ("11 trials", 11)
    assert run(Budget(generations=3), "b") == ("3 generations", 24)
    assert run(Budget(trials=11, generations=3, seconds=5), "c") == ("5 s of trials", 5)
    with pytest.raises(ValueError, match="never ends"):
        Budget()


def test_a_converged_search_ends_before_its_budget(tmp_path: Path) -> None:
    def flat(values: tuple[object, ...]) -> Outcome:
        return Outcome(1.0, {})

    result = search(tmp_path / "j", trials=5000, evaluate=flat)
    assert "converged (tolflatfitness" in result.reason
    assert len(result.trials) < 1000


def test_among_equals_the_mean_wins_then_the_earliest() -> None:
    def trial(number: int, score: float | None, role: str = "search") -> Trial:
        return Trial(number, 0, (), (), "", score, role=role)  # type: ignore[arg-type]

    ties = [trial(0, 0.1), trial(1, 0.5), trial(2, None), trial(3, 0.5)]
    assert best(ties) is ties[1]
    mean = trial(4, 0.5, "mean")
    assert best([*ties, mean]) is mean
    assert best([*ties, trial(4, 0.4, "mean")]) is ties[1]
    assert best([trial(0, None)]) is None


def numbers(tried: list[Trial]) -> list[float]:
    """What a search of one aim tells its engine."""
    return [loss for loss in _losses(tried, 0) if isinstance(loss, float)]


@pytest.mark.parametrize("scores", [(0.2, None, 0.9), (-7.0, None, -2.0)])
def test_a_failed_candidate_is_told_as_the_worst(scores: tuple[float | None, ...]) -> None:
    tried = [Trial(i, 0, (), (), "", score) for i, score in enumerate(scores)]
    other, failed, best_loss = numbers(tried)
    assert best_loss < other < failed


def test_what_is_not_required_ranks_by_how_far_it_is(tmp_path: Path) -> None:
    def short(values: tuple[object, ...]) -> Outcome:
        first = float(values[0])  # type: ignore[arg-type]
        if first > 0.1:
            raise CandidateFailed("too long", first - 0.1)
        return evaluate(values)

    trials = search(tmp_path / "j", trials=90, evaluate=short).trials
    assert all(trial.score is None for trial in trials[:6])  # a generation of them ends nothing
    assert any(trial.score is not None for trial in trials)
    assert {t.failure for t in trials if t.excess is not None} == {"too long"}
    assert read_journal(tmp_path / "j").trials == trials


def test_losses_of_what_is_not_required() -> None:
    def trial(score: float | None, excess: float | None) -> Trial:
        return Trial(0, 0, (), (), "", score, excess=excess)

    tried = [trial(0.5, None), trial(None, 0.1), trial(None, None), trial(None, 2.0)]
    fine, near, failed, far = numbers(tried)
    assert fine < near < far <= failed
    near, far = numbers([trial(None, 0.1), trial(None, 2.0)])
    assert near < far


def test_losses_of_several_aims() -> None:
    def trial(aims: tuple[float, ...], excess: float | None = None) -> Trial:
        score = aims[0] if aims else None
        return Trial(0, 0, (), (), "", score, excess=excess, aims=aims)

    tried = [trial((0.5, -2.0)), trial((), 0.1), trial(()), trial((0.1, 3.0))]
    one, near, failed, other = _losses(tried, 0)
    assert one == (-0.5, 2.0) and other == (-0.1, -3.0)
    assert isinstance(near, tuple) and isinstance(failed, tuple)
    assert all(2.0 < a < b for a, b in zip(near, failed, strict=True))
