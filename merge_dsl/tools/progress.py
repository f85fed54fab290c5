"""Shows a search while it runs: one live line on a terminal, one line a generation elsewhere.

In: facts after each trial. Out: text on stderr. Never writes a file, never stops a run.
"""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass
class Progress:
    """A context manager around one search. `quiet` shows nothing."""

    title: str
    trials: int | None  # the budget; None where only time bounds it
    seconds: float | None
    quiet: bool = False
    started: float = field(default_factory=time.perf_counter)
    _live: Any = None
    _generation: int = -1
    _scored: int = 0

    def __enter__(self) -> "Progress":
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8, transient=True)
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def trial(self, number: int, generation: int, score: float, best: float, fresh: bool) -> None:
        """One more trial is known; `fresh` says that it was scored now and not read from a journal."""
        if self.quiet:
            return
        self._scored += fresh
        line = self.line(number, generation, score, best)
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(line))  # a name is no markup
        elif generation != self._generation:
            print(line, file=sys.stderr, flush=True)
        self._generation = generation

    def line(self, number: int, generation: int, score: float, best: float) -> str:
        """ "emoji_ja  generation 3  trial 40/200  best -0.8712  last -0.9120  1.1 s/trial  3:05 left" """
        spent = time.perf_counter() - self.started
        pace = spent / max(1, self._scored)
        of = f"/{self.trials}" if self.trials else ""
        left = self._left(number, pace, spent)
        return (
            f"{self.title}  generation {generation}  trial {number}{of}  best {best:.4f}"
            f"  last {score:.4f}  {pace:.1f} s/trial{left}"
        )

    def _left(self, number: int, pace: float, spent: float) -> str:
        bounds = []
        if self.trials:
            bounds.append((self.trials - number) * pace)
        if self.seconds:
            bounds.append(self.seconds - spent)
        if not bounds:
            return ""
        left = max(0, int(min(bounds)))
        return f"  {left // 60}:{left % 60:02} left"
