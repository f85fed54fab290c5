"""Moves a recipe to another folder without changing what it means.

In: a recipe's text, the folder that its relative addresses start from, the folder it will lie in.
Out: the text with `file:` addresses and `use` paths rewritten; nothing else is touched.
"""

import os
from pathlib import Path

from merge_dsl.space.edits import laid_out
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from merge_dsl.text.tree import Declaration, Text, Use

FILE = "file:"


def relocate(text: str, old: Path, new: Path) -> str:
    """The text as it must read in `new`. A text that does not parse comes back as it is."""
    tree = parse(Source("", text)).tree
    if tree is None or os.path.abspath(old) == os.path.abspath(new):
        return text
    for item in reversed(tree.items):  # from the end, so that earlier spans stay true
        if isinstance(item, Use):
            text = _put(text, item.address, _moved(item.address.value, old, new))
        elif isinstance(item, Declaration) and item.kind != "write":
            scheme, path = item.address.value[: len(FILE)], item.address.value[len(FILE) :]
            if scheme == FILE:
                text = _put(text, item.address, FILE + _moved(path, old, new))
    return text


def moved(text: str, old: Path, new: Path) -> str:
    """The same, in the house layout where the text was in it: addresses get longer and shorter."""
    found = relocate(text, old, new)
    return laid_out(found) if found != text and laid_out(text) == text else found


def _moved(path: str, old: Path, new: Path) -> str:
    """Relative paths only: `~` means the same everywhere.

    Folders are compared as they are written, links and all, for so are addresses read.
    """
    if Path(path).is_absolute() or path.startswith("~"):
        return path
    there = os.path.join(os.path.abspath(old), path)
    return Path(os.path.relpath(there, os.path.abspath(new))).as_posix()


def _put(text: str, address: Text, value: str) -> str:
    return f'{text[: address.span.start]}"{value}"{text[address.span.end :]}'
