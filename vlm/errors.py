"""What `vlm` raises when something the user did cannot be carried out: where, what, way out.

A command turns any of these into one diagnostic; none is meant to reach a user as a traceback.
"""

from typing import Self


class VlmError(Exception):
    """Said in three parts: `where` (a tensor, a sample, a file), `what` is wrong, the `way_out`."""

    def __init__(self, what: str, way_out: str, where: str = "") -> None:
        self.what = what
        self.way_out = way_out
        self.where = where
        super().__init__(what, way_out, where)  # all three, so that the error can be pickled

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}; {self.way_out}"

    def at(self, where: str) -> Self:
        """The same error with its place, for a caller that knows more than the one that raised."""
        return type(self)(self.what, self.way_out, where)


class ModelError(VlmError):
    """A model cannot be read, or is none that awase knows how to take apart."""


class DataError(VlmError):
    """A data set cannot be read, or lacks what a task needs."""


class MergeError(VlmError):
    """These weights cannot be computed. In a search it makes the candidate a failed one."""


class MetricError(VlmError):
    """These samples cannot be scored by this metric."""


class MissingExtra(VlmError):
    """An optional part of awase is needed: the way out is the command that installs it."""
