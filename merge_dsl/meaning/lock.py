"""What a recipe stood on when it was locked: revisions of models, fingerprints of models and data.

In: a recipe. Out: a table that becomes `NAME.lock` beside it, JSON in one order, a line for each fact,
so that a diff names what has changed. The recipe itself stays free of hashes.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merge_dsl.meaning.places import Kind, hub_commit
from merge_dsl.meaning.prints import PrintError, Prints, rows
from merge_dsl.meaning.recipe import Data, Model, Recipe
from merge_dsl.space.candidate import Place

FORMAT = 1
COMMIT = re.compile(r"[0-9a-f]{40}")
Table = dict[str, Any]


class LockError(Exception):
    """A lock that cannot be read."""


@dataclass(frozen=True)
class Problem:
    """A model or data set of which nothing can be said here and now."""

    noun: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.noun} {self.name}: {self.reason}"


def lock_path(recipe: Path) -> Path:
    """`recipes/emoji_ja.merge` -> `recipes/emoji_ja.lock`."""
    stem = recipe.stem if recipe.suffix == ".merge" else recipe.name
    return recipe.with_name(f"{stem}.lock")


def lock_of(recipe: Recipe, full: bool) -> tuple[Table, list[Problem]]:
    """The table, and why it is not whole: what cannot be read or resolved here and now."""
    prints = Prints(full)
    problems: list[Problem] = []
    models: Table = {}
    data: Table = {}
    for name, model in sorted(recipe.models.items()):
        try:
            models[name] = _model(recipe, model, prints)
        except PrintError as error:
            problems.append(Problem("model", name, str(error)))
    for name, one in sorted(recipe.data.items()):
        try:
            data[name] = _data(recipe, one, prints)
        except PrintError as error:
            problems.append(Problem("data", name, str(error)))
    table = {"lock": FORMAT, "recipe": recipe.name, "full": full, "models": models, "data": data}
    return table, problems


def to_text(table: Table) -> str:
    """The lock as it is written."""
    return json.dumps(table, ensure_ascii=False, indent=2) + "\n"


def read_lock(path: Path) -> Table:
    """A lock that was written before. Raises LockError for what is none, OSError for no file."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path} is no lock: {error}") from error
    parts = [table.get(part) for part in ("models", "data")] if isinstance(table, dict) else []
    entries = [e for part in parts if isinstance(part, dict) for e in part.values()]
    if [type(p) for p in parts] != [dict, dict] or not all(isinstance(e, dict) for e in entries):
        raise LockError(f"{path} is no lock: it has no models and data")
    if table.get("lock") != FORMAT:
        raise LockError(f"{path} is of another version of awase")
    return dict(table)


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], problems: Collection[Problem] = ()
) -> Iterator[str]:
    """What differs, one sentence each. What has a problem is in neither table, and is not compared."""
    unseen = {(problem.noun, problem.name) for problem in problems}
    for part, noun in (("models", "model"), ("data", "data")):
        for name in sorted({*old[part], *new[part]}):
            if (noun, name) in unseen:
                continue
            if name not in old[part]:
                yield f"{noun} {name} is not in the lock"
            elif name not in new[part]:
                yield f"{noun} {name} is locked, and is no longer in the recipe"
            else:
                for what in _entry(old[part][name], new[part][name]):
                    yield f"{noun} {name}: {what}"


def _entry(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _entry(before, now)
        elif before is None:
            yield f"{key} is new"
        elif now is None:
            yield f"{key} is gone"
        else:
            yield f"{key} was {_short(before)}, is {_short(now)}"


def _short(value: object) -> str:
    return re.sub(r"([0-9a-f]{12})[0-9a-f]{20,}", r"\1…", str(value))


def _model(recipe: Recipe, model: Model, prints: Prints) -> Table:
    entry: Table = {"source": _source(recipe, model.place), "kind": model.place.scheme}
    if model.place.scheme == "hf":
        entry["revision"] = _revision(model.place, "model")
    elif model.folder is not None:
        entry["files"] = prints.model(model.folder)
    elif model.place.scheme != "open_clip":  # a tag of open_clip is all there is to know
        raise PrintError(f"{model.place} is not on this machine")
    return entry


def _data(recipe: Recipe, data: Data, prints: Prints) -> Table:
    entry: Table = {"source": _source(recipe, data.place), "kind": data.place.scheme}
    if data.place.scheme == "hf":
        entry["revision"] = _revision(data.place, "data")
    elif data.path is not None:
        entry["rows"] = rows(data.path)
        entry["content"] = prints.data(data.path)
    else:
        raise PrintError(f"{data.place} is not on this machine")
    return entry


def _source(recipe: Recipe, place: Place) -> str:
    """The address; of a file relative to the recipe, so that a lock means the same elsewhere."""
    if place.scheme != "file":
        return str(place)
    return f"file:{Path(os.path.relpath(place.address, recipe.folder)).as_posix()}"


def _revision(place: Place, kind: Kind) -> str:
    """The commit of a hub repository: as written, from the local cache, or from the hub."""
    if place.revision is not None and COMMIT.fullmatch(place.revision):
        return place.revision
    return hub_commit(place.address, kind, place.revision) or _ask_hub(place, kind)


def _ask_hub(place: Place, kind: Kind) -> str:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise PrintError(f"{place} is not in the local cache, and HF_HUB_OFFLINE is set")
    from importlib import import_module

    repo = "model" if kind == "model" else "dataset"
    try:
        hub = import_module("huggingface_hub")
        info = hub.HfApi().repo_info(
            place.address, repo_type=repo, revision=place.revision, timeout=10
        )
        return str(info.sha)
    except ImportError as error:
        raise PrintError(
            f"{place} is not in the local cache, and huggingface_hub is not installed"
        ) from error
    except Exception as error:
        # The hub's client and the libraries under it name a dozen ways not to be reached.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise PrintError(
            f"{place} is not in the local cache, and the hub says: {reason}"
        ) from error
