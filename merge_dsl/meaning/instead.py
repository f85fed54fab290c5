"""What a command line says in place of a recipe's own words: `--set share=0.4`, `--with llava=stand-in`.

In: a text, its tree, and words by name: the value of a `let`, or the address of a model or of data. Out:
the text that says so. It is the recipe that then runs: journal, lock and frozen winner are of it. What
`use` brings is declared anew behind the `use`, and goes by that name in all of the text: the other file is
left as it is.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from merge_dsl.meaning.places import SCHEMES
from merge_dsl.space.edits import Edit, Names, apply, behind, renamed
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.parse import parse
from merge_dsl.text.reading import read_source
from merge_dsl.text.source import Source, Span
from merge_dsl.text.tree import Declaration, Let, Tree, Use
from merge_dsl.text.words import nearest

RUNS_CODE = "remote_code"  # is never taken over from a file that is used


def said_instead(
    source: Source, tree: Tree, words: Mapping[str, str]
) -> tuple[Source, list[Diagnostic]]:
    """The text with these words in it, and N101 for each name that it does not define."""
    places = {name: span for item in tree.items for name, span in _place(item)}
    edits, names, problems = [], Names(), []
    taken = set(places)
    for name, said in words.items():
        brought = None if name in places else _brought(source, tree, name, said)
        if name in places:
            edits.append(Edit(places[name], said))
            edits += [Edit(span, "") for span in _of_the_hub(source, tree, name, said)]
        elif brought is not None:
            plain = names[name] = _free(name.replace(".", "_"), taken)
            use, before, after = brought
            edits.append(Edit(behind(source.text, use), f"\n{before} {plain} {after}"))
        else:
            close = nearest(name, places)
            meant = f"; did you mean `{close}`?" if close else ""
            message = f"there is no `let`, model or data `{name}` to say otherwise{meant}"
            problems.append(finding("N101", Span(0, 0), message))
    return Source(source.path, renamed(apply(source.text, edits), names)), problems


def _place(item: object) -> list[tuple[str, Span]]:
    """What a declaration is called, and where the words that may be said otherwise stand."""
    if isinstance(item, Let):
        return [(item.name.text, Span(item.value.span.start, item.span.end))]
    if isinstance(item, Declaration) and item.kind != "write":
        return [(item.name.text, item.address.span)]
    return []


def _of_the_hub(source: Source, tree: Tree, name: str, said: str) -> list[Span]:
    """The settings that speak of another address: its revision, and of a file a subset, too."""
    found = []
    for item in tree.items:
        if isinstance(item, Declaration) and item.name.text == name:
            found += [
                _with_comma(source.text, s.span)
                for s in item.settings
                if s.name.text in _left(said)
            ]
    return found


def _left(said: str) -> tuple[str, ...]:
    return ("revision",) if said.startswith('"hf:') else ("revision", "subset")


def _with_comma(text: str, span: Span) -> Span:
    """A setting, and what parts it from the next one, else from the one before."""
    after = re.match(r"[ \t]*;[ \t]*", text[span.end :])
    if after:
        return Span(span.start, span.end + after.end())
    before = re.search(r"[ \t]*;[ \t]*$", text[: span.start])
    return Span(before.start() if before else span.start, span.end)


def _brought(source: Source, tree: Tree, name: str, said: str) -> tuple[Span, str, str] | None:
    """For `coco.dev`: the `use` that brings it, and what is written before and after its new name."""
    outer, _, inner = name.partition(".")
    for item in tree.items:
        if isinstance(item, Use) and inner and _called(item) == outer:
            other, _ = read_source(Path(source.folder, item.address.value.removeprefix("file:")))
            found = parse(other).tree
            for one in found.items if found is not None else ():
                if isinstance(one, Let) and one.name.text == inner:
                    return item.span, "let", f"= {said}"
                if isinstance(one, Declaration) and one.kind != "write" and one.name.text == inner:
                    gone = (RUNS_CODE, *_left(said))
                    kept = [other.slice(s.span) for s in one.settings if s.name.text not in gone]
                    block = f" {{ {'; '.join(kept)} }}" if kept else ""
                    return item.span, one.kind, f"from {said}{block}"
            below = _brought(other, found, inner, said) if found is not None else None
            return None if below is None else (item.span, *below[1:])
    return None


def _called(item: Use) -> str:
    return item.name.text if item.name is not None else Path(item.address.value).stem


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first like it that nothing has."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


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
