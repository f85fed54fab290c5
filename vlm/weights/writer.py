"""Writes a merged model as an ordinary checkpoint: beside its place first, then renamed into it.

In: a candidate and its opened parents. Out: a folder that `from_pretrained` opens. Tensors are computed
and written one after the other, a piece at a time: memory does not grow with the model. What was written
is read again and checked before it takes its place. A folder that is already there is replaced only if all in
it is awase's, or if it is empty.
"""

import errno
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.space.candidate import Candidate
from vlm.merge import Sources, check_whole, host_of, portions_of
from vlm.methods.arrays import steady_memory
from vlm.vocabulary import with_words
from vlm.weights.beside import Config, check_beside, copy_beside
from vlm.weights.check import check_written
from vlm.weights.checkpoint import INDEX, SINGLE, main_dtype
from vlm.weights.half import half_written, sweep
from vlm.weights.own_files import list_files
from vlm.weights.pixels import check_processor
from vlm.weights.provenance import write_provenance
from vlm.weights.raw import BYTES, NAMES, Numbers
from vlm.weights.result import Result
from vlm.weights.source import Source
from vlm.weights.stream import Planned, write_file
from vlm.weights.target import PROVENANCE, check_room, check_target, move_into_place, too_full

__all__ = ["PROVENANCE", "Config", "Item", "check_target", "dtype_of", "write_items", "write_model"]

DTYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
SPELT = {stored: dtype for dtype, stored in DTYPES.items()}
OPEN_CLIP = "open_clip_model.safetensors"  # which has no shards

Tell = Callable[[int, int], None]  # bytes written, and of how many


@dataclass(frozen=True)
class Item:
    """One tensor of a result: its shape, the dtype that it keeps whatever the model is written as (None
    for rounded numbers), the one that it has where the recipe names none (None: the host's), and its
    numbers as they are stored in a dtype, piece after piece."""

    shape: tuple[int, ...]
    kept: str | None
    own: str | None
    numbers: Callable[[str], Iterable[Numbers]]
    ahead: Callable[[], None] = lambda: None  # is called when the one before it is asked for


def write_model(
    candidate: Candidate,
    sources: Sources,
    out: Path,
    *,
    recipe: str,
    shown: str | None = None,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    tell: Tell = lambda done, total: None,
) -> None:
    """Build `candidate` and write it to `out`.

    `recipe` is the frozen recipe's text as it must read in `out`, `shown` as its card has it, which need not
    say where `out` lies (None: the same); `dtype` is "bf16", "fp16" or "fp32" (None: each
    tensor's own, which is that of the parent it is kept from, or of the host where it is blended); a shard holds at most `shard_bytes` bytes unless one tensor is larger; `tell` hears how
    far it is. Raises MergeError where the model cannot be built or written; `out` is then as it was.
    """
    parents = [source.folder for source in sources.values()]
    check_target(out, parents)
    host = host_of(candidate, sources)
    sources = _fitted(candidate, host, sources)
    host = with_words(candidate, host, sources)
    check_whole(candidate, host, sources)
    result = Result(portions_of(candidate, host), host, sources)
    items = {
        name: Item(*form, partial(result.numbers, name), partial(result.ahead, name))
        for name, form in result.tensors.items()
    }
    write_items(
        items,
        host,
        parents,
        out,
        recipe=recipe,
        dtype=dtype,
        shard_bytes=shard_bytes,
        tell=tell,
        check=lambda part: write_provenance(
            part, candidate, host, sources, recipe if shown is None else shown, result.digests
        ),
    )


def dtype_of(host: Source, dtype: str | None) -> str:
    """The type that a model is written as: the one wanted, else the host's, as far as tensors have none
    of their own."""
    return dtype or SPELT.get(host.checkpoint.dtype, "fp32")


def write_items(
    items: Mapping[str, Item],
    host: Source,
    parents: Iterable[Path],
    out: Path,
    *,
    recipe: str,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    tell: Tell = lambda done, total: None,
    edit: Callable[[Config], Config] = lambda config: config,
    check: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Write tensors by their names in the file, and the host's other files.

    `edit` changes what config.json says. `check` looks at the finished folder, or adds to it, before it
    takes its place; what it raises leaves no trace on the disk.
    """
    sweep(out.resolve())
    check_target(out, parents)
    check_beside(host.folder)
    out = out.resolve()  # a link to a larger disk stays a link
    target = DTYPES[dtype_of(host, dtype)]
    planned = {
        name: Planned(item.kept or (item.own if dtype is None else None) or target, item.shape)
        for name, item in items.items()
    }
    # One order whatever that of the host's file; long words first, so that all lie aligned.
    planned = dict(sorted(planned.items(), key=lambda item: _order(*item)))
    shards = _shards(planned, shard_bytes, host)
    total = sum(tensor.bytes for tensor in planned.values())
    check_room(out, total)
    out.parent.mkdir(parents=True, exist_ok=True)
    done = 0

    def heard(count: int) -> None:
        nonlocal done
        done += count
        tell(done, total)

    following = dict(pairwise(planned))

    def numbers(name: str) -> Iterable[Numbers]:
        if name in following:
            items[following[name]].ahead()
        return items[name].numbers(planned[name].dtype)

    steady_memory()
    with half_written(out) as part:
        try:
            with np.errstate(all="ignore"):  # what is no number is looked for, and has a name then
                for file, members in shards.items():
                    write_file(part / file, members, numbers, heard)
            if len(shards) > 1:
                _write_index(part / INDEX, shards, total)
            copy_beside(host.folder, part, NAMES.get(main_dtype(planned), NAMES[target]), edit)
            check_written(part, shards)
            (part / PROVENANCE).write_text(recipe, encoding="utf-8")
            check(part)
            list_files(part)
            move_into_place(part, out)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise too_full(out, total, shutil.disk_usage(part).free + done) from error
            raise


def _order(name: str, tensor: Planned) -> tuple[int, list[tuple[int, int | str]]]:
    """Numbers in a name count as numbers."""
    words = re.split(r"(\d+)", name)
    parts: list[tuple[int, int | str]] = [
        (0, int(word)) if word.isdecimal() else (1, word) for word in words
    ]
    return -BYTES[tensor.dtype], parts


def _fitted(candidate: Candidate, host: Source, sources: Sources) -> Sources:
    """The parents as the host's eyes need them; a model that cannot see needs nothing."""
    if not host.anatomy.sees:
        return sources
    from vlm.fit import fit

    fitted = fit(candidate, host, sources)
    check_processor(host.folder, lambda: host.config)
    return fitted


def _shards(
    planned: Mapping[str, Planned], limit: int, host: Source
) -> dict[str, dict[str, Planned]]:
    """File name -> tensors, filled up to `limit` bytes."""
    if host.spelling is not None:
        return {OPEN_CLIP: dict(planned)}
    groups: list[dict[str, Planned]] = [{}]
    held = 0
    for name, tensor in planned.items():
        if groups[-1] and held + tensor.bytes > limit:
            groups.append({})
            held = 0
        groups[-1][name] = tensor
        held += tensor.bytes
    if len(groups) == 1:
        return {SINGLE: groups[0]}
    return {f"model-{i:05}-of-{len(groups):05}.safetensors": g for i, g in enumerate(groups, 1)}


def _write_index(path: Path, shards: Mapping[str, Mapping[str, Planned]], total: int) -> None:
    table = {name: file for file, members in shards.items() for name in members}
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": table}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
