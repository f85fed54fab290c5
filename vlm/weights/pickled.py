"""Pickled weights that a recipe allows by name: read as tensors alone, kept as safetensors, read as those.

In: a folder with `pytorch_model.bin`, or shards of it. Out: the folder of the same model as safetensors, in
the cache of this user, under a mark of the files. A pickle is a program; torch's unpickler for weights
(`weights_only`) builds tensors and refuses whatever else one asks for.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlm.errors import ModelError
from vlm.weights.checkpoint import INDEX, SINGLE, open_files, weight_map
from vlm.weights.gguf import cache
from vlm.weights.half import half_written, sweep
from vlm.weights.raw import Raw, of_tensor
from vlm.weights.stream import Planned, write_file

if TYPE_CHECKING:
    from torch import Tensor

PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
BESIDE = (".json", ".model", ".txt", ".jinja", ".py")
BEGINNING = 1 << 20  # bytes that tell two files of one name, size and time apart


def as_safetensors(folder: Path) -> Path:
    """`folder` itself where it holds safetensors or no pickle, else that of the same model as safetensors.

    Raises ModelError for a pickle that is damaged, or holds anything but tensors.
    """
    if (folder / SINGLE).exists() or (folder / INDEX).exists():
        return folder
    files = _files(folder)
    if not files:
        return folder
    kept = cache().parent / "pickled" / f"{folder.name}-{_mark(folder, files)}"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    sweep(kept)
    with half_written(kept) as part:
        _convert(files, part)
        for file in folder.iterdir():
            if file.suffix in BESIDE and file.name != PICKLE_INDEX and file.is_file():
                shutil.copyfile(file, part / file.name)
        part.rename(kept)
    return kept


def _files(folder: Path) -> list[Path]:
    """The pickles of a model. Raises ModelError for an index that leads out of the folder."""
    index = folder / PICKLE_INDEX
    if not index.exists():
        return [folder / PICKLE] if (folder / PICKLE).is_file() else []
    names = sorted(set(weight_map(index).values()))
    for name in names:
        if Path(name).name != name:
            raise ModelError(f"{index} points outside its folder: {name!r}", "do not trust it")
        if not (folder / name).is_file():
            raise ModelError(f"{folder} lacks the shard {name}", "fetch the missing shard")
    return [folder / name for name in names]


def _mark(folder: Path, files: list[Path]) -> str:
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8)
    for file in sorted({*files, *folder.glob("*.json")}):
        stat = file.stat()
        digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(BEGINNING))
    return digest.hexdigest()


def _convert(files: list[Path], part: Path) -> None:
    """One file of safetensors for each pickle."""
    shards: dict[str, str] = {}
    for number, file in enumerate(files, 1):
        name = SINGLE if len(files) == 1 else f"model-{number:05}-of-{len(files):05}.safetensors"
        raws = {key: of_tensor(tensor) for key, tensor in _tensors(file)}
        _write(part / name, raws)
        shards |= dict.fromkeys(raws, name)
    if len(files) > 1:
        (part / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": shards}, indent=1))
    open_files(part, {part / name for name in shards.values()})  # as any reader will


def _write(file: Path, raws: Mapping[str, Raw]) -> None:
    planned = {key: Planned(raw.dtype, raw.shape) for key, raw in raws.items()}
    write_file(file, planned, lambda key: [raws[key].numbers], lambda count: None)


def _tensors(file: Path) -> "Iterator[tuple[str, Tensor]]":
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file makes it raise
        raise ModelError(
            f"{file} cannot be read as tensors alone: {str(error).splitlines()[0]}",
            "save the model as safetensors where its code is trusted",
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(one, torch.Tensor) for one in state.values()
    ):
        raise ModelError(f"{file} holds more than tensors by name", "save the model as safetensors")
    yield from ((str(key), tensor) for key, tensor in state.items())
