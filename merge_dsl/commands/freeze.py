"""`awase freeze RECIPE`: the recipe with its holes filled, by given values or by their starts."""

import argparse
import json
import sys
from pathlib import Path

from merge_dsl.commands.common import loaded_recipe, target_of
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.meaning.load import load_source
from merge_dsl.space.candidate import Value
from merge_dsl.space.edits import laid_out
from merge_dsl.space.relocate import relocate
from merge_dsl.space.routes import AnySpace, space_of
from merge_dsl.space.sequence import frozen, settled
from merge_dsl.space.space import Outside, start, values_by_name
from merge_dsl.text.diagnostics import has_errors
from merge_dsl.text.source import Source


def run(args: argparse.Namespace) -> int:
    """Write the frozen recipe to `-o`, or to stdout."""
    loaded, recipe = loaded_recipe(args.recipe)
    target = target_of(recipe)
    source = loaded.source
    if args.values is None:  # a table of values is of one search, the last
        source, recipe = settled(source, recipe, target)
    space = space_of(recipe, target)
    values = start(space) if args.values is None else _values(space, Path(args.values))
    search = recipe.search_of(target)
    seed = search.seed if search and search.seed is not None else 0
    out = Path(args.out) if args.out else None
    text = frozen(source, space, values, seed)
    if out is not None:
        text = relocate(text, source.folder, out.absolute().parent)
    text = laid_out(text)
    check = load_source(Source(str(out or args.recipe), text))
    if has_errors(check.diagnostics):
        raise AssertionError("the frozen recipe has errors")  # ours, not the user's
    if out is None:
        sys.stdout.write(text)
        return DONE
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Mistake(f"{out} cannot be written: {error.strerror}", code=CANNOT) from error
    return DONE


def _values(space: AnySpace, path: Path) -> tuple[Value, ...]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"{path} cannot be read: {error.strerror}", code=CANNOT) from error
    except ValueError as error:
        raise Mistake(f"{path} is no JSON: {error}", code=CANNOT) from error
    if isinstance(table, list):
        if len(table) != len(space.genes):
            raise Mistake(
                f"{path} has {len(table)} values for {len(space.genes)} genes", code=CANNOT
            )
        table = {gene.name: value for gene, value in zip(space.genes, table, strict=True)}
    if not isinstance(table, dict):
        raise Mistake(f"{path} is neither a table of genes nor a list of values", code=CANNOT)
    try:
        return values_by_name(space, table)
    except Outside as error:
        help = "mend the value there, or widen the range in the recipe"
        raise Mistake(f"{path}: {error}", help) from error
    except ValueError as error:
        help = "awase plan lists the genes of a recipe, and what each takes"
        raise Mistake(f"{path}: {error}", help, CANNOT) from error
