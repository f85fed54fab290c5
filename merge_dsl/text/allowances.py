"""`# lint: allow D703, we own this benchmark`: findings that a recipe allows itself, with a reason.

In: a text and what was found in it. Out: the findings that are left, and what is wrong with the
allowances. One holds for its own line, or for the next line of the recipe where it stands alone. A
warning or a note can be allowed, and of the errors those that are a judgement; the other errors
are what keeps a recipe from running, and no comment mends that.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merge_dsl.text.codes import CODES, Severity
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.draft import QUIET
from merge_dsl.text.source import Source, Span
from merge_dsl.text.words import nearest

JUDGEMENTS = ("D", "L")  # families whose errors a recipe may allow
MARK = re.compile(r"#\s*lint:[ \t]*(?P<verb>\w*)[ \t]*(?P<rest>[^\r\n]*)")
WORD = re.compile(r"[^\s,:;]+")
LIKE_A_CODE = re.compile(r"[A-Za-z]\d[\dOo]*|[A-Za-z][\dOo]{3}")


@dataclass(frozen=True)
class Allowance:
    """One code that is allowed on one line. `span` is the code's, `comment` the whole comment's."""

    code: str
    line: int
    span: Span
    comment: Span


@dataclass(frozen=True)
class Allowances:
    """All of a text, and what is wrong with how they are written."""

    source: Source
    items: tuple[Allowance, ...]
    problems: tuple[Diagnostic, ...]

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether this finding is allowed."""
        return any(self._fits(item, diagnostic) for item in self.items)

    def _fits(self, item: Allowance, diagnostic: Diagnostic) -> bool:
        if item.code != diagnostic.code or not may_be_allowed(diagnostic):
            return False
        return item.line == self.source.line_column(diagnostic.span.start)[0]

    def left(
        self, diagnostics: Sequence[Diagnostic], unseen: Callable[[str], bool]
    ) -> list[Diagnostic]:
        """What is not allowed, and F903 to F905. What was not looked for, `unseen`, is not unused."""
        found = [d for d in diagnostics if not self.covers(d)] + list(self.problems)
        unused = [i for i in self.items if not any(self._fits(i, d) for d in diagnostics)]
        return found + [self._unused(i, diagnostics) for i in unused if not unseen(i.code)]

    def _unused(self, item: Allowance, diagnostics: Sequence[Diagnostic]) -> Diagnostic:
        here = [d for d in diagnostics if self.source.line_column(d.span.start)[0] == item.line]
        if any(d.code == item.code for d in here):
            message = f"{item.code} is an error that keeps the recipe from running"
            return finding("F904", item.span, f"{message}; it cannot be allowed", "mend it")
        message = f"{item.code} is not found on line {item.line}; nothing needs allowing"
        alone = sum(other.comment == item.comment for other in self.items) == 1
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
        for quiet in QUIET.finditer(source.text):
            mark = MARK.match(quiet[0])
            if mark is not None:
                _read(source, quiet.start(), mark, items, problems)
    return Allowances(source, tuple(items), tuple(problems))


def _read(
    source: Source,
    start: int,
    mark: re.Match[str],
    items: list[Allowance],
    problems: list[Diagnostic],
) -> None:
    comment = Span(start, start + len(mark[0].rstrip()))
    if mark["verb"] != "allow":
        message = "after `lint:` stands `allow`, the codes, and a reason"
        problems.append(finding("F905", comment, message, "write `# lint: allow D703, why`"))
        return
    line = _line_meant(source, start)
    words = list(WORD.finditer(mark["rest"]))
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


def _line_meant(source: Source, start: int) -> int:
    """The line of a comment, or the next line with more than a comment where it stands alone."""
    line, column = source.line_column(start)
    if source.line(line)[: column - 1].strip():
        return line
    last = len(source.line_starts)
    after = min(line + 1, last)
    while after < last and (not source.line(after).strip() or _only_comment(source.line(after))):
        after += 1
    return after


def _only_comment(text: str) -> bool:
    return text.lstrip().startswith("#")


def _with_space(text: str, comment: Span) -> Span:
    """A comment and the blanks before it; the whole line where nothing else stands on it."""
    start, end = comment.start, comment.end
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    if (start == 0 or text[start - 1] == "\n") and text[end : end + 1] in ("\n", "\r"):
        end += 2 if text[end : end + 2] == "\r\n" else 1
    return Span(start, end)
