"""What commands share: loading a recipe or saying why not, and choosing a target.

Exit codes: 0 clean or done, 1 findings, 2 could not start.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from merge_dsl.meaning.load import NONE, Loaded, load_recipe
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.rules.not_yet import not_yet
from merge_dsl.text.diagnostics import Diagnostic, Severity
from merge_dsl.text.source import Source
from merge_dsl.tools.show_text import show_text

DONE, FINDINGS, CANNOT = 0, 1, 2


class CannotStart(Exception):
    """Why a command cannot start, in one sentence for the user, and the exit code."""

    def __init__(self, message: str, code: int = CANNOT) -> None:
        super().__init__(message)
        self.code = code


def loaded_recipe(path: str, overrides: Mapping[str, str] = NONE) -> tuple[Loaded, Recipe]:
    """A recipe without errors; else its errors are shown and CannotStart is raised."""
    loaded = load_recipe(Path(path), overrides)
    if loaded.recipe is None:
        show_errors(loaded.source, loaded.diagnostics)
        unread = any(d.code == "S014" for d in loaded.diagnostics)
        raise CannotStart(f"{path} has mistakes", CANNOT if unread else FINDINGS)
    return loaded, loaded.recipe


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
    raise CannotStart(f"recipe {recipe.name} builds nothing: it has no merge", FINDINGS)


def must_run(loaded: Loaded, recipe: Recipe, target: str) -> None:
    """Raise CannotStart, after showing why, where this version cannot run the target."""
    reasons = not_yet(recipe, target)
    if reasons:
        show_errors(loaded.source, tuple(reasons))
        raise CannotStart(f"this version cannot run `{target}`", FINDINGS)
