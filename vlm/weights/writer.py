"""Writes a merged model as an ordinary checkpoint: beside its place first, then renamed into it.

In: tensors by file name, the host's other files. Out: a folder that `from_pretrained` opens. A folder
that is already there is replaced only if awase wrote it, or if it is empty.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from merge_dsl.space.candidate import Candidate
from vlm.errors import MergeError
from vlm.fit import fit
from vlm.merge import (
    Portion,
    Sources,
    check_whole,
    host_of,
    portion_of,
    portion_tensor,
    portions_of,
)
from vlm.weights.checkpoint import INDEX, SINGLE
from vlm.weights.open_clip import Made
from vlm.weights.open_clip_folder import WEIGHTS as OPEN_CLIP
from vlm.weights.pixels import check_processor
from vlm.weights.source import Source

PROVENANCE = (
    "merge_recipe.merge"  # the recipe that made it; also the sign that awase wrote a folder
)
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
SPELT = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".index.json")


def check_target(out: Path, parents: Iterable[Path] = ()) -> None:
    """Raise MergeError when `out` holds what awase did not write, or shares a folder with a parent."""
    place = out.resolve()
    for parent in (folder.resolve() for folder in parents):
        if place == parent or place in parent.parents or parent in place.parents:
            raise MergeError(
                f"{out} is, holds or lies in {parent}, from which the recipe takes a model",
                "write elsewhere: a parent is never written over",
            )
    standing = next(folder for folder in (place, *place.parents) if folder.exists())
    if standing != place and not standing.is_dir():
        raise MergeError(f"{standing} is a file, and {out} would lie in it", "write elsewhere")
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() and not (out / PROVENANCE).exists():
        raise MergeError(f"{out} exists, and awase did not write it", "move it, or write elsewhere")


@dataclass(frozen=True)
class Item:
    """One tensor of a result: how many numbers it holds at most, and how it is come by."""

    count: int
    read: Callable[[], Tensor]


Config = dict[str, object]


def write_model(
    candidate: Candidate,
    sources: Sources,
    out: Path,
    *,
    recipe: str,
    dtype: str | None = None,
    shard_bytes: int = 5 * 1024**3,
) -> None:
    """Build `candidate` and write it to `out`.

    `recipe` is the frozen recipe's text, kept inside; `dtype` is "bf16", "fp16" or "fp32" (None: the
    host's own); a shard holds at most `shard_bytes` bytes unless one tensor is larger.
    """
    parents = [source.folder for source in sources.values()]
    check_target(out, parents)
    host = host_of(candidate, sources)
    sources = fit(candidate, host, sources)
    check_whole(candidate, host, sources)
    check_processor(host.folder, host.config)
    get = _getter(portions_of(candidate, host), host, sources)
    items = {
        name: Item(_count(host, made), partial(made.out_of, get))
        for name, made in host.written().items()
    }
    write_items(items, host, parents, out, recipe=recipe, dtype=dtype, shard_bytes=shard_bytes)


def dtype_of(host: Source, dtype: str | None) -> str:
    """The type that is written: the one wanted, else the host's own."""
    return dtype or SPELT.get(host.checkpoint.dtype, "fp32")


