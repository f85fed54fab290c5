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
from vlm.methods.arrays import Array
from vlm.methods.masks import like
from vlm.methods.pieces import Pieces, Read, fill
from vlm.parents import FromFiles, Parent, Parents
from vlm.weights.source import Source
from vlm.weights.tokens import Rows

FILES = FromFiles()


def blended(
    portion: Portion,
    role: Role,
    host: Source,
    sources: Sources,
    parents: Parents = FILES,
    memo: dict[Any, Any] | None = None,
) -> Iterator[Array]:
    """The numbers of one blended tensor: fp32, flat, piece after piece in order.

    `parents` says where the tensors of `sources` are read; the numbers lie there too. `memo` keeps what
    the equation found out about them, and belongs to this tensor and these parents. Raises MergeError,
    with the tensor's name, where the equation has no answer, and where a parent holds NaN.
    """
    blend = portion.made_by
    assert isinstance(blend, Blend)
    read = _Reading(blend, portion.index, role, sources, parents)
    memo = {} if memo is None else memo
    if not by_token(portion, role):
        yield from _blended(read, memo)
        return
    if "rows" not in memo:  # the tokenizers are the same for every candidate
        memo["rows"] = rows_of(blend, role, host, sources)
    rows = memo["rows"]
    shape = host.anatomy.shapes[role]
    mixed = parents.empty(len(rows.host) * prod(shape[1:]))
    fill(mixed, _blended(read._replace(rows=rows), memo))
    whole = parents.tensor(host, role).widened(slice(0, prod(shape))).reshape(shape)
    whole[like(rows.host, whole)] = mixed.reshape(-1, *shape[1:])
    yield whole.reshape(-1)


class _Reading(NamedTuple):
    """One tensor of a blend, and where its parents are read: whole, or `rows` of each."""

    blend: Blend
    at: int
    role: Role
    sources: Sources
    parents: Parents
    rows: Rows | None = None


def _blended(read: _Reading, memo: dict[Any, Any]) -> Iterator[Array]:
    """What the method makes of the parents' tensors, or of some rows of each."""
    blend = read.blend
    name = f"{read.role.unit}.{read.role.tail}"
    each = [_settings(ingredient.settings, read.at) for ingredient in blend.ingredients]
    shared = _settings(blend.settings, read.at)
    pieces, base = _pieces(read, memo)
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
    except RuntimeError as error:
        if type(error).__name__ not in ("LinAlgError", "_LinAlgError"):
            raise
        raise MergeError(
            f"{name} has no such decomposition: {str(error).splitlines()[0]}",
            "blend this part by another method",
        ) from error


def _pieces(read: _Reading, memo: dict[Any, Any]) -> tuple[Pieces, Read | None]:
    """What the equation is given, and a base that is added to what comes out.

    Differences are given as they are, from a base of zeros: added to the base first and taken from it
    again, a small one would lose its last digits.
    """
    blend, size = read.blend, read.parents.size
    base = None if blend.base is None else _parent(read, read.sources[blend.base.model])
    added = [read.sources[ingredient.origin.model].difference for ingredient in blend.ingredients]
    given = [_of(read, ingredient) for ingredient in blend.ingredients]
    first = base if base is not None else given[0]
    assert first is not None  # only what is added to a base may be nothing
    if base is None or not any(added):
        reads = [parent.widened for parent in given if parent is not None]
        told = [_measured(read, ingredient) for ingredient in blend.ingredients]
        based = None if base is None else base.widened
        return Pieces(first.shape, based, reads, size, memo=memo, measured=told), None
    nothing = partial(_zeros, read.parents, prod(first.shape))
    reads = [
        nothing
        if parent is None
        else parent.widened
        if alone
        else partial(_difference, parent.widened, base.widened)
        for parent, alone in zip(given, added, strict=True)
    ]
    return Pieces(first.shape, nothing, reads, size, memo=memo), base.widened


def _of(read: _Reading, ingredient: Ingredient) -> Parent | None:
    """What an ingredient gives; None where an adapter changes nothing."""
    source = read.sources[ingredient.origin.model]
    return None if source.partial and read.role not in source.names else _parent(read, source)


def _parent(read: _Reading, source: Source) -> Parent:
    whole = read.parents.tensor(source, read.role)
    return whole if read.rows is None else whole.rows(read.rows.of[source.name])


def _measured(read: _Reading, ingredient: Ingredient) -> Read | None:
    """What data say of an ingredient's tensor; None where they say nothing, or are not asked."""
    what = METHODS[read.blend.method].reads
    if not what:
        return None
    source = read.sources[ingredient.origin.model]
    asked = what, str(ingredient.settings["on"][read.at])
    raw = source.measured.get(asked, {}).get(read.role)
    if raw is None:
        return None
    told = read.parents.measured(raw)
    if read.rows is not None and what == "fisher":  # of one token each, as the tensor itself
        told = told.rows(read.rows.of[source.name])
    return told.widened


def _difference(read: Read, base: Read, part: slice) -> Array:
    found = read(part)
    found -= base(part)
    return found


def _zeros(parents: Parents, count: int, part: slice) -> Array:
    found = parents.empty(len(range(*part.indices(count))))
    found[:] = 0
    return found


def _whole(
    kernel: Any, pieces: Pieces, settings: Any, shared: Any, draw: Draw | None
) -> Iterator[Array]:
    """For an equation that needs all of a tensor at once, and is written in torch."""
    import torch

    piece = pieces.at(slice(0, pieces.count))
    base, *tensors = (
        None if x is None else torch.as_tensor(x).view(pieces.shape)
        for x in (piece.base, *piece.tensors)
    )
    mixed = kernel(base, tensors, settings, shared, draw).contiguous().view(-1)
    yield mixed.numpy() if isinstance(piece.tensors[0], np.ndarray) else mixed


def _draw(blend: Blend, name: str) -> Draw | None:
    if blend.seed is None:
        return None
    models: Sequence[Origin] = [ingredient.origin for ingredient in blend.ingredients]
    return Draw(blend.seed, name, tuple(origin.model for origin in models))


def _settings(settings: Mapping[str, tuple[Value, ...]], at: int) -> dict[str, Any]:
    """What holds at one unit: words as they are, numbers and flags as floats."""
    here = {name: values[at] for name, values in settings.items()}
    return {n: value if isinstance(value, str) else float(value) for n, value in here.items()}
