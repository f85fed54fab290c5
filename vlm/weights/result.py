"""A model that is not there yet: what its tensors will be, and the numbers of each when asked for.

In: the portions of a candidate, the host, the parents. Out: for each tensor of the checkpoint its dtype
and shape, known before any number is, and its numbers as they are stored, a piece at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_128_hexdigest

from merge_dsl.space.candidate import Blend, Keep
from vlm.anatomy.body import Role
from vlm.blend import blended
from vlm.errors import MergeError, ModelError
from vlm.merge import Portion, Sources, origins_of, portion_of
from vlm.methods import shows_unsound
from vlm.methods.pieces import fill
from vlm.parents import FromFiles, sound
from vlm.weights.checkpoint import Checkpoint
from vlm.weights.made import Made, itself
from vlm.weights.raw import (
    FLOATS,
    NAMES,
    STORED,
    Numbers,
    Raw,
    is_sound,
    of_tensor,
    rounded,
    widest,
)
from vlm.weights.source import Source

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 1 << 18  # numbers of a kept tensor that are looked at together


class Form(NamedTuple):
    """What one tensor will be, before a number of it is computed."""

    shape: tuple[int, ...]
    kept: str | None  # its dtype whatever the model is written as; None for rounded numbers
    own: str | None  # its dtype where the recipe names none; None where that cannot be written


@dataclass(frozen=True)
class Result:
    """The numbers of a model, each tensor computed when it is asked for and then forgotten."""

    portions: Mapping[str, Portion]
    host: Source
    sources: Sources
    made: dict[str, Made] = field(init=False)
    # Parent -> name in its files -> digest of the tensor's bytes, of those that were read.
    digests: dict[str, dict[str, str]] = field(default_factory=dict, init=False)
    files: FromFiles = field(init=False)
    unseen: FromFiles = field(init=False)  # which leaves it to the result to show what is no number

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", FromFiles(self.digests))
        object.__setattr__(self, "unseen", FromFiles(self.digests, looks=False))
        object.__setattr__(self, "made", self.host.written())
        there = {self.host.anatomy.roles[n] for made in self.made.values() for n in made.sources}
        lacking = [role for role in self.host.anatomy.shapes if role not in there]
        if lacking:
            what = f"{self.host.folder} lacks {lacking[0].unit} {lacking[0].tail}"
            raise ModelError(what, "fetch the model anew")

    @property
    def tensors(self) -> dict[str, Form]:
        """Name -> what will be written under it."""
        return {name: self._form_of(made) for name, made in self.made.items()}

    def _form_of(self, made: Made) -> Form:
        shapes = [self.host.checkpoint.entries[name].shape for name in made.sources]
        own = [self._own(name) for name in made.sources]
        kept = own[0] if own[0] in STORED and own[0] not in FLOATS else None
        if made.by is itself:
            return Form(shapes[0], kept, widest(own))
        import torch

        ghosts = (torch.empty(shape, device="meta") for shape in shapes)
        return Form(tuple(made.by(*ghosts).shape), kept, widest(own))

    def _own(self, name: str) -> str:
        """The dtype of one tensor with the parent that it is kept from, or, of a blended one, with the host."""
        role = self.host.anatomy.roles[name]
        made_by = self._portion(role).made_by
        if isinstance(made_by, Keep):
            source = self.sources[made_by.origin.model]
            return source.checkpoint.entries[source.name_of(role)].dtype
        return self.host.checkpoint.entries[name].dtype

    def numbers(self, name: str, dtype: str) -> Iterator[Numbers]:
        """One tensor as it is stored in `dtype`. Raises MergeError where a number is none."""
        made = self.made[name]
        if made.by is not itself:
            yield from stored(of_tensor(made.out_of(self._tensor)), dtype, name)
            return
        role = self.host.anatomy.roles[made.sources[0]]
        portion = self._portion(role)
        if isinstance(portion.made_by, Keep):
            kept = self.sources[portion.made_by.origin.model].raw(role)
            yield from stored(kept, dtype, name)
        else:
            yield from self._blended(portion, role, dtype, name)
        for model, checkpoint, spelt in self._read(role):
            known = self.digests.setdefault(model, {})
            if spelt not in known:  # it was not read through, and may still be in memory
                known[spelt] = xxh3_128_hexdigest(checkpoint.raw(spelt).numbers.data)
            checkpoint.done(spelt)

    def _blended(self, portion: Portion, role: Role, dtype: str, name: str) -> Iterator[Numbers]:
        assert isinstance(portion.made_by, Blend)
        files = self.unseen if shows_unsound(portion.made_by.method) else self.files
        for piece in blended(portion, role, self.host, self.sources, files):
            numbers = rounded(piece, dtype)
            if not is_sound(dtype, numbers):
                for origin in origins_of(portion.made_by):  # whose fault is it?
                    if role in self.sources[origin.model].names:
                        sound(self.sources[origin.model], role)
                raise _unsound(name, dtype)
            yield numbers

    def ahead(self, name: str) -> None:
        """Let the system read what a tensor is made of, while another is computed."""
        for outer in self.made[name].sources:
            for _, checkpoint, spelt in self._read(self.host.anatomy.roles[outer]):
                checkpoint.ahead(spelt)

    def _read(self, role: Role) -> Iterator[tuple[str, Checkpoint, str]]:
        """The parents that a tensor is read from, their files, and its names there."""
        for origin in origins_of(self._portion(role).made_by):
            source = self.sources[origin.model]
            if isinstance(source.checkpoint, Checkpoint) and role in source.names:
                yield origin.model, source.checkpoint, source.names[role]

    def _tensor(self, name: str) -> "Tensor":
        """One whole tensor of the host's, for what is made of several."""
        import torch

        role = self.host.anatomy.roles[name]
        portion = self._portion(role)
        if isinstance(portion.made_by, Keep):
            return self.sources[portion.made_by.origin.model].tensor(role)
        shape = self.host.anatomy.shapes[role]
        whole = torch.empty(shape)
        fill(whole.view(-1).numpy(), blended(portion, role, self.host, self.sources, self.files))
        return whole

    def _portion(self, role: Role) -> Portion:
        portion = portion_of(self.portions, role)
        assert portion is not None  # `check_whole` has looked
        return portion


def own_dtype(source: Source, role: Role) -> str | None:
    """The dtype of a tensor with its parent; None of one that is written as the host is."""
    return widest([source.checkpoint.entries[source.name_of(role)].dtype])


def stored(raw: Raw, dtype: str, name: str) -> Iterator[Numbers]:
    """What is not computed, as it is stored in `dtype`: byte for byte where it is so already."""
    for start in range(0, len(raw.numbers), PIECE):
        part = slice(start, start + PIECE)
        if raw.dtype == dtype:
            yield _sound(raw.numbers[part], dtype, name)
        elif raw.is_float:
            _sound(raw.numbers[part], raw.dtype, name)
            yield _rounded(raw.widened(part), dtype, name)
        else:
            yield raw.numbers[part].astype(STORED[dtype])


def _rounded(values: Numbers, dtype: str, name: str) -> Numbers:
    return _sound(rounded(values, dtype), dtype, name)


def _sound(numbers: Numbers, dtype: str, name: str) -> Numbers:
    if not is_sound(dtype, numbers):
        raise _unsound(name, dtype)
    return numbers


def _unsound(name: str, dtype: str) -> MergeError:
    return MergeError(
        f"{name} would hold infinities or NaN in {NAMES.get(dtype, dtype)}",
        "check the weights of the recipe, or write it as bf16 or fp32",
    )
