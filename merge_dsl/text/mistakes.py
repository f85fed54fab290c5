"""A text that does not parse -> every syntax error in it.

After an error the bad line is taken out, the block that it opened is kept, and the text is parsed again;
so one mistake yields one message, and a mistake further down is still found.
"""

import re
from functools import cache
from typing import Any

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.draft import DECLARATION, Draft
from merge_dsl.text.grammar import parser
from merge_dsl.text.habits import comment_length, mergekit
from merge_dsl.text.messages import Trouble, describe, never_closed
from merge_dsl.text.parse import WORD
from merge_dsl.text.source import Source, Span

MANY = 100  # errors after which a file is no recipe
OF_MERGE = re.compile(r"[ \t]*(?:keep|require)\b(?! *=)|[ \t]*[a-z][\w., *\[\]]* by\b")
OF_BLEND = re.compile(r"[ \t]*(?:base|take|each)\b(?! *=)")
IN_BLEND = re.compile(r"[ \t]*(?:take|each)\b")  # openers of the blocks in a blend
HEADER = re.compile(r"[ \t]*recipe[ \t]+[a-z]")


def all_errors(source: Source) -> list[Diagnostic]:
    """What is wrong with a text that does not parse."""
    foreign = mergekit(source)
    if foreign is not None:
        return [foreign]
    draft = Draft(source)
    found: list[Diagnostic] = []
    # Each round parses the file up to the error.
    size = len(source.text)
    many = MANY if len(draft.lines) < 2000 and size < 100_000 else 10 if size < 300_000 else 3
    for _ in range(many * 2):
        try:
            parser().parse(draft.text())
            return found
        except UnexpectedInput as error:
            diagnostic = _next_error(draft, error)
        if diagnostic is not None:
            found.append(diagnostic)
        if len(found) >= many:
            return found
    return found


def _next_error(draft: Draft, error: UnexpectedInput) -> Diagnostic | None:
    """Describe an error and mend the draft. None for an echo of one that is already reported."""
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    line, column = (len(draft.lines), 10**9) if at_end else (error.line, error.column)
    stack = draft.brackets(line, column)
    braces = [bracket for bracket in stack if bracket[0] == "{"]
    starts_line = not at_end and not draft.lines[line - 1][: column - 1].strip(" \t};")
    declares = starts_line and DECLARATION.match(draft.lines[line - 1][column - 1 :]) is not None
    open_bracket = next((bracket for bracket in stack if bracket[0] != "{"), None)
    if open_bracket is not None:
        sign, start, at = open_bracket
        end = draft.closing_line(start, at)
        if end is None:
            place = draft.offset(start, at)
            draft.mend(start, len(braces), opens=False)
            closing = ")" if sign == "(" else "]"
            return never_closed(sign, start, Span(place, place + 1), closing)
        trouble = _trouble(draft, error, line, column, len(braces))
        draft.join(start, max(end, line))
        draft.mend(start, len(braces), opens=False)
        return describe(trouble, _terminals())
    if braces and (at_end or declares):
        start = _unclosed(draft, braces, line)
        if at_end:
            draft.lines.append("")
            draft.original.append("")
            draft.prefix.append(0)
            line = len(draft.lines)
        draft.close(line, len(braces))
        return _never_closed(draft, start)
    if len(braces) > 1 and not at_end and _is_of_outer_block(draft, braces[-1][1], line):
        start = _unclosed(draft, braces, line)
        draft.close(line, 1)
        return _never_closed(draft, start)
    trouble = _trouble(draft, error, line, column, len(braces))
    length = comment_length(trouble)
    if length:
        text = trouble.ahead + trouble.rest
        draft.lines[line - 1] = text[: len(text) - length]
        return describe(trouble, _terminals())
    if "RECIPE" in trouble.expected or (trouble.before == "recipe" and not braces):
        _add_header(draft, line, trouble)
        return describe(trouble, _terminals())
    echo = line in draft.stubbed
    if not braces and HEADER.match(draft.lines[line - 1]) and not echo:
        draft.replace(line, "recipe x")  # what stands behind the name is no reason to miss it
    elif at_end:
        last = max((n for n, text in enumerate(draft.lines, 1) if text.strip()), default=1)
        draft.drop(last, last)
    else:
        draft.mend(line, len(braces), opens=trouble.expected == {"LBRACE"})
    return None if echo else describe(trouble, _terminals())


