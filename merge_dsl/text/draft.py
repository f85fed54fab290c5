"""A text under repair: what is blanked or stubbed so that parsing can go on behind an error.

In: a text without comments. Out: the same lines, of which some are replaced. Lines keep their
numbers; a prefix that was added to one is subtracted again from the columns that Lark reports.
"""

import re

from merge_dsl.text.source import Source

QUIET = re.compile(r'"[^"\n]*"|#[^\n]*')
DECLARATION = re.compile(r"[ \t]*(recipe|use|let|model|data|merge|route|search|report|write)\b")
TOP = {
    "merge": "merge x {",
    "route": "route x {",
    "search": "search x {",
    "report": "report x {",
    "model": 'model x from "" {',
    "data": 'data x from "" {',
    "write": 'write x to "" {',
}
IN_BLEND = {"each": "each {", "take": "take x {"}


def without_comments(text: str) -> str:
    """Every comment as spaces. Offsets stay, and long comments cost the lexer nothing."""
    return QUIET.sub(lambda m: m[0] if m[0][0] == '"' else " " * len(m[0]), text)


class Draft:
    """The lines as the parser will see them next."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = without_comments(source.text).split("\n")
        self.original = list(self.lines)
        self.prefix = [0] * len(self.lines)
        self.stubbed: set[int] = set()

    def text(self) -> str:
        return "\n".join(self.lines)

    def offset(self, line: int, column: int) -> int:
        """Lark's line and column -> an offset into the source."""
        index = min(max(line, 1), len(self.lines)) - 1
        at = column - 1 - self.prefix[index]
        return self.source.line_starts[index] + min(max(at, 0), len(self.original[index]))

    def brackets(self, line: int, column: int) -> list[tuple[str, int, int]]:
        """The brackets open before a place: (character, line, column), outermost first."""
        stack: list[tuple[str, int, int]] = []
        for index in range(min(line, len(self.lines))):
            text = self.lines[index] if index < line - 1 else self.lines[index][: column - 1]
            for at, character in enumerate(_without_strings(text)):
                if character in "{([":
                    stack.append((character, index + 1, at + 1))
                elif character in "})]":
                    while stack and _closes(stack[-1][0]) != character and character == "}":
                        stack.pop()  # a brace closes what was forgotten inside it
                    if stack and _closes(stack[-1][0]) == character:
                        stack.pop()
        return stack

    def closing_line(self, line: int, column: int) -> int | None:
        """The line on which the `(` or `[` at a place is closed, before any brace."""
        depth = 0
        for index in range(line - 1, len(self.lines)):
            text = _without_strings(self.lines[index])
            if index > line - 1 and DECLARATION.match(text):
                return None
            for character in text[column - 1 :] if index == line - 1 else text:
                if character in "([":
                    depth += 1
                elif character in ")]":
                    depth -= 1
                elif character in "{}":
                    return None
                if depth == 0:
                    return index + 1
        return None

    def drop(self, first: int, last: int) -> None:
        """Blank these lines, and those that go on from them with an operator."""
        end = last
        while end < len(self.lines):
            following = self.lines[end].strip()
            if following and not following.startswith(("->", "|")):
                break
            end += 1
            if following:
                last = end
        for number in range(first, last + 1):
            self.lines[number - 1] = ""
            self.prefix[number - 1] = 0

    def join(self, first: int, last: int) -> None:
        """Put a value that is broken over lines on its first line."""
        self.lines[first - 1] = " ".join(self.lines[first - 1 : last])
        for number in range(first + 1, last + 1):
            self.lines[number - 1] = ""

    def close(self, line: int, count: int) -> None:
        """End `count` blocks before a line."""
        added = "}" * count + ";"
        self.lines[line - 1] = added + self.lines[line - 1]
        self.prefix[line - 1] += len(added)

    def replace(self, line: int, text: str) -> None:
        self.lines[line - 1] = text
        self.prefix[line - 1] = 0
        self.stubbed.add(line)

    def mend(self, line: int, depth: int, opens: bool) -> None:
        """Take a bad line out, but keep the block that it opens or closes."""
        text = _without_strings(self.lines[line - 1])
        net = text.count("{") - text.count("}")
        if opens and net == 0:
            net = 1
            self._swallow_brace(line)
        if net < 0 and (depth == 0 or line in self.stubbed):
            self.drop(line, line)  # it closes nothing; kept, it would be found for ever
        elif net < 0:
            self.replace(line, "}" * min(-net, depth))
        elif net == 0:
            self.drop(line, line)
        elif line in self.stubbed or net > 1:
            self.drop(line, self._end_of_block(line))
        else:
            stub = _stub(text.split(), depth)
            if stub is None:
                self.drop(line, self._end_of_block(line))
            else:
                self.replace(line, stub)

    def _swallow_brace(self, line: int) -> None:
        for index in range(line, len(self.lines)):
            if self.lines[index].strip():
                if self.lines[index].strip() == "{":
                    self.lines[index] = ""
                return

    def _end_of_block(self, line: int) -> int:
        depth = 0
        for index in range(line - 1, len(self.lines)):
            text = _without_strings(self.lines[index])
            if index > line - 1 and DECLARATION.match(text):
                return index
            depth += text.count("{") - text.count("}")
            if depth <= 0:
                return index + 1
        return len(self.lines)


def _stub(words: list[str], depth: int) -> str | None:
    from difflib import get_close_matches

    first = words[0] if words else ""
    if depth == 0:
        close = get_close_matches(first, TOP, n=1, cutoff=0.6)
        return TOP[close[0]] if close else None
    if depth == 1:
        return "x by x {"
    close = get_close_matches(first, IN_BLEND, n=1, cutoff=0.6)
    return IN_BLEND[close[0]] if close else "take x {"


def _without_strings(text: str) -> str:
    return re.sub(r'"[^"\n]*"', lambda m: " " * len(m[0]), text)


def _closes(character: str) -> str:
    return {"{": "}", "(": ")", "[": "]"}[character]
