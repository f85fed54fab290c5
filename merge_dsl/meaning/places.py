"""An address in a recipe -> a place, and the local folder or file where it lies, if it does.

In: `"zoo:emoji-vlm-en"`, `"file:models/mine"`, `"hf:org/name"`, `"open_clip:ViT-L-14/openai"`. Out: a
`Place` and a path. Nothing is fetched, and no package is imported to find out.
"""

import importlib.util
import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from merge_dsl.meaning.clip import FILES, problem_of_name, tag_of
from merge_dsl.space.candidate import Place
from merge_dsl.text.words import nearest, quoted

Kind = Literal["model", "data"]
SCHEMES = ("hf", "file", "zoo", "open_clip")
GGUF = ".gguf"  # a model that is a file; the others are bare checkpoints of open_clip
HUB_NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?")


class Located(NamedTuple):
    """Where an address leads. `problem` says why it leads nowhere, `help` what to do."""

    place: Place
    path: Path | None
    problem: str | None = None
    help: str | None = None


def locate(
    address: str, kind: Kind, folder: Path, revision: str | None = None, look: bool = True
) -> Located:
    """Resolve an address that stands in a recipe in `folder`; without `look`, touch no disk."""
    scheme, colon, rest = address.partition(":")
    if not colon or scheme not in SCHEMES or not rest or "\0" in rest:
        place = Place("file", address)
        problem = f'`"{address}"` is no address'
        example = "file:models/mine" if kind == "model" else "file:data/mine.jsonl"
        return Located(place, None, problem, f'write "{example}", "hf:org/name" or "zoo:name"')
    if not look:
        return _unseen(scheme, rest, folder, revision)
    if scheme == "file":
        return _file(rest, kind, folder)
    if scheme == "zoo":
        return _zoo(rest, kind)
    place = Place(scheme, rest, revision)
    if scheme == "open_clip":
        tag = tag_of(rest)
        home = tag.repository if tag is not None else None
        return Located(place, hub_folder(home, "model", revision) if home else None)
    return _bad_hub_name(place) or Located(place, hub_folder(rest, kind, revision))


def _unseen(scheme: str, rest: str, folder: Path, revision: str | None) -> Located:
    """What the words of an address say alone."""
    if scheme == "file":
        rest = os.path.normpath(folder / os.path.expanduser(rest))
    place = Place(scheme, rest, revision if scheme in ("hf", "open_clip") else None)
    return (_bad_hub_name(place) if scheme == "hf" else None) or Located(place, None)


def _bad_hub_name(place: Place) -> Located | None:
    if HUB_NAME.fullmatch(place.address):
        return None
    problem = f"`{place.address}` is no name on the hub"
    return Located(place, None, problem, 'write "hf:org/name"')


def zoo_folder() -> Path | None:
    """Where the embedded models and data lie; None where `vlm` is not installed."""
    spec = importlib.util.find_spec("vlm")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "zoo"


def hub_folder(name: str, kind: Kind, revision: str | None = None) -> Path | None:
    """The snapshot of a hub repository in the local cache, or None."""
    wanted = revision or "main"
    try:
        repository = _hub_cache() / f"{_plural(kind)}--{name.replace('/', '--')}"
        pointer = repository / "refs" / wanted
        commit = pointer.read_text().strip() if pointer.is_file() else wanted
        snapshot = repository / "snapshots" / commit
        return snapshot if snapshot.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # RuntimeError: this user has no home
        return None


def hub_commit(name: str, kind: Kind, revision: str | None = None) -> str | None:
    """The commit that the local cache has for a branch or a tag, or None."""
    try:
        repository = _hub_cache() / f"{_plural(kind)}--{name.replace('/', '--')}"
        return (repository / "refs" / (revision or "main")).read_text().strip() or None
    except (OSError, ValueError, RuntimeError):
        return None


def _plural(kind: Kind) -> str:
    return "models" if kind == "model" else "datasets"


def _hub_cache() -> Path:
    cache = os.environ.get("HF_HUB_CACHE")
    if cache:
        return Path(cache).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "huggingface") / "hub"


def _file(rest: str, kind: Kind, folder: Path) -> Located:
    path = Path(os.path.normpath(folder / os.path.expanduser(rest)))
    place = Place("file", str(path))
    try:
        there = path.is_dir() if kind == "model" else path.exists()
        a_file = path.is_file()
    except (OSError, ValueError):
        there = a_file = False
    if there:
        return Located(place, path)
    if kind == "model" and a_file and path.suffix == GGUF:
        return Located(place, path)
    if kind == "model" and a_file and path.suffix in FILES:
        help = 'say what it is of, as open_clip calls it: `{ architecture = "ViT-B-32" }`'
        return Located(place, path, f"{path.name} is weights without a config", help)
    if kind == "model" and a_file:
        return Located(place, None, f"{path} is a file; a model is a folder", "name its folder")
    noun = "model folder" if kind == "model" else "data"
    return Located(
        place, None, f"no {noun} at {path}", "paths in a recipe are relative to the recipe"
    )


def bare(at: Located, architecture: str) -> Located:
    """The same for a model of which a recipe says what open_clip calls it."""
    if at.path is None or not at.path.is_file() or at.path.suffix not in FILES:
        if at.problem is not None:
            return at
        problem = "`architecture` is said of weights without a config, and this is none"
        return at._replace(problem=problem, help="remove it: the model says itself what it is")
    unknown = problem_of_name(architecture) or (None, None)
    return at._replace(problem=unknown[0], help=unknown[1])


def _zoo(name: str, kind: Kind) -> Located:
    place = Place("zoo", name)
    zoo = zoo_folder()
    if zoo is None:
        return Located(place, None, "the embedded models are not installed", "install awase whole")
    shelf = zoo / ("models" if kind == "model" else "data")
    path = shelf / (name if kind == "model" else f"{name}.parquet")
    try:
        found = path.is_dir() if kind == "model" else path.is_file()
        known = sorted(p.stem if kind == "data" else p.name for p in shelf.iterdir())
    except (OSError, ValueError):
        found, known = False, []
    if found and Path(name).name == name:
        return Located(place, path)
    known = [entry for entry in known if not entry.startswith(".")]
    close = nearest(name, known)
    noun = "model" if kind == "model" else "data set"
    help = f"did you mean `{close}`?" if close else None
    if help is None and known:
        help = f"the zoo has {quoted(known)}"
    return Located(place, None, f"the zoo has no {noun} `{name}`", help)
