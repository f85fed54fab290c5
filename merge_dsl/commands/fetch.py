"""`--download`: models that a recipe takes and that are not on this machine, into the hub's own cache.

In: a recipe and names of its models. Out: how many were fetched. A broken download goes on where it
stopped. The pinned revision is fetched where there is one; a token is read from HF_TOKEN and nowhere else.
"""

import os
import sys
from collections.abc import Iterable
from importlib import import_module

from merge_dsl.commands.mistake import CANNOT, Mistake
from merge_dsl.meaning.clip import tag_of
from merge_dsl.meaning.recipe import Model, Recipe

# Weights as safetensors, and what says how to read them; never a pickle beside them.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "README.md")
OFF = ("1", "ON", "YES", "TRUE")


def fetch_models(recipe: Recipe, names: Iterable[str]) -> int:
    """Fetch what is missing. Raises Mistake where the hub cannot be asked, or has no such model."""
    missing = [recipe.models[name] for name in names if recipe.models[name].folder is None]
    wanted = [(model, repository_of(model)) for model in missing]
    for model, repository in wanted:
        if repository is None:
            raise Mistake(
                f"{model.name} ({model.place}) is in no repository of the hub",
                "point to a folder with file:",
                CANNOT,
            )
        _fetch(model, repository)
    return len(wanted)


def repository_of(model: Model) -> str | None:
    """Where the hub has a model; None where nobody says."""
    if model.place.scheme == "hf":
        return model.place.address
    tag = tag_of(model.place.address) if model.place.scheme == "open_clip" else None
    return tag.repository if tag is not None else None


def _fetch(model: Model, repository: str) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in OFF:
        raise Mistake(
            f"{model.name} ({model.place}) is not on this machine, and HF_HUB_OFFLINE is set",
            "unset it, or fetch the model elsewhere",
            CANNOT,
        )
    try:
        hub = import_module("huggingface_hub")
    except ImportError as error:
        raise Mistake(
            f"{model.name} ({model.place}) is not on this machine, and huggingface_hub is not installed",
            "pip install 'awase[hub]'",
            CANNOT,
        ) from error
    print(f"fetching {model.place}", file=sys.stderr, flush=True)
    try:
        hub.snapshot_download(
            repository,
            revision=model.place.revision,
            allow_patterns=[*WANTED, *(["*.py"] if model.runs_code else [])],
            token=os.environ.get("HF_TOKEN") or False,
        )
    except Exception as error:
        # The hub's client and the libraries under it name a dozen ways not to be reached.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Mistake(
            f"{model.name} ({model.place}) cannot be fetched: {reason}",
            "check its name and revision; HF_TOKEN opens what is gated",
            CANNOT,
        ) from error
