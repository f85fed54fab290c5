"""Shows how much of a model is written: one live line on a terminal, a line now and then elsewhere.

In: bytes done and bytes in all. Out: text on stderr. Writes that end at once show nothing.
"""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType

OFTEN, SELDOM = 0.25, 10.0  # seconds between two lines: on a terminal, elsewhere
FIRST = 1.0  # seconds before the first


@dataclass
class Written:
    """A context manager around one write. `quiet` shows nothing."""

    title: str
    quiet: bool = False
    started: float = field(default_factory=time.perf_counter)
    _said: float = 0.0
    _width: int = 0

    def __enter__(self) -> "Written":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:  # leave no half line on a terminal
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)

    def tell(self, done: int, total: int) -> None:
        """`done` of `total` bytes are written."""
        if self.quiet:
            return
        spent = time.perf_counter() - self.started
        live = sys.stderr.isatty()
        if spent < FIRST or spent - self._said < (OFTEN if live else SELDOM):
            return
        self._said = spent
        line = self.line(done, total, spent)
        if live:
            print(f"\r{line.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = max(self._width, len(line))
        else:
            print(line, file=sys.stderr, flush=True)

    def line(self, done: int, total: int, spent: float) -> str:
        """ "student  1.20 of 14.48 GB  8 %  210 MB/s  1:03 left" """
        left = int((total - done) * spent / max(1, done))
        return (
            f"{self.title}  {done / 1e9:.2f} of {total / 1e9:.2f} GB  {100 * done // max(1, total)} %"
            f"  {done / max(spent, 1e-9) / 1e6:.0f} MB/s  {left // 60}:{left % 60:02} left"
        )
