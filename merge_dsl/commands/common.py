"""What commands share: opening a recipe or saying why not, and turning errors into one diagnostic.

Whatever is the user's mistake leaves as a `Mistake`; nothing here ends in a traceback.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merge_dsl.commands.fetch import fetch_models
from merge_dsl.commands.mistake import CANNOT, FINDINGS, Mistake
from merge_dsl.meaning.clip import architecture
from merge_dsl.meaning.instead import address_words
from merge_dsl.meaning.load import NONE, Loaded, load_recipe
from merge_dsl.meaning.recipe import Recipe, Write
from merge_dsl.meaning.stages import made_in, needed, sources_in
from merge_dsl.rules.not_yet import not_yet
from merge_dsl.search.errors import SearchError
from merge_dsl.space.compile import Space
from merge_dsl.space.fill import models_of
from merge_dsl.space.routes import RouteSpace, space_of
from merge_dsl.text.diagnostics import Diagnostic, Severity
from merge_dsl.text.source import Source
from merge_dsl.tools.show_text import show_text

NO_FOLDERS: Mapping[str, Path] = {}


@dataclass(frozen=True)
class Job:
    """A recipe of which one merge or route can be run, and where all lies that it is made from."""

    source: Source
    recipe: Recipe
    space: Space | RouteSpace
    target: str
    write: Write | None
    models: dict[str, Path]  # what the target takes from: parents, and what was made before
    behind: dict[str, Path]  # the parents of what was made before, which only a report looks at


def marked(job: Job) -> dict[str, Any]:
    """What the recipe says of its models: which are differences, run code, or are pickles, and of which
    architecture bare checkpoints are."""
    names = (*job.models, *job.behind)
    models = {name: model for name in names if (model := job.recipe.source(name)) is not None}
    return {
        "differences": frozenset(n for n, model in models.items() if model.difference),
        "trusted": frozenset(n for n, model in models.items() if model.runs_code),
        "architectures": {
            name: (model.architecture, architecture(model.architecture) or {})
            for name, model in models.items()
            if model.architecture is not None
        },
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


def open_recipe(
    path: str, download: bool = False, words: Mapping[str, str] = NONE
) -> tuple[Source, Recipe]:
    """Read a recipe that can be run, all of its steps. Errors are shown and end in Mistake.

    `words` stand in place of the recipe's own. Nothing is fetched unless `download` asks for it.
    """
    loaded, recipe = loaded_recipe(path, words)
    targets = dict.fromkeys([*(search.target for search in recipe.searches), target_of(recipe)])
    if download:
        names = dict.fromkeys(name for target in targets for name in models_of(recipe, target))
        if fetch_models(recipe, names):
            loaded, recipe = loaded_recipe(path, words)  # what is known of its models has changed
    must_run(loaded, recipe, tuple(targets))
    return loaded.source, recipe


def job_of(
    source: Source, recipe: Recipe, target: str, made: Mapping[str, Path] = NO_FOLDERS
) -> Job:
    """One step of a recipe. `made` says where the earlier ones lie. Raises Mistake for a model that is
    not on this machine."""
    stages = {
        name: stage._replace(folder=made[name]) if name in made else stage
        for name, stage in recipe.stages.items()
    }
    recipe = recipe._replace(stages=stages)
    taken = {origin.model for origin in sources_in(recipe, target)}
    models: dict[str, Path] = {}
    behind: dict[str, Path] = {}
    for name in models_of(recipe, target):
        folder = recipe.models[name].folder
        if folder is None:
            raise Mistake(
                f"{name} ({recipe.models[name].place}) is not on this machine",
                "give --download to fetch it, or point to a folder with file:",
                CANNOT,
            )
        (models if name in taken else behind)[name] = folder
    models |= {name: made[name] for name in stages if name in taken and name not in recipe.models}
    write = next((write for write in recipe.writes if write.target == target), None)
    return Job(source, recipe, space_of(recipe, target), target, write, models, behind)


def show_errors(source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
    """What forbids to go on, on stderr."""
    errors = tuple(d for d in diagnostics if d.severity is Severity.ERROR)
    print(show_text(source, errors), file=sys.stderr)


def target_of(recipe: Recipe) -> str:
    """What a command works on: of what is searched or written, what is made last."""
    made = made_in(recipe)
    if not made:
        raise Mistake(f"recipe {recipe.name} builds nothing: it has no merge")
    wanted = {search.target for search in recipe.searches}
    wanted |= {write.target for write in recipe.writes}
    return ([item for item in made if item.name in wanted] or made)[-1].name


def must_run(loaded: Loaded, recipe: Recipe, targets: Sequence[str]) -> None:
    """Raise Mistake, after showing why, where this version cannot run one of the targets."""
    steps = dict.fromkeys(s for target in targets for s in (*needed(recipe, target), target))
    reasons = tuple(dict.fromkeys(reason for step in steps for reason in not_yet(recipe, step)))
    if reasons:
        show_errors(loaded.source, reasons)
        names = ", ".join(f"`{target}`" for target in targets)
        if all(reason.code == "M410" for reason in reasons):
            raise Mistake(f"a model of {names} is not on this machine", code=CANNOT)
        raise Mistake(f"this version cannot run {names}")


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
