"""One tensor of a candidate, computed. The search, in memory, and `awase merge`, on disk, both ask here.

In: what makes a tensor, its role, the opened parents. Out: its numbers in order, a piece at a time, fp32.
What is kept is the parent's own bytes, and not asked for here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Ingredient, Origin, Value
from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.merge import Portion, Sources, by_token, rows_of
from vlm.methods import Draw, kernel_of
from vlm.methods.pieces import Pieces, Read, fill
from vlm.weights.raw import Numbers, Raw, is_sound
from vlm.weights.source import Source
from vlm.weights.tokens import Rows

LOOK = 1 << 16  # numbers that are looked at together


def blended(
    portion: Portion,
    role: Role,
    host: Source,
    sources: Sources,
    keep: bool = False,
    memo: dict[Any, Any] | None = None,
) -> Iterator[Numbers]:
    """The numbers of one blended tensor: fp32, flat, piece after piece in order.

    `keep` holds the parents' tensors in memory for the next call; `memo` keeps what the equation found
    out about them, and belongs to this tensor and these parents. Raises MergeError, with the tensor's
    name, where the equation has no answer, and where a parent holds NaN.
    """
    blend = portion.made_by
    assert isinstance(blend, Blend)
    memo = {} if memo is None else memo
    if not by_token(portion, role):
        yield from _blended(blend, portion.index, role, sources, keep, memo, None)
        return
    rows = rows_of(blend, role, host, sources)
    shape = host.anatomy.shapes[role]
    mixed = np.empty((len(rows.host), *shape[1:]), dtype=np.float32)
    fill(mixed.reshape(-1), _blended(blend, portion.index, role, sources, keep, memo, rows))
    whole = host.raw(role, keep).widened(slice(None)).reshape(shape)
    whole[rows.host] = mixed
    yield whole.reshape(-1)


def _blended(
    blend: Blend,
    at: int,
    role: Role,
    sources: Sources,
    keep: bool,
    memo: dict[Any, Any],
    rows: Rows | None,
) -> Iterator[Numbers]:
    """What the method makes of the parents' tensors, or of some rows of each."""
    name = f"{role.unit}.{role.tail}"
    each = [_settings(ingredient.settings, at) for ingredient in blend.ingredients]
    shared = _settings(blend.settings, at)
    pieces, base = _pieces(blend, at, role, sources, keep, memo, rows)
    kernel = kernel_of(blend.method)
    start = 0
    try:
        walk = getattr(kernel, "walk", None) or partial(_whole, kernel)
        for piece in walk(pieces, each, shared, _draw(blend, name)):
            if base is not None:
                piece = piece + base(slice(start, start + len(piece)))
                start += len(piece)
            yield piece
    except MergeError as error:
        raise error.at(name) from None  # an equation knows no name


def _pieces(
    blend: Blend,
    at: int,
    role: Role,
    sources: Sources,
    keep: bool,
    memo: dict[Any, Any],
    rows: Rows | None,
) -> tuple[Pieces, Read | None]:
    """What the equation is given, and a base that is added to what comes out.

    Differences are given as they are, from a base of zeros: added to the base first and taken from it
    again, a small one would lose its last digits.
    """
    base = None if blend.base is None else _parent(sources[blend.base.model], role, keep, rows)
    added = [sources[ingredient.origin.model].difference for ingredient in blend.ingredients]
    raws = [_of(ingredient, role, sources, keep, rows) for ingredient in blend.ingredients]
    first = base if base is not None else raws[0]
    assert first is not None  # only what is added to a base may be nothing
    if base is None or not any(added):
        reads = [raw.read for raw in raws if raw is not None]
        told = [_measured(blend.method, one, at, role, sources, rows) for one in blend.ingredients]
        based = None if base is None else base.read
        return Pieces(first.shape, based, reads, memo=memo, measured=told), None
    nothing = partial(_zeros, prod(first.shape))
    reads = [
        nothing if raw is None else raw.read if alone else partial(_difference, raw.read, base.read)
        for raw, alone in zip(raws, added, strict=True)
    ]
    return Pieces(first.shape, nothing, reads, memo=memo), base.read


