"""`awase import FILE.yml`: a mergekit configuration as a recipe.

What cannot be carried over is named on stderr, with its place, and in the recipe as a comment. Exit 0 all
was carried, 1 something was not, 2 the file cannot be read.
"""

import argparse
import sys
from pathlib import Path

from merge_dsl.commands.mistake import CANNOT, DONE, FINDINGS, Mistake
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from merge_dsl.tools.mergekit.fields_in import Context
from merge_dsl.tools.mergekit.from_config import plan_of
from merge_dsl.tools.mergekit.notes import Notes, in_order, plain, spoken
from merge_dsl.tools.mergekit.recipe_out import recipe_of
from merge_dsl.tools.mergekit.yaml_in import BYTES, Unreadable, read_yaml


def run(args: argparse.Namespace) -> int:
    """Write the recipe to `-o`, or to stdout."""
    out = Path(args.out) if args.out else None
    notes = Notes()
    text = import_text(_bytes(args.file), args.file, notes, out.absolute().parent if out else None)
    for note in in_order(notes.found):
        print(spoken(args.file, note), file=sys.stderr)
    if text is None:
        raise Mistake(f"nothing of {plain(args.file)} can be carried over")
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8", newline="")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise Mistake(f"{out} cannot be written: {why}", code=CANNOT) from error
    return FINDINGS if notes.lost else DONE


def import_text(data: bytes, file: str, notes: Notes, folder: Path | None) -> str | None:
    """The recipe that a mergekit file says; None where nothing of it can be said."""
    try:
        plan = plan_of(read_yaml(data), Context(notes, folder=folder))
    except Unreadable as error:
        place = f":{error.place.line}:{error.place.column}" if error.place else ""
        raise Mistake(plain(f"{file}{place}: {error.what}"), code=CANNOT) from error
    if not plan.stages:
        return None
    text = recipe_of(plan, file, in_order(notes.found))
    if parse(Source("imported.merge", text)).tree is None:
        raise AssertionError("the imported recipe does not parse")  # ours, not the user's
    return text


def _bytes(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read(BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Mistake(f"{plain(file)} cannot be read: {why}", code=CANNOT) from error
