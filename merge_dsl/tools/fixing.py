"""Fixes made: a text and its findings -> the mended text.

In: a source, and what lint finds in any text of it. Out: the text after the last round, and what was
mended. Fixes that overlap wait for the next round, in which they may no longer be needed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.text.diagnostics import Diagnostic, Fix
from merge_dsl.text.source import Source

ROUNDS = 100  # a text that is not still by then is going in a circle

Find = Callable[[Source], Sequence[Diagnostic]]


@dataclass(frozen=True)
class Mended:
    """One fix that was made, where it stood in the text of its round."""

    line: int
    column: int
    diagnostic: Diagnostic


@dataclass(frozen=True)
class Result:
    """The text that is left, what was mended on the way, and what is found in it now."""

    source: Source
    mended: tuple[Mended, ...]
    left: tuple[Diagnostic, ...]


def mend(source: Source, find: Find, unsafe: bool = False) -> Result:
    """Make fixes until none is left. Unsafe ones only where they are asked for."""
    mended: list[Mended] = []
    left = tuple(find(source))
    seen = {source.text}
    for _ in range(ROUNDS):
        chosen = _apart([d for d in left if d.fix is not None and (d.fix.safe or unsafe)])
        text = _applied(source.text, [d.fix for d in chosen if d.fix is not None])
        if not chosen or text in seen:
            break
        seen.add(text)
        mended += [Mended(*source.line_column(d.span.start), d) for d in chosen]
        source = Source(source.path, text)
        left = tuple(find(source))
    return Result(source, tuple(mended), left)


def _apart(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Those whose fixes do not touch one another, the first of each bunch."""
    chosen: list[Diagnostic] = []
    for diagnostic in sorted(diagnostics, key=lambda d: d.fix.span if d.fix else d.span):
        last = chosen[-1].fix if chosen else None
        if last is None or (diagnostic.fix and diagnostic.fix.span.start > last.span.end):
            chosen.append(diagnostic)
    return chosen


def _applied(text: str, fixes: Sequence[Fix]) -> str:
    for fix in reversed(fixes):
        text = text[: fix.span.start] + fix.text + text[fix.span.end :]
    return text


def write_beside(path: Path, text: str) -> None:
    """Replace a file whole or not at all. A link stays a link, and the mode stays."""
    path = path.resolve()
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.chmod(path.stat().st_mode & 0o7777)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
