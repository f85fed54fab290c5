"""The names that a recipe gives, and where; also in a text that does not parse.

In: a source. Out: `Named` by name. What `use` brings stands there as `coco.captions`, with the path
of the file that it is written in.
"""

from dataclasses import dataclass
from pathlib import Path

from merge_dsl.text.diagnostics import has_errors
from merge_dsl.text.reading import read_source
from merge_dsl.text.source import Source, Span
from merge_dsl.tools.lsp.cursor import Statement, statements

GIVES = ("model", "data", "let", "merge", "route", "use")
TARGETS = ("merge", "route")
DEEPEST = 5  # imports of imports; a circle ends here


@dataclass(frozen=True)
class Named:
    """A name, what it names, and where it is written. `source` differs for what is imported."""

    kind: str  # model, data, let, merge, route or use
    name: str
    span: Span
    address: str
    line: str  # the line that gives it, without its block
    source: Source


def names_of(source: Source, depth: int = 0) -> dict[str, Named]:
    """Every name of a text; where one is given twice, the first."""
    found: dict[str, Named] = {}
    for statement in statements(source.text):
        named = _named(statement, source)
        if named is None:
            continue
        found.setdefault(named.name, named)
        if named.kind == "use" and depth < DEEPEST:
            for inner in _imported(named, depth).values():
                if inner.kind in ("model", "data", "let"):
                    name = f"{named.name}.{inner.name}"
                    found.setdefault(name, Named(inner.kind, name, *_rest(inner)))
    return found


def _rest(named: Named) -> tuple[Span, str, str, Source]:
    return named.span, named.address, named.line, named.source


def _named(statement: Statement, source: Source) -> Named | None:
    words = statement.words
    if statement.heads or len(words) < 2 or words[0].text not in GIVES:
        return None
    kind = words[0].text
    address = next((word.text[1:-1] for word in words if word.kind == "string"), "")
    line = source.slice(Span(words[0].span.start, words[-1].span.end))
    given = words[-1] if kind == "use" and words[-1].kind == "word" else words[1]
    if kind == "use" and given.kind == "string":
        return Named(kind, Path(address).stem, given.span, address, line, source)
    if given.kind != "word" or given.text == "as":
        return None
    return Named(kind, given.text, given.span, address, line, source)


def _imported(named: Named, depth: int) -> dict[str, Named]:
    inner = opened(named)
    return {} if inner is None else names_of(inner, depth + 1)


def opened(named: Named) -> Source | None:
    """The file that a `use` names, or None where it cannot be read."""
    path = address_path(named)
    if path is None:
        return None
    source, problems = read_source(path)
    return None if has_errors(problems) else source


def address_path(named: Named) -> Path | None:
    """The local path that an address stands for; None for addresses of other kinds."""
    scheme, colon, rest = named.address.partition(":")
    if named.kind != "use" and scheme != "file":
        return None
    relative = rest if colon and scheme == "file" else named.address
    try:
        path = Path(named.source.folder, relative)
        return path.resolve() if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None
