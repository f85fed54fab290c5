"""`awase lock RECIPE`: writes down which models and data a recipe stands on, or checks that it does.

In: a recipe without errors. Out: `NAME.lock` beside it. With `--check` nothing is written: exit 1, and
one line for each thing that differs. Where a model can be found neither here nor on the hub, nothing is
written either.
"""

import argparse
import os
import sys
from pathlib import Path

from merge_dsl.commands.common import loaded_recipe
from merge_dsl.commands.mistake import CANNOT, DONE, FINDINGS, Mistake
from merge_dsl.meaning.lock import (
    LockError,
    Problem,
    Table,
    differences,
    lock_of,
    lock_path,
    read_lock,
)
from merge_dsl.meaning.lock import to_text as lock_text
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.text.words import counted


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    _, recipe = loaded_recipe(args.recipe)
    path = lock_path(Path(args.recipe))
    if args.check:
        return _check(recipe, path)
    table, problems = lock_of(recipe, args.full)
    if problems:
        _tell(problems)
        raise Mistake(f"{path} is not written", "fetch what is missing, then lock again")
    _write(path, lock_text(table))
    models, data = counted(len(table["models"]), "model"), counted(len(table["data"]), "data set")
    print(f"wrote {path}: {models}, {data}")
    return DONE


def _check(recipe: Recipe, path: Path) -> int:
    old = _read(path)
    new, problems = lock_of(recipe, bool(old.get("full")))
    found = list(differences(old, new, problems))
    for line in found:
        print(line)
    _tell(problems)
    if not found and not problems:
        print(f"{path}: nothing has changed")
    return FINDINGS if found or problems else DONE


def _tell(problems: list[Problem]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


def _read(path: Path) -> Table:
    try:
        return read_lock(path)
    except FileNotFoundError as error:
        raise Mistake(f"there is no {path}", "write it with `awase lock`") from error
    except LockError as error:
        raise Mistake(str(error), "write it again with `awase lock`") from error
    except OSError as error:
        raise Mistake(f"{path} cannot be read: {error.strerror}", code=CANNOT) from error


def _write(path: Path, text: str) -> None:
    """Beside its place first, then renamed into it."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        try:
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Mistake(f"{path} cannot be written: {error.strerror}", code=CANNOT) from error
