"""A bare checkpoint of open_clip's training, with its architecture by name: once made a folder, read as one.

In: a file as open_clip's training leaves it (`epoch_30.pt`: a table with `state_dict`, its names behind `module.`),
or of tensors alone, and the name of an architecture. Out: a folder as open_clip itself writes one, with weights as
safetensors. It lies in the cache of this user under the file's name, size, time and beginning. A pickle is
read as tensors only: one that would run code is refused.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vlm.errors import ModelError
from vlm.weights.half import half_written, sweep
from vlm.weights.open_clip_folder import WEIGHTS, anatomy_names, open_folder
from vlm.weights.pixels import OPEN_CLIP

BEGINNING = 1 << 20  # bytes that tell two files of one name and size apart
WRAPPED = ("module.", "_orig_mod.")  # by distributed training, and by torch.compile


class Architecture(NamedTuple):
    """What open_clip calls it, and the configuration that open_clip has for it."""

    name: str
    config: Mapping[str, Any]


def bare_folder(file: Path, architecture: Architecture) -> Path:
    """The folder of a checkpoint. Raises ModelError where it is none of this architecture."""
    model = dict(architecture.config)
    folder = _cache() / f"{file.stem}-{_mark(file, model)}"
    if folder.is_dir():
        return folder
    state = _tensors(file)
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    with half_written(folder) as part:
        from safetensors.torch import save_file

        save_file(state, part / WEIGHTS, metadata={"format": "pt"})
        pixels = model.pop("preprocess_cfg", {})
        table = {"model_cfg": model, "preprocess_cfg": pixels}
        (part / OPEN_CLIP).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        _refuse_unlike(part, file, architecture.name)
        part.rename(folder)
    return folder


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "awase" / "open_clip"


def _mark(file: Path, model: Mapping[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(model, sort_keys=True).encode(), digest_size=6)
    stat = file.stat()
    digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    with file.open("rb") as stream:
        digest.update(stream.read(BEGINNING))
    return digest.hexdigest()


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by open_clip's names."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file makes it raise
        raise ModelError(
            f"{file} cannot be read as tensors alone: {str(error).splitlines()[0]}",
            "save its state_dict anew where its code is trusted, or fetch the file anew",
        ) from error
    for name in ("state_dict", "model"):
        inner = state.get(name) if isinstance(state, dict) else None
        state = inner if isinstance(inner, dict) else state
    if not isinstance(state, dict) or not state:
        raise ModelError(f"{file} holds no table of tensors", "save the model's state_dict")
    found: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise ModelError(f"{file}: {name} is no tensor", "save the model's state_dict")
        plain = str(name)
        for start in WRAPPED:
            plain = plain.removeprefix(start)
        found[plain] = tensor.contiguous().clone()  # two names may share one memory
    return found


def _refuse_unlike(part: Path, file: Path, architecture: str) -> None:
    """Every tensor of the tower must be there, as large as the architecture has it."""
    from vlm.anatomy.parts import anatomy

    try:
        config, tensors, spelt = open_folder(part)
        outer = anatomy_names(spelt)
        body = anatomy(config, outer.values())
    except ModelError as error:
        raise ModelError(f"{file} is no {architecture}: {error.what}", error.way_out) from None
    shapes = {role: tensors.entries[name].shape for name, role in _roles(outer, body.roles)}
    for role, shape in body.shapes.items():
        found = shapes.get(role)
        if found != shape:
            has = "no" if found is None else f"{' by '.join(map(str, found))} for"
            wanted = " by ".join(map(str, shape))
            raise ModelError(
                f"{file} is no {architecture}: it has {has} {role.unit} {role.tail}, which is {wanted} there",
                "check the name of the architecture",
            )


def _roles(outer: Mapping[str, str], roles: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, roles[spelt]) for name, spelt in outer.items()]
