"""What a recipe is made of, as an outline.

In: a source. Out: `Symbol`s: declarations, and the blends, searches and scores inside them. It reads
statements, so that a text that does not parse has an outline too.
"""

from dataclasses import dataclass, field

from merge_dsl.text.source import Source, Span
from merge_dsl.tools.lsp.cursor import DECLARATIONS, Statement, statements

INSIDE = ("merge", "route", "search", "report")  # whose lines are shown
LONGEST = 80


@dataclass
class Symbol:
    """One entry. `span` is all of it, `name_span` what is marked when it is chosen."""

    kind: str
    name: str
    about: str
    span: Span
    name_span: Span
    children: list["Symbol"] = field(default_factory=list)


def symbols_of(source: Source) -> list[Symbol]:
    """The outline of a text."""
    found: list[Symbol] = []
    for statement in statements(source.text):
        if not statement.words:
            continue
        whole = Span(statement.words[0].span.start, statement.words[-1].span.end)
        if not statement.heads and statement.words[0].text in DECLARATIONS:
            found.append(_declaration(statement, source, whole))
            continue
        if not found:
            continue
        parent = found[-1]
        if whole.end > parent.span.end:
            parent.span = Span(parent.span.start, whole.end)
        if len(statement.heads) == 1 and parent.kind in INSIDE:
            name = " ".join(source.slice(whole).split())[:LONGEST]
            parent.children.append(Symbol("line", name, "", whole, whole))
        elif parent.children:
            child = parent.children[-1]
            child.span = Span(child.span.start, max(child.span.end, whole.end))
    return found


def _declaration(statement: Statement, source: Source, whole: Span) -> Symbol:
    kind, *rest = statement.words
    if not rest:
        return Symbol(kind.text, kind.text, "", whole, kind.span)
    name = rest[-1] if kind.text == "use" else rest[0]
    about = " ".join(source.slice(Span(name.span.end, whole.end)).split())[:LONGEST]
    return Symbol(
        kind.text, name.text or kind.text, f"{kind.text} {about}".strip(), whole, name.span
    )
