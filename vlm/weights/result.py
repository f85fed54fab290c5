"""A model that is not there yet: what its tensors will be, and the numbers of each when asked for.

In: the portions of a candidate, the host, the parents. Out: for each tensor of the checkpoint its dtype
and shape, known before any number is, and its numbers as they are stored, a piece at a time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from merge_dsl.space.candidate import Keep
from vlm.anatomy.body import Role
from vlm.blend import blended
from vlm.errors import MergeError, ModelError
from vlm.merge import Portion, Sources, origins_of, portion_of
from vlm.methods.pieces import fill
from vlm.weights.checkpoint import Checkpoint
from vlm.weights.made import Made, itself
from vlm.weights.raw import BYTES, FLOATS, STORED, Numbers, Raw, fits, is_sound, of_tensor, rounded
from vlm.weights.source import Source
from vlm.weights.stream import Planned

if TYPE_CHECKING:
    from torch import Tensor

NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # what a model may be written as
PIECE = 1 << 18  # numbers of a kept tensor that are looked at together


def planned_of(host: Source, dtype: str) -> dict[str, Planned]:
    """Name -> dtype and shape, in the order in which they are written.

    The order is one whatever that of the host's file: long words first, so that all lie aligned, then
    by name, numbers as numbers. Raises ModelError where the host lacks a tensor of its architecture.
    """
    made = host.written()
    there = {host.anatomy.roles[name] for one in made.values() for name in one.sources}
    lacking = [role for role in host.anatomy.shapes if role not in there]
    if lacking:
        raise ModelError(
            f"{host.folder} lacks {lacking[0].unit} {lacking[0].tail}", "fetch the model anew"
        )
    planned = {name: _plan(host, one, dtype) for name, one in made.items()}
    return dict(sorted(planned.items(), key=lambda item: _order(*item)))


def _plan(host: Source, made: Made, dtype: str) -> Planned:
    entries = [host.checkpoint.entries[name] for name in made.sources]
    kept = entries[0].dtype
    stored = kept if kept in STORED and kept not in FLOATS else dtype
    if made.by is itself:
        return Planned(stored, entries[0].shape)
    import torch

    ghosts = (torch.empty(entry.shape, device="meta") for entry in entries)
    return Planned(stored, tuple(made.by(*ghosts).shape))


def _order(name: str, tensor: Planned) -> tuple[int, list[tuple[int, int | str]]]:
    parts: list[tuple[int, int | str]] = [
        (0, int(word)) if word.isdecimal() else (1, word) for word in re.split(r"(\d+)", name)
    ]
    return -BYTES[tensor.dtype], parts


@dataclass(frozen=True)
class Result:
    """The numbers of a model, each tensor computed when it is asked for and then forgotten."""

    portions: Mapping[str, Portion]
    host: Source
    sources: Sources
    planned: Mapping[str, Planned]
    following: dict[str, str] = field(init=False)  # name -> the one that is asked for next
    made: dict[str, Made] = field(init=False)

    def __post_init__(self) -> None:
        names = list(self.planned)
        object.__setattr__(self, "following", dict(pairwise(names)))
        object.__setattr__(self, "made", self.host.written())

    def numbers(self, name: str) -> Iterator[Numbers]:
        """One tensor as it is stored. Raises MergeError where a number is none."""
        made, dtype = self.made[name], self.planned[name].dtype
        self._advise("ahead", self.following.get(name))
        if made.by is not itself:
            yield from _stored(of_tensor(made.out_of(self._tensor)), dtype, name)
            return
        role = self.host.anatomy.roles[made.sources[0]]
        portion = self._portion(role)
        if isinstance(portion.made_by, Keep):
            origin = portion.made_by.origin.model
            yield from _stored(self.sources[origin].raw(role), dtype, name)
        else:
            for piece in blended(portion, role, self.sources):
                yield _rounded(piece, dtype, name)
        self._advise("done", name)

    def _tensor(self, name: str) -> "Tensor":
        """One whole tensor of the host's, for what is made of several."""
        import torch

        role = self.host.anatomy.roles[name]
        portion = self._portion(role)
        if isinstance(portion.made_by, Keep):
            return self.sources[portion.made_by.origin.model].tensor(role)
        shape = self.host.anatomy.shapes[role]
        whole = torch.empty(shape)
        fill(whole.view(-1).numpy(), blended(portion, role, self.sources))
        return whole

    def _portion(self, role: Role) -> Portion:
        portion = portion_of(self.portions, role)
        assert portion is not None  # `check_whole` has looked
        return portion

    def _advise(self, when: str, name: str | None) -> None:
        """Tell the system which parts of the parents' files are wanted soon, or not any more."""
        if name is None or self.made[name].by is not itself:
            return
        role = self.host.anatomy.roles[self.made[name].sources[0]]
        for origin in origins_of(self._portion(role).made_by):
            source = self.sources[origin.model]
            if isinstance(source.checkpoint, Checkpoint) and role in source.names:
                getattr(source.checkpoint, when)(source.names[role])


def _stored(raw: Raw, dtype: str, name: str) -> Iterator[Numbers]:
    """What is not computed: byte for byte where the dtype is the same."""
    for start in range(0, len(raw.numbers), PIECE):
        part = slice(start, start + PIECE)
        if raw.dtype == dtype:
            yield _sound(raw.numbers[part], dtype, name)
        elif raw.is_float:
            yield _rounded(raw.widened(part), dtype, name)
        else:
            yield raw.numbers[part].astype(STORED[dtype])


def _rounded(values: Numbers, dtype: str, name: str) -> Numbers:
    if not fits(values, dtype):
        raise _unsound(name, dtype)
    return rounded(values, dtype)


def _sound(numbers: Numbers, dtype: str, name: str) -> Numbers:
    if not is_sound(dtype, numbers):
        raise _unsound(name, dtype)
    return numbers


def _unsound(name: str, dtype: str) -> MergeError:
    return MergeError(
        f"{name} would hold infinities or NaN in {NAMES.get(dtype, dtype)}",
        "check the weights of the recipe, or write it as bf16 or fp32",
    )