def _never_closed(draft: Draft, start: int) -> Diagnostic:
    text = draft.original[start - 1]
    offset = draft.offset(start, 1) + len(text) - len(text.lstrip())
    return never_closed(text.strip(), start, Span(offset, offset + len(text.strip())))


def _is_of_outer_block(draft: Draft, opener: int, line: int) -> bool:
    """Whether a line can only stand in a block around the one that is open, and is not set deeper."""
    begins, text = draft.original[opener - 1], draft.lines[line - 1]
    if _indent(text) > _indent(begins) or line == opener or line in draft.stubbed:
        return False
    outside = OF_MERGE.match(text) is not None
    if IN_BLEND.match(begins):
        outside = outside or OF_BLEND.match(text) is not None
    return outside


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _add_header(draft: Draft, line: int, trouble: Trouble) -> None:
    if trouble.kind and DECLARATION.match(trouble.found) and trouble.found != "recipe":
        draft.lines[line - 1] = "recipe x;" + draft.lines[line - 1]
        draft.prefix[line - 1] += len("recipe x;")
    else:
        draft.replace(line, "recipe x")


def _trouble(draft: Draft, error: Any, line: int, column: int, depth: int) -> Trouble:
    kind = error.token.type if isinstance(error, UnexpectedToken) else ""
    index = min(line, len(draft.lines)) - 1
    text = draft.lines[index]
    if kind in ("_NL", "$END"):
        while index > 0 and not draft.lines[index].strip():
            index -= 1  # a trailing blank line is no place to point at
        text = draft.lines[index].rstrip()
        line, column, found = index + 1, len(text) + 1, ""
    else:
        match = WORD.match(text, column - 1)
        found = str(error.token) if kind else (match[0] if match else text[column - 1 : column])
    start = draft.offset(line, column)
    before = WORD.findall(text[: column - 1])
    return Trouble(
        expected=_expected(error),
        found=found,
        kind=kind,
        before=before[-1] if before else "",
        span=Span(start, start + max(len(found), 1)),
        depth=depth,
        ahead=text[: column - 1],
        rest=text[column - 1 :],
    )


def _expected(error: Any) -> frozenset[str]:
    if isinstance(error, UnexpectedToken) and error.interactive_parser is not None:
        return frozenset(error.interactive_parser.accepts())
    names = error.allowed if isinstance(error, UnexpectedCharacters) else error.expected
    return frozenset(names or ()) - {"COMMENT", "CONTINUATION"}


def _unclosed(draft: Draft, braces: list[tuple[str, int, int]], line: int) -> int:
    """The line of the block that was probably forgotten: one whose `}` stands further left."""
    stack: list[tuple[int, int]] = []  # (line, indentation)
    for number, text in enumerate(draft.lines[: line - 1], 1):
        indent = len(text) - len(text.lstrip())
        stripped = re.sub(r'"[^"\n]*"', "", text)
        if stripped.strip().startswith("}"):
            if stack and stack[-1][1] > indent and any(i == indent for _, i in stack):
                return stack[-1][0]
            if stack:
                stack.pop()
            stripped = stripped.replace("}", "", 1)
        net = stripped.count("{") - stripped.count("}")
        stack += [(number, indent)] * max(net, 0)
        del stack[len(stack) + min(net, 0) :]
    return braces[-1][1]


@cache
def _terminals() -> dict[str, str]:
    """Terminal -> the text it stands for, for those that stand for one text."""
    return {t.name: t.pattern.value for t in parser().terminals if t.pattern.type == "str"}
