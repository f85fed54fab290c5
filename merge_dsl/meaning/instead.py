"""What a command line says in place of a recipe's own words: `--set share=0.4`, `--with llava=stand-in`.

In: a text, its tree, and words by name: the value of a `let`, or the address of a model or of data. Out:
the text that says so. It is the recipe that then runs: journal, lock and frozen winner are of it.
"""

from collections.abc import Mapping
from pathlib import Path

from merge_dsl.meaning.places import SCHEMES
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Source, Span
from merge_dsl.text.tree import Declaration, Let, Tree
from merge_dsl.text.words import nearest


def said_instead(
    source: Source, tree: Tree, words: Mapping[str, str]
) -> tuple[Source, list[Diagnostic]]:
    """The text with these words in it, and N101 for each name that it does not define."""
    places = {name: span for item in tree.items for name, span in _place(item)}
    edits = [(places[name], said) for name, said in words.items() if name in places]
    text = source.text
    for span, said in sorted(edits, key=lambda edit: -edit[0].start):
        text = text[: span.start] + said + text[span.end :]
    problems = []
    for name in words:
        if name not in places:
            close = nearest(name, places)
            meant = f"; did you mean `{close}`?" if close else ""
            message = f"there is no `let`, model or data `{name}` to say otherwise{meant}"
            problems.append(finding("N101", Span(0, 0), message))
    return Source(source.path, text), problems


def _place(item: object) -> list[tuple[str, Span]]:
    """What a declaration is called, and where the words that may be said otherwise stand."""
    if isinstance(item, Let):
        return [(item.name.text, Span(item.value.span.start, item.span.end))]
    if isinstance(item, Declaration) and item.kind != "write":
        return [(item.name.text, item.address.span)]
    return []


def address_words(address: str) -> str:
    """An address as a recipe writes it; without a scheme it is a path from the current directory.

    Raises ValueError for one that no recipe can hold.
    """
    scheme, colon, rest = address.partition(":")
    if not (colon and scheme in SCHEMES):
        rest, scheme = address, "file"
    if not rest or any(sign in rest for sign in '"\r\n\0'):
        raise ValueError(f"{address!r} is no address that a recipe can hold")
    if scheme == "file":
        rest = str(Path(rest).expanduser().absolute())
    return f'"{scheme}:{rest}"'
