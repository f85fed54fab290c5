"""`awase export RECIPE`: a recipe as a mergekit configuration.

In: a recipe that parses. What mergekit has no word for is named on stderr, with its place, and in the YAML
as a comment. Exit 0 all was carried, 1 something was not, 2 the recipe cannot be read.
"""

import argparse
import sys
from pathlib import Path

from merge_dsl.commands.common import show_errors
from merge_dsl.commands.mistake import CANNOT, DONE, FINDINGS, Mistake
from merge_dsl.text.diagnostics import has_errors
from merge_dsl.text.parse import parse
from merge_dsl.text.reading import read_source
from merge_dsl.text.source import Source
from merge_dsl.tools.mergekit.from_recipe import plan_from
from merge_dsl.tools.mergekit.notes import Notes, in_order, plain, spoken
from merge_dsl.tools.mergekit.yaml_out import yaml_of


def run(args: argparse.Namespace) -> int:
    """Write the YAML to `-o`, or to stdout."""
    source, found = read_source(Path(args.recipe))
    if has_errors(found):
        show_errors(source, tuple(found))
        raise Mistake("", code=CANNOT)
    notes = Notes()
    text = export_text(source, notes)
    for note in in_order(notes.found):
        print(spoken(args.recipe, note), file=sys.stderr)
    if text is None:
        raise Mistake(f"nothing of {plain(args.recipe)} can be said to mergekit")
    if args.out is None:
        sys.stdout.write(text)
    else:
        try:
            Path(args.out).write_text(text, encoding="utf-8", newline="")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise Mistake(f"{plain(args.out)} cannot be written: {why}", code=CANNOT) from error
    return FINDINGS if notes.lost else DONE


def export_text(source: Source, notes: Notes) -> str | None:
    """The YAML that says what a recipe says; None where mergekit can say nothing of it."""
    parsed = parse(source)
    if parsed.tree is None:
        show_errors(source, parsed.diagnostics)
        raise Mistake(f"{plain(source.path)} has mistakes", code=CANNOT)
    plan = plan_from(source, parsed.tree, notes)
    return yaml_of(plan, source.path, notes) if plan.stages else None
