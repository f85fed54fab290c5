"""How a command ends: exit codes, and the exception for what is the user's to mend.

`merge_dsl/cli.py` prints a `Mistake`. It imports nothing, for every command and `--help` need it.
"""

DONE, FINDINGS, CANNOT = 0, 1, 2  # clean or done; findings or a failed run; could not start


class Mistake(Exception):
    """A command cannot go on: what ("" where it is said already), the way out, and the exit code."""

    def __init__(self, what: str, way_out: str = "", code: int = FINDINGS) -> None:
        super().__init__(what)
        self.what, self.way_out, self.code = what, way_out, code

    def __str__(self) -> str:
        return f"{self.what}\n  = help: {self.way_out}" if self.way_out else self.what
