"""What `evolve` and `merge` have in common: opening a recipe to run it, and saying what went wrong.

In: a path. Out: a `Job`. Whatever is the user's mistake leaves as a `Mistake`, which `told` prints
as one diagnostic and turns into an exit code; nothing here ends in a traceback.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.common import CANNOT, FINDINGS, loaded_recipe, must_run, target_of
from merge_dsl.meaning.recipe import Recipe, Write
from merge_dsl.search.errors import SearchError
from merge_dsl.space.compile import Space, compile_space
from merge_dsl.space.fill import models_of
from merge_dsl.text.source import Source


@dataclass(frozen=True)
class Job:
    """A recipe that can be run, and the merge that it is about."""

    source: Source
    recipe: Recipe
    space: Space
    target: str
    write: Write | None
    models: dict[str, Path]  # the parents that the target takes, and where they lie


class Mistake(Exception):
    """A command cannot go on: what, the way out, and the exit code."""

    def __init__(self, what: str, way_out: str = "", code: int = FINDINGS) -> None:
        super().__init__(what)
        self.what, self.way_out, self.code = what, way_out, code


def told(command: Callable[[], int]) -> int:
    """Run a command; print its mistakes instead of a traceback. Returns the exit code."""
    from vlm.errors import VlmError

    try:
        return command()
    except Mistake as mistake:
        return _say(mistake.what, mistake.way_out, mistake.code)
    except VlmError as error:
        return _say(f"{error.where}: {error.what}" if error.where else error.what, error.way_out)
    except SearchError as error:
        return _say(error.what, error.way_out)
    except OSError as error:
        return _say(f"{error.filename or 'the disk'}: {error.strerror or error}", "")


def open_job(path: str) -> Job:
    """Read a recipe and make it ready to run. Errors are printed and end in CannotStart."""
    loaded, recipe = loaded_recipe(path)
    target = target_of(recipe)
    must_run(loaded, recipe, target)
    models = {}
    for name in models_of(recipe, target):
        folder = recipe.models[name].folder
        if folder is None:
            raise Mistake(
                f"{name} ({recipe.models[name].place}) is not on this machine",
                "fetch it with `hf download`, or point to a folder with file:",
                CANNOT,
            )
        models[name] = folder
    write = next((write for write in recipe.writes if write.target == target), None)
    return Job(loaded.source, recipe, compile_space(recipe, target), target, write, models)


def _say(what: str, way_out: str, code: int = FINDINGS) -> int:
    print(f"awase: {what}", file=sys.stderr)
    if way_out:
        print(f"  = help: {way_out}", file=sys.stderr)
    return code
