"""`# lint: allow D703, we own this benchmark`: findings that a recipe allows itself, with a reason.

In: a text and what was found in it. Out: the findings that are left, and what is wrong with the
allowances. One holds for its own line, or for the next line of the recipe where it stands alone. A
warning or a note can be allowed, and of the errors those that are a judgement; the other errors
are what keeps a recipe from running, and no comment mends that.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from merge_dsl.text.codes import CODES, Severity
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.draft import QUIET
from merge_dsl.text.source import Source, Span
from merge_dsl.text.words import nearest

MANY = 20  # codes in one comment; what stands behind them is not read
JUDGEMENTS = ("D", "L", "N108")  # errors that a recipe may allow: what is lacking, a run finds, too
MARK = re.compile(r"#\s*lint:[ \t]*(?P<verb>\w*)[ \t]*(?P<rest>[^\r\n]*)")
WORD = re.compile(r"[^\s,:;]+")
LIKE_A_CODE = re.compile(r"[A-Za-z]\d[\dOo]*|[A-Za-z][\dOo]{3}")


class Allowance(NamedTuple):
    """One code that is allowed on one line. `span` is the code's, `comment` the whole comment's."""

    code: str
    line: int
    span: Span
    comment: Span


class Allowances:
    """All of a text, and what is wrong with how they are written."""

    def __init__(
        self, source: Source, items: tuple[Allowance, ...], problems: tuple[Diagnostic, ...]
    ) -> None:
        self.source, self.items, self.problems = source, items, problems
        self.allowed = frozenset((item.code, item.line) for item in items)

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether this finding is allowed."""
        return may_be_allowed(diagnostic) and self._place(diagnostic) in self.allowed

    def left(
        self, diagnostics: Sequence[Diagnostic], unseen: Callable[[str], bool]
    ) -> list[Diagnostic]:
        """What is not allowed, and F903 to F905. What was not looked for, `unseen`, is not unused."""
        if not self.items:
            return [*diagnostics, *self.problems]
        found = [d for d in diagnostics if not self.covers(d)] + list(self.problems)
        places = {self._place(d) for d in diagnostics}
        used = {self._place(d) for d in diagnostics if may_be_allowed(d)}
        together = Counter(item.comment for item in self.items)
        unused = [i for i in self.items if (i.code, i.line) not in used and not unseen(i.code)]
        return found + [
            self._unused(i, (i.code, i.line) in places, together[i.comment] == 1) for i in unused
        ]

    def _place(self, diagnostic: Diagnostic) -> tuple[str, int]:
        return diagnostic.code, self.source.line_column(diagnostic.span.start)[0]

    def _unused(self, item: Allowance, found: bool, alone: bool) -> Diagnostic:
        if found:
            message = f"{item.code} is an error that keeps the recipe from running"
            return finding("F904", item.span, f"{message}; it cannot be allowed", "mend it")
        message = f"{item.code} is not found on line {item.line}; nothing needs allowing"
        fix = Fix(_with_space(self.source.text, item.comment), "") if alone else None
        return finding("F904", item.span, message, "remove it", fix)


def may_be_allowed(diagnostic: Diagnostic) -> bool:
    """Whether a comment may silence this finding at all."""
    if diagnostic.code.startswith(("S", "F90")) and diagnostic.code not in ("F901", "F902"):
        return False
    return diagnostic.severity is not Severity.ERROR or diagnostic.code.startswith(JUDGEMENTS)


def allowances_of(source: Source) -> Allowances:
    """Every allowance of a text."""
    items: list[Allowance] = []
    problems: list[Diagnostic] = []
    if "lint:" in source.text:
        meant = _lines_meant(source)
        for quiet in QUIET.finditer(source.text):
            mark = MARK.match(quiet[0])
            if mark is not None:
                start = quiet.start()
                line, column = source.line_column(start)
                alone = not source.text[start - column + 1 : start].strip()
                _read(start, meant[line] if alone else line, mark, items, problems)
    return Allowances(source, tuple(items), tuple(problems))


def _read(
    start: int,
    line: int,
    mark: re.Match[str],
    items: list[Allowance],
    problems: list[Diagnostic],
) -> None:
    comment = Span(start, start + len(mark[0].rstrip()))
    if mark["verb"] != "allow":
        message = "after `lint:` stands `allow`, the codes, and a reason"
        problems.append(finding("F905", comment, message, "write `# lint: allow D703, why`"))
        return
    words = list(islice(WORD.finditer(mark["rest"]), MANY))
    count = 0
    for word in words:
        if count and not LIKE_A_CODE.fullmatch(word[0]):
            break
        count += 1
        at = start + mark.start("rest") + word.start()
        span = Span(at, at + len(word[0]))
        if word[0] in CODES:
            items.append(Allowance(word[0], line, span, comment))
        else:
            problems.append(_no_code(word[0], span))
    if not words:
        message = "this allows nothing: it names no rule"
        problems.append(finding("F905", comment, message, "write `# lint: allow D703, why`"))
    elif count == len(words):
        message = "an allowance needs a reason, for whoever reads this next"
        help = f"write `# lint: allow {words[0][0]}, why`"
        problems.append(finding("F903", comment, message, help))


def _no_code(word: str, span: Span) -> Diagnostic:
    close = nearest(word.upper().replace("O", "0"), CODES)
    if word.upper() in CODES:
        close = word.upper()
    meant = f"; did you mean `{close}`?" if close else ""
    fix = Fix(span, close, safe=False) if close else None
    return finding("F905", span, f"there is no rule `{word}`{meant}", "see `awase explain`", fix)


def _lines_meant(source: Source) -> list[int]:
    """For each line, from 0: the next line of the recipe that is more than a comment."""
    last = len(source.line_starts)
    meant = [last] * (last + 1)
    for line in range(last - 1, 0, -1):
        text = source.line(line + 1).strip()
        meant[line] = meant[line + 1] if not text or text[0] == "#" else line + 1
    return meant


def _with_space(text: str, comment: Span) -> Span:
    """A comment and the blanks before it; the whole line where nothing else stands on it."""
    start, end = comment.start, comment.end
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    if (start == 0 or text[start - 1] == "\n") and text[end : end + 1] in ("\n", "\r"):
        end += 2 if text[end : end + 2] == "\r\n" else 1
    return Span(start, end)
