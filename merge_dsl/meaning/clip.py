"""What an installed open_clip knows of its architectures, without importing it.

In: `ViT-L-14/openai`, an architecture and a tag. Out: the architecture's JSON, and what is wrong with the
address. Nothing is known where open_clip is not installed.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from merge_dsl.text.words import nearest

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


def problem_of(address: str) -> tuple[str, str | None] | None:
    """Why an address names no tower of open_clip, and the way out; None where it may."""
    name, slash, tag = address.partition("/")
    if not slash or not name or not tag:
        return "a tower is an architecture and a tag", 'write "open_clip:ViT-L-14/openai"'
    folder = _folder()
    if folder is None or not (folder / "model_configs").is_dir():
        return None
    known = sorted(path.stem for path in (folder / "model_configs").glob("*.json"))
    if name not in known:
        close = nearest(name, known)
        help = f"did you mean `{close}`?" if close else None
        return f"open_clip has no architecture `{name}`", help
    try:
        table = (folder / "pretrained.py").read_text(encoding="utf-8")
    except OSError:
        return None
    if tag not in table:
        close = nearest(tag, set(TAG.findall(table)))
        help = f"did you mean `{close}`?" if close else None
        return f"open_clip has no weights `{tag}`", help
    return None
