"""What an installed open_clip knows of its architectures, without importing it.

In: `ViT-L-14/openai`, an architecture and a tag. Out: the architecture's JSON, and what is wrong with the
address. Nothing is known where open_clip is not installed.
"""

import importlib.util
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.text.words import nearest

FILES = (".pt", ".pth", ".bin", ".safetensors")
TAG = re.compile(r"""["']?([\w.-]+)["']?\s*[=:]\s*_p?cfg\(""")


@cache
def _folder() -> Path | None:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def architecture(address: str) -> dict[str, Any] | None:
    """The configuration of an architecture, or None."""
    folder = _folder()
    name = address.partition("/")[0]
    if folder is None or not re.fullmatch(r"[\w.-]+", name):
        return None
    try:
        found = json.loads((folder / "model_configs" / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class Tag(NamedTuple):
    """What open_clip says of the weights of one tag."""

    repository: str | None  # on the hub
    quick_gelu: bool


@cache
def _tags() -> dict[str, dict[str, Tag]]:
    """Architecture -> tag -> what is said of it, read off open_clip's own table without running it."""
    import ast  # a recipe without such a tower has no need of it

    folder = _folder()
    try:
        assert folder is not None
        tree = ast.parse((folder / "pretrained.py").read_text(encoding="utf-8"))
    except (AssertionError, OSError, ValueError, SyntaxError):
        return {}
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    table = names.get("_PRETRAINED")
    found: dict[str, dict[str, Tag]] = {}
    for key, value in (
        zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ()
    ):
        inner = names.get(value.id) if isinstance(value, ast.Name) else value
        if isinstance(key, ast.Constant) and isinstance(inner, ast.Call):
            found[str(key.value)] = {
                word.arg: _tag({k.arg: k.value for k in word.value.keywords if k.arg})
                for word in inner.keywords
                if word.arg and isinstance(word.value, ast.Call)
            }
    return found


def _tag(said: Mapping[str, object]) -> Tag:
    address = getattr(said.get("hf_hub"), "value", None)
    name = address.rpartition("/")[0] if isinstance(address, str) else None
    return Tag(name or None, getattr(said.get("quick_gelu"), "value", False) is True)


def tag_of(address: str) -> Tag | None:
    """What is known of `ViT-L-14/openai`; None where open_clip is not installed, or has no such tag."""
    name, _, tag = address.partition("/")
    table = _tags().get(name) or _tags().get(name.removesuffix("-quickgelu"), {})
    return table.get(tag.lower().replace("-", "_"))


def problem_of(address: str) -> tuple[str, str | None] | None:
    """Why an address names no tower of open_clip, and the way out; None where it may."""
    name, slash, tag = address.partition("/")
    if not slash or not name or not tag:
        return "a tower is an architecture and a tag", 'write "open_clip:ViT-L-14/openai"'
    unknown = problem_of_name(name)
    folder = _folder()
    if unknown is not None or folder is None:
        return unknown
    try:
        table = (folder / "pretrained.py").read_text(encoding="utf-8")
    except OSError:
        return None
    if tag.endswith(FILES):
        help = "name it with `file:`, and say `architecture = …` of it"
        return f"`{tag}` is a file, and a tag is wanted", help
    if tag not in table:
        close = nearest(tag, set(TAG.findall(table)))
        return f"open_clip has no weights `{tag}`", f"did you mean `{close}`?" if close else None
    return None


def problem_of_name(name: str) -> tuple[str, str | None] | None:
    """Why open_clip has no such architecture, and the way out; None where it may."""
    folder = _folder()
    if folder is None or not (folder / "model_configs").is_dir():
        return None
    known = sorted(path.stem for path in (folder / "model_configs").glob("*.json"))
    if name in known:
        return None
    close = nearest(name, known)
    help = f"did you mean `{close}`?" if close else None
    return f"open_clip has no architecture `{name}`", help
