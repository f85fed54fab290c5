"""The anatomy of a model: from its header where that is enough, else as it was taken apart before.

To take a model apart, transformers must be loaded and build it without weights: three seconds of CPU
time, more than a small merge takes. What comes out hangs on the config, on the names of the tensors and
on the code that takes apart, and on nothing else; it is kept under a hash of the three. The file is JSON,
in which nothing can hide that runs. A cache that cannot be used is no error. Common models need neither
(`vlm/anatomy/plain.py`).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlm.anatomy.body import Anatomy, Role
from vlm.anatomy.plain import plain_anatomy
from vlm.route.code import refuse_as_parent

FORMAT = 1  # of the file; one more wherever `Anatomy` changes
# What a config says of where it comes from and how it is stored, and not of the architecture.
ASIDE = {"_name_or_path", "transformers_version", "torch_dtype", "dtype"}


def anatomy_of(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], trusted: bool = False
) -> Anatomy:
    """The anatomy of the model in `folder`, whose weights have these names and shapes.

    What code of a `trusted` model's own says is not kept. Raises ModelError as `vlm.anatomy.parts` does, which is loaded where the cache has nothing.
    """
    plain = None if trusted else plain_anatomy(config_of(folder), shapes)
    if plain is not None:
        return plain
    listed = tuple(shapes)
    file = None if trusted else _file(folder, listed)
    found = _kept(file, listed) if file is not None else None
    if found is None:
        refuse_as_parent(folder)
        from vlm.anatomy.parts import anatomy, read_config

        found = anatomy(read_config(str(folder), trusted), listed, trusted)
        if file is not None:
            _keep(file, found)
    return found


def config_of(folder: Path) -> Mapping[str, Any]:
    """`config.json` as it is written; empty where it cannot be read, which others say."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _file(folder: Path, names: tuple[str, ...]) -> Path | None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        told = {key: value for key, value in config.items() if key not in ASIDE}
        text = json.dumps([FORMAT, _code(), told, sorted(names)], sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        home = os.environ.get("XDG_CACHE_HOME")
        cache_folder = (Path(home) if home else Path.home() / ".cache") / "awase" / "anatomy"
        return cache_folder / f"{digest}.json"
    except (OSError, ValueError, RecursionError, AttributeError, RuntimeError):
        return None  # whoever reads the config says what is wrong with it


@cache
def _code() -> list[str]:
    """What tells one version of the code that takes apart from another: ours, and transformers."""
    ours = sorted(Path(__file__).parent.glob("*.py"))
    told = [hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() for path in ours]
    spec = find_spec("transformers")  # finds, does not import
    if spec is not None and spec.origin is not None:
        stat = Path(spec.origin).stat()
        told.append(f"{spec.origin} {stat.st_size} {stat.st_mtime_ns}")
    return told


def _kept(file: Path, names: tuple[str, ...]) -> Anatomy | None:
    """What a file says, where it is this user's."""
    try:
        with file.open(encoding="utf-8") as stream:
            if hasattr(os, "getuid") and os.fstat(stream.fileno()).st_uid != os.getuid():
                return None
            table = json.load(stream)
        roles = {name: Role(*role) for name, role in table["roles"].items()}
        shapes = {Role(unit, tail): tuple(shape) for unit, tail, shape in table["shapes"]}
        # In the order of this model's file, which need not be that of the one taken apart.
        ordered = {name: roles[name] for name in names if name in roles}
        return Anatomy(ordered, shapes, table["sees"], table["speaks"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(file: Path, found: Anatomy) -> None:
    """Write it for the next process, which sees all of it or nothing."""
    table: dict[str, Any] = {
        "roles": {name: [role.unit, role.tail] for name, role in found.roles.items()},
        "shapes": [[role.unit, role.tail, shape] for role, shape in found.shapes.items()],
        "sees": found.sees,
        "speaks": found.speaks,
    }
    beside = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(table), encoding="utf-8")
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()
