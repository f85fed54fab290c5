"""Which files of a written folder are awase's own, known from what lies there.

In: a finished folder. Out: `merge_origins.json` in it also lists its files: those of weights with their size,
the others with a digest, for a card or a template may have been edited since. Later: the first file or folder
that is another's, or no more as awase wrote it. A folder from before there was a list has the usual files
of a checkpoint.
"""

import json
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from xxhash import xxh3_128

LISTED = "files"  # the key in merge_origins.json
ORIGINS = "merge_origins.json"
WEIGHTS = ".safetensors"
USUAL = (
    ORIGINS, "merge_recipe.merge", "README.md", "config.json", "generation_config.json",
    "*processor_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json",
    "vocab.*", "merges.txt", "*.model", "chat_template*", "open_clip_config.json",
    "open_clip_model.safetensors", "model.safetensors", "model-?????-of-?????.safetensors",
    "model.safetensors.index.json", "modeling_walk.py", "LICENSE*", "NOTICE*",
)  # fmt: skip


def list_files(folder: Path) -> None:
    """Add the list to the origins in `folder`; it is left out where there are none."""
    path = folder / ORIGINS
    if not path.is_file():
        return
    origins = json.loads(path.read_text(encoding="utf-8"))
    files = sorted(file for file in folder.iterdir() if file.name != ORIGINS)
    origins[LISTED] = {file.name: _print(file) for file in files}
    text = json.dumps(origins, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def foreign_in(folder: Path) -> tuple[str, str] | None:
    """The first file or folder that awase did not write as it stands, by name, and what of it is said."""
    try:
        listed = _listed(folder)
    except (OSError, ValueError, RecursionError):
        return ORIGINS, "which cannot be read"
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            return path.name, "which awase did not write"
        if listed is None:
            if not any(fnmatch(path.name, pattern) for pattern in USUAL):
                return path.name, "which awase did not write"
        elif path.name == ORIGINS:
            continue
        elif path.name not in listed:
            return path.name, "which awase did not write"
        elif listed[path.name] != _print(path):
            return path.name, "which has changed since awase wrote it"
    return None


def _listed(folder: Path) -> Mapping[str, object] | None:
    """The list; None of a folder that has none. Raises ValueError for what is no list."""
    path = folder / ORIGINS
    if not path.is_file():
        return None
    origins = json.loads(path.read_text(encoding="utf-8"))
    listed = origins.get(LISTED, {}) if isinstance(origins, dict) else None
    if not isinstance(listed, dict):
        raise ValueError
    return listed if LISTED in origins else None


def _print(path: Path) -> str:
    size = path.stat().st_size
    if path.name.endswith(WEIGHTS):
        return f"{size} bytes"
    digest = xxh3_128(path.read_bytes()).hexdigest()
    return f"xxh3-128:{digest} {size} bytes"
