"""What commands share: opening a recipe or saying why not, and turning errors into one diagnostic.

Whatever is the user's mistake leaves as a `Mistake`; nothing here ends in a traceback.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.fetch import fetch_models
from merge_dsl.commands.mistake import CANNOT, FINDINGS, Mistake
from merge_dsl.meaning.instead import address_words
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


def marked(job: Job) -> dict[str, frozenset[str]]:
    """What the recipe says of its parents: which are differences, run code, or are pickles."""
    models = {name: job.recipe.models[name] for name in job.models}
    return {
        "differences": frozenset(n for n, model in models.items() if model.difference),
        "trusted": frozenset(n for n, model in models.items() if model.runs_code),
        "pickled": frozenset(n for n, model in models.items() if model.reads_pickles),
    }


def loaded_recipe(path: str, overrides: Mapping[str, str] = NONE) -> tuple[Loaded, Recipe]:
    """A recipe without errors; else its errors are shown and Mistake is raised."""
    loaded = load_recipe(Path(path), overrides)
    if loaded.recipe is None:
        show_errors(loaded.source, loaded.diagnostics)
        if any(d.code == "S014" for d in loaded.diagnostics):
            raise Mistake("", code=CANNOT)  # that there is no recipe is said
        raise Mistake(f"{path} has mistakes", code=FINDINGS)
    return loaded, loaded.recipe


def instead_of(args: argparse.Namespace) -> dict[str, str]:
    """What `--set` and `--with` say, by name. Raises Mistake for what no recipe can hold."""
    words: dict[str, str] = {}
    for option, given in (("--set", args.set), ("--with", getattr(args, "with"))):
        for pair in given:
            name, equals, said = pair.partition("=")
            if not (name and equals and said):
                raise Mistake(f"{option} {pair}: write NAME=…", code=CANNOT)
            try:
                words[name] = address_words(said) if option == "--with" else said
            except ValueError as error:
                raise Mistake(f"{option} {name}: {error}", code=CANNOT) from error
    return words


def open_job(path: str, download: bool = False, words: Mapping[str, str] = NONE) -> Job:
    """Read a recipe and make it ready to run. Errors are shown and end in Mistake.

    `words` stand in place of the recipe's own. Nothing is fetched unless `download` asks for it.
    """
    loaded, recipe = loaded_recipe(path, words)
    target = target_of(recipe)
    if download and fetch_models(recipe, models_of(recipe, target)):
        loaded, recipe = loaded_recipe(path, words)  # what is known of its models has changed
    must_run(loaded, recipe, target)
    models = {}
    for name in models_of(recipe, target):
        folder = recipe.models[name].folder
        if folder is None:
            raise Mistake(
                f"{name} ({recipe.models[name].place}) is not on this machine",
                "give --download to fetch it, or point to a folder with file:",
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
        if all(reason.code == "M410" for reason in reasons):
            raise Mistake(f"a model of `{target}` is not on this machine", code=CANNOT)
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
