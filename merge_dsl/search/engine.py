"""What a search engine is: it proposes points of the unit cube and hears how bad each was."""

from collections.abc import Sequence
from typing import Protocol

Point = tuple[float, ...]  # one coordinate a gene, each in [0, 1]
Loss = float | tuple[float, ...]  # a tuple, one number an aim, where a search has several


class Engine(Protocol):
    """Deterministic: engines made alike and told alike ask alike. Resuming rests on that."""

    def ask(self) -> list[Point]:
        """The points of the next generation."""

    def tell(self, points: Sequence[Point], losses: Sequence[Loss]) -> None:
        """How bad the points last asked were, lower is better; all losses are finite."""

    def stopped(self) -> str:
        """Why another generation would bring nothing, or "" while it may."""

    def favourite(self) -> Point | None:
        """A point that was not asked and deserves a trial at the end, or None."""

    def state(self) -> bytes:
        """Everything that decides what is asked next. Between `tell` and `ask` only."""

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned, in this process or another, on any machine."""
