"""`awase show RECIPE`: the recipe with every default spelled out.

In: a recipe. Out, on stdout: a recipe that parses, is laid out, and means the same; with
`--format json` also the list of what was added.
"""

import argparse
import json
import sys

from merge_dsl.commands.common import instead_of, loaded_recipe
from merge_dsl.commands.mistake import DONE
from merge_dsl.meaning.load import load_source
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.space.edits import apply
from merge_dsl.space.fill import fill
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.routes import RouteSpace, space_of, walk_of
from merge_dsl.space.space import start
from merge_dsl.text.format import format_text
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from merge_dsl.tools.spell import Spelled, merges, starts
from merge_dsl.tools.spell_runs import runs


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    loaded, recipe = loaded_recipe(args.recipe, instead_of(args))
    text, added = spelled(loaded.source, recipe)
    if args.format == "text":
        sys.stdout.write(text)
        return DONE
    table = {
        "recipe": recipe.name,
        "defaults": [{"in": d.owner, "name": d.name, "value": d.value} for d in added],
        "text": text,
    }
    print(json.dumps(table, ensure_ascii=False, indent=2))
    return DONE


def spelled(source: Source, recipe: Recipe) -> tuple[str, list[Spelled]]:
    """The text with its defaults, and these defaults in the order of the text."""
    parsed = parse(source).tree
    if parsed is None:
        raise AssertionError("a recipe without errors does not parse")  # ours, not the user's
    added = [*merges(source, recipe), *starts(parsed), *runs(source, recipe, parsed)]
    added.sort(key=lambda default: default.edit.span.start)
    text = format_text(apply(source.text, [default.edit for default in added]))
    again = load_source(Source(source.path, text)).recipe
    if again is None or meaning(again) != meaning(recipe):
        raise AssertionError("the defaults change what the recipe means")  # ours as well
    return text, added


def meaning(recipe: Recipe) -> list[object]:
    """What two recipes that mean the same share: genes, and the candidate at their starts."""
    found: list[object] = []
    for target in (*recipe.merges, *recipe.routes):
        search = recipe.search_of(target)
        seed = search.seed if search is not None and search.seed is not None else 0
        try:
            space = space_of(recipe, target)
            if isinstance(space, RouteSpace):
                found.append((target, space.genes, walk_of(space, start(space))))
                continue
            found.append((target, space.genes, fill(space, start(space), seed).digest()))
        except SpaceError as error:  # of one that this version cannot run
            found.append((target, str(error)))
    return found