def write_items(
    items: Mapping[str, Item],
    host: Source,
    parents: Iterable[Path],
    out: Path,
    *,
    recipe: str,
    dtype: str | None = None,
    shard_bytes: int = 5 * 1024**3,
    edit: Callable[[Config], Config] = lambda config: config,
    check: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Write tensors by their names in the file, and the host's other files.

    `edit` changes what config.json says. `check` looks at the finished folder before it takes its
    place; what it raises leaves no trace on the disk.
    """
    check_target(out, parents)
    out = out.resolve()  # a link to a larger disk stays a link
    dtype = dtype_of(host, dtype)
    target = DTYPES[dtype]
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    part.mkdir()
    try:
        sizes = {name: item.count * target.itemsize for name, item in items.items()}
        shards = _shards(sizes, shard_bytes, OPEN_CLIP if host.spelling else None)
        for file, members in shards.items():
            tensors = {}
            for name in members:
                tensor = items[name].read()
                tensors[name] = (
                    tensor.to(target).contiguous() if tensor.is_floating_point() else tensor
                )
                _refuse_unsound(name, tensors[name])
            save_file(tensors, part / file, metadata={"format": "pt"})
        if len(shards) > 1:
            _write_index(part / INDEX, shards, sizes)
        _copy_rest(host.folder, part, NAMES[dtype], edit)
        check(part)
        (part / PROVENANCE).write_text(recipe, encoding="utf-8")
        _move_into_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse_unsound(name: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise MergeError(
            f"{name} would hold infinities or NaN in {tensor.dtype}",
            "check the weights of the recipe, or write it as bf16 or fp32",
        )


def _getter(
    portions: Mapping[str, Portion], host: Source, sources: Sources
) -> Callable[[str], Tensor]:
    """Name of a tensor of the host -> that tensor of the result."""

    def get(name: str) -> Tensor:
        role = host.anatomy.roles[name]
        portion = portion_of(portions, role)
        assert portion is not None  # `check_whole` has looked
        return portion_tensor(portion, role, host, sources)

    return get


def _shards(sizes: Mapping[str, int], limit: int, single: str | None) -> dict[str, list[str]]:
    """File name -> tensors, in the host's order, filled up to `limit` bytes, unless all go in one."""
    if single is not None:  # open_clip reads no shards
        return {single: list(sizes)}
    groups: list[list[str]] = [[]]
    held = 0
    for name, size in sizes.items():
        if groups[-1] and held + size > limit:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += size
    if len(groups) == 1:
        return {SINGLE: groups[0]}
    return {f"model-{i:05}-of-{len(groups):05}.safetensors": g for i, g in enumerate(groups, 1)}


def _count(host: Source, made: Made) -> int:
    """Numbers in a tensor; an upper bound where it is one of several cut from the same."""
    return sum(math.prod(host.checkpoint.entries[name].shape) for name in made.sources)


def _write_index(path: Path, shards: Mapping[str, Sequence[str]], sizes: Mapping[str, int]) -> None:
    table = {name: file for file, members in shards.items() for name in members}
    total = {"total_size": sum(sizes.values())}
    text = json.dumps({"metadata": total, "weight_map": table}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def _copy_rest(host: Path, part: Path, dtype: str, edit: Callable[[Config], Config]) -> None:
    """Config, tokenizer, processor and templates of the host; its weights stay behind."""
    for file in _other_files(host):
        if file.name == "config.json":
            config = json.loads(file.read_text(encoding="utf-8"))
            config = _with_dtype(edit(config), dtype)
            text = json.dumps(config, indent=2, ensure_ascii=False)
            (part / file.name).write_text(text + "\n", encoding="utf-8")
        else:
            shutil.copyfile(file, part / file.name)


def _other_files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        skipped = file.name.endswith(WEIGHT_FILES) or file.name == PROVENANCE
        if file.is_file() and not skipped and not file.name.startswith("."):
            yield file


def _with_dtype(config: Config, dtype: str) -> Config:
    """The same config, saying what the weights are now stored as, in every nested config too."""
    changed: Config = {}
    for key, value in config.items():
        if key in ("dtype", "torch_dtype"):
            changed[key] = dtype
        else:
            changed[key] = _with_dtype(value, dtype) if isinstance(value, dict) else value
    return changed


def _move_into_place(part: Path, out: Path) -> None:
    """Rename, so that `out` is the old model or the new one, never half of either.

    Two renames are two moments: whatever comes between them, Ctrl-C too, brings the old one back.
    """
    if not out.exists():
        part.rename(out)
        return
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    try:
        out.rename(old)
        part.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
