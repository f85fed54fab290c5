"""What a search raises: an error for the user, or word that one candidate came to nothing."""


class SearchError(Exception):
    """A search cannot start or go on. `what` is wrong and the `way_out`, for one diagnostic."""

    def __init__(self, what: str, way_out: str) -> None:
        self.what = what
        self.way_out = way_out
        super().__init__(what, way_out)

    def __str__(self) -> str:
        return f"{self.what}; {self.way_out}"


class JournalError(SearchError):
    """The journal is locked, belongs to another run, or does not say what this run would say."""


class SearchFailed(SearchError):
    """No candidate of a generation could be scored: more of them would fail alike."""


class CandidateFailed(Exception):
    """Raised by `evaluate` where this candidate cannot be built or scored, and others may be.

    It is recorded, ranked last, and the search goes on. Anything else that `evaluate` raises (a
    full disk, a lost device) is no fault of the candidate: it ends the command, nothing is
    recorded, and the same command takes the trial up again.

    `excess` is how far a candidate is from what the recipe requires, None where nothing is required
    that it lacks. Those that are farther off rank lower, so that a search finds its way back.
    """

    def __init__(self, why: str = "", excess: float | None = None) -> None:
        self.excess = excess
        super().__init__(why)
