"""What commands share: opening a recipe or saying why not, and turning errors into one diagnostic.

Whatever is the user's mistake leaves as a `Mistake`; nothing here ends in a traceback.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.mistake import CANNOT, FINDINGS, Mistake
from merge_dsl.meaning.load import NONE, Loaded, load_recipe
from merge_dsl.meaning.recipe import Recipe, Write
from merge_dsl.rules.not_yet import not_yet
from merge_dsl.search.errors import SearchError
from merge_dsl.space.compile import Space
from merge_dsl.space.fill import models_of
from merge_dsl.space.routes import RouteSpace, space_of
from merge_dsl.text.diagnostics import Diagnostic, Severity
from merge_dsl.text.source import Source
from merge_dsl.tools.show_text import show_text


@dataclass(frozen=True)
class Job:
    """A recipe that can be run, and the merge or route that it is about."""

    source: Source
    recipe: Recipe
    space: Space | RouteSpace
    target: str
    write: Write | None
    models: dict[str, Path]  # the parents that the target takes, and where they lie


def loaded_recipe(path: str, overrides: Mapping[str, str] = NONE) -> tuple[Loaded, Recipe]:
    """A recipe without errors; else its errors are shown and Mistake is raised."""
    loaded = load_recipe(Path(path), overrides)
    if loaded.recipe is None:
        show_errors(loaded.source, loaded.diagnostics)
        unread = any(d.code == "S014" for d in loaded.diagnostics)
        raise Mistake(f"{path} has mistakes", code=CANNOT if unread else FINDINGS)
    return loaded, loaded.recipe


def open_job(path: str) -> Job:
    """Read a recipe and make it ready to run. Errors are shown and end in Mistake."""
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
    return Job(loaded.source, recipe, space_of(recipe, target), target, write, models)


def show_errors(source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
    """What forbids to go on, on stderr."""
    errors = tuple(d for d in diagnostics if d.severity is Severity.ERROR)
    print(show_text(source, errors), file=sys.stderr)


def target_of(recipe: Recipe) -> str:
    """What a command works on: the last thing searched, else written, else merged."""
    if recipe.searches:
        return recipe.searches[-1].target
    if recipe.writes:
        return recipe.writes[-1].target
    if recipe.merges:
        return list(recipe.merges)[-1]
    if recipe.routes:
        return list(recipe.routes)[-1]
    raise Mistake(f"recipe {recipe.name} builds nothing: it has no merge")


def must_run(loaded: Loaded, recipe: Recipe, target: str) -> None:
    """Raise Mistake, after showing why, where this version cannot run the target."""
    reasons = not_yet(recipe, target)
    if reasons:
        show_errors(loaded.source, tuple(reasons))
        raise Mistake(f"this version cannot run `{target}`")


def told(command: Callable[[], int]) -> int:
    """Run a command that touches models; what goes wrong there leaves as a Mistake."""
    from vlm.errors import VlmError

    try:
        return command()
    except VlmError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        raise Mistake(what, error.way_out) from error
    except SearchError as error:
        raise Mistake(error.what, error.way_out) from error
    except OSError as error:
        what = f"{error.filename or 'the disk'}: {error.strerror or error}"
        raise Mistake(what) from error
