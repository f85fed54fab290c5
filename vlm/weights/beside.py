"""What lies beside a host's weights and goes with the result: config, tokenizer, processor, templates.

In: the host's folder. Out: the same small files, config.json edited. A file of JSON that does not parse is a
ModelError: copied, it would make a model that nobody can open.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from vlm.errors import ModelError
from vlm.weights.own_files import ORIGINS
from vlm.weights.provenance import CARD
from vlm.weights.target import PROVENANCE

WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".index.json")
TABLES = ("config.json", "special_tokens_map.json", "added_tokens.json")  # ends of names

Config = dict[str, object]


def other_files(folder: Path) -> Iterator[Path]:
    """The files of a model that are none of its weights."""
    for file in sorted(folder.iterdir()):
        ours = file.name in (PROVENANCE, ORIGINS, CARD)  # those say how another model was made
        skipped = ours or file.name.endswith(WEIGHT_FILES)
        if file.is_file() and not skipped and not file.name.startswith("."):
            yield file


def check_beside(folder: Path) -> None:
    """Raise ModelError for the first file of a host that would be copied and is no JSON, or no table
    where one is read."""
    for file in other_files(folder):
        if file.suffix != ".json":
            continue
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{file} cannot be read: {error}", "fetch the file anew") from error
        if file.name.endswith(TABLES) and not isinstance(found, dict):
            raise ModelError(f"{file} is no table", "fetch the file anew")


def copy_beside(host: Path, part: Path, dtype: str, edit: Callable[[Config], Config]) -> None:
    """Copy them into `part`. `edit` changes config.json, which is also told the dtype of the weights."""
    for file in other_files(host):
        if file.name == "config.json":
            config = json.loads(file.read_text(encoding="utf-8"))
            config = _with_dtype(edit(config), dtype)
            text = json.dumps(config, indent=2, ensure_ascii=False)
            (part / file.name).write_text(text + "\n", encoding="utf-8")
        else:
            shutil.copyfile(file, part / file.name)


def _with_dtype(config: Config, dtype: str) -> Config:
    """The same config, saying what the weights are now stored as, in every nested config too."""
    changed: Config = {}
    for key, value in config.items():
        if key in ("dtype", "torch_dtype"):
            changed[key] = dtype
        else:
            changed[key] = _with_dtype(value, dtype) if isinstance(value, dict) else value
    return changed