def _of(
    ingredient: Ingredient, role: Role, sources: Sources, keep: bool, rows: Rows | None
) -> "_Parent | None":
    """What an ingredient gives; None where an adapter changes nothing."""
    source = sources[ingredient.origin.model]
    if source.partial and role not in source.names:
        return None
    return _parent(source, role, keep, rows)


def _measured(
    method: str, ingredient: Ingredient, at: int, role: Role, sources: Sources, rows: Rows | None
) -> Read | None:
    """What data say of an ingredient's tensor; None where they say nothing, or are not asked."""
    what = METHODS[method].reads
    if not what:
        return None
    source = sources[ingredient.origin.model]
    raw = source.measured.get((what, str(ingredient.settings["on"][at])), {}).get(role)
    if raw is None:
        return None
    if rows is not None and what == "fisher":  # of one token each, as the tensor itself
        taken = raw.numbers.reshape(raw.shape)[rows.of[source.name]]
        raw = Raw(raw.dtype, taken.shape, taken.reshape(-1))
    return raw.widened


class _Parent(NamedTuple):
    """A parent's tensor: its shape, and how its numbers are read."""

    shape: tuple[int, ...]
    read: Read


def _parent(source: Source, role: Role, keep: bool, rows: Rows | None) -> _Parent:
    """A tensor that is held has been looked at; another is, the first time that it is read through.

    NaN must be looked for: an equation that drops small numbers may drop it in silence.
    """
    known = role in source.resident
    raw = source.raw(role, keep)
    name = f"{source.name_of(role)} of {source.name}"
    if rows is not None:
        own = rows.of[source.name]
        taken = raw.numbers.reshape(raw.shape)[own]
        raw = Raw(raw.dtype, taken.shape, taken.reshape(-1))
    if keep and not known:
        for start in range(0, len(raw.numbers), LOOK):
            _refuse_unsound(raw, slice(start, start + LOOK), name)
    return _Parent(raw.shape, raw.widened if keep else _looking(raw, name))


def _looking(raw: Raw, name: str) -> Read:
    seen = 0

    def read(part: slice) -> Numbers:
        nonlocal seen
        if part.start == seen and part.step in (None, 1):
            _refuse_unsound(raw, part, name)
            seen = part.stop
        return raw.widened(part)

    return read


def _refuse_unsound(raw: Raw, part: slice, name: str) -> None:
    if not is_sound(raw.dtype, raw.numbers[part]):
        raise MergeError(
            f"{name} holds infinities or NaN",
            "fetch the model anew, or take this part from another",
        )


def _difference(read: Read, base: Read, part: slice) -> Numbers:
    found: Numbers = read(part)
    found -= base(part)
    return found


def _zeros(count: int, part: slice) -> Numbers:
    return np.zeros(len(range(*part.indices(count))), dtype=np.float32)


def _whole(
    kernel: Any, pieces: Pieces, settings: Any, shared: Any, draw: Draw | None
) -> Iterator[Numbers]:
    """For an equation that needs all of a tensor at once."""
    import torch

    piece = pieces.at(slice(0, pieces.count))
    base, *tensors = (
        None if x is None else torch.from_numpy(x).view(pieces.shape)
        for x in (piece.base, *piece.tensors)
    )
    yield kernel(base, tensors, settings, shared, draw).contiguous().view(-1).numpy()


def _draw(blend: Blend, name: str) -> Draw | None:
    if blend.seed is None:
        return None
    models: Sequence[Origin] = [ingredient.origin for ingredient in blend.ingredients]
    return Draw(blend.seed, name, tuple(origin.model for origin in models))


def _settings(settings: Mapping[str, tuple[Value, ...]], at: int) -> dict[str, Any]:
    """What holds at one unit: words as they are, numbers and flags as floats."""
    here = {name: values[at] for name, values in settings.items()}
    return {n: value if isinstance(value, str) else float(value) for n, value in here.items()}
