"""Where a name is given.

In: a document and an offset. Out: a source and a span, or None. The address of a `use`, or of local
data, leads to the file.
"""

from pathlib import Path

from merge_dsl.text.source import Source, Span
from merge_dsl.tools.lsp.cursor import cursor_at
from merge_dsl.tools.lsp.document import Document
from merge_dsl.tools.lsp.hover import named_at
from merge_dsl.tools.lsp.names import address_path, opened

TOP = Span(0, 0)


def definition_at(document: Document, offset: int) -> tuple[Source, Span] | None:
    """Where the name at an offset is given, and in which text."""
    cursor = cursor_at(document.source.text, offset)
    if cursor.place == "string":
        return _address(document, cursor.word)
    named = named_at(document, cursor)
    if named is None:
        return None
    if named.kind == "use" and named.span == cursor.word:
        inner = opened(named)
        return (inner, TOP) if inner is not None else None
    return named.source, named.span


def _address(document: Document, word: Span) -> tuple[Source, Span] | None:
    text = document.source.slice(word)
    for named in document.names.values():
        if named.source.path != document.source.path or named.address != text:
            continue
        path = address_path(named)
        if path is not None and path.is_file():
            return Source(str(Path(path)), ""), TOP
    return None
