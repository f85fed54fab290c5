"""Tensors by name, wherever they come from: a folder of safetensors, memory, or another spelling.

`Weights` is what a `Source` reads from; `Checkpoint` is one, and here are the others. Each knows the
shape and dtype of every tensor before it reads one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vlm.weights.checkpoint import Checkpoint, Entry, main_dtype
from vlm.weights.made import Made
from vlm.weights.raw import Raw, of_tensor

SPELT = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
}


class Weights(Protocol):
    """The tensors of one model, by name."""

    @property
    def folder(self) -> Path: ...

    @property
    def entries(self) -> Mapping[str, Entry]: ...

    @property
    def dtype(self) -> str: ...

    def tensor(self, name: str) -> Tensor: ...

    def raw(self, name: str) -> Raw: ...


@dataclass(frozen=True)
class Held:
    """Tensors in memory, of a file that cannot be read one by one."""

    folder: Path
    entries: Mapping[str, Entry]
    tensors: Mapping[str, Tensor]

    @property
    def dtype(self) -> str:
        """The dtype that most of its numbers are in."""
        return main_dtype(self.entries)

    def tensor(self, name: str) -> Tensor:
        """One tensor."""
        return self.tensors[name]

    def raw(self, name: str) -> Raw:
        """The same as numbers."""
        return of_tensor(self.tensor(name))


@dataclass(frozen=True)
class Respelt:
    """Tensors under other names, some of them cut out of others or put together from them."""

    inner: "Checkpoint | Held"
    made: Mapping[str, Made]
    entries: Mapping[str, Entry]

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.inner.folder

    @property
    def dtype(self) -> str:
        """The dtype that most of its numbers are in."""
        return self.inner.dtype

    def tensor(self, name: str) -> Tensor:
        """One tensor, in the dtype of the file."""
        return self.made[name].out_of(self.inner.tensor)

    def raw(self, name: str) -> Raw:
        """The same as numbers."""
        return of_tensor(self.tensor(name))


@dataclass(frozen=True)
class Changed:
    """The tensors of another, but for some that are computed and keep their names.

    `place` is another folder for what lies beside the weights.
    """

    inner: Weights
    changes: Mapping[str, Callable[[], Tensor]]
    entries: Mapping[str, Entry]
    place: Path | None = None

    @property
    def folder(self) -> Path:
        """Where its other files lie."""
        return self.place or self.inner.folder

    @property
    def dtype(self) -> str:
        """The dtype that most of its numbers are in."""
        return self.inner.dtype

    def tensor(self, name: str) -> Tensor:
        """One tensor."""
        change = self.changes.get(name)
        return self.inner.tensor(name) if change is None else change()

    def raw(self, name: str) -> Raw:
        """The same as numbers; what is not changed stays in its file."""
        change = self.changes.get(name)
        return self.inner.raw(name) if change is None else of_tensor(change())


def held(folder: Path, file: Path, tensors: Mapping[str, Tensor]) -> Held:
    """Tensors that were read already, from `file`."""
    entries = {
        n: Entry(file, SPELT.get(t.dtype, "F32"), tuple(t.shape)) for n, t in tensors.items()
    }
    return Held(folder, entries, tensors)


def respelt(inner: "Checkpoint | Held", made: Mapping[str, Made]) -> Respelt:
    """The same tensors as `made` says. Shapes are found without reading one."""
    ghosts = {n: torch.empty(e.shape, device="meta") for n, e in inner.entries.items()}
    entries = {}
    for name, one in made.items():
        first = inner.entries[one.sources[0]]
        shape = tuple(one.out_of(ghosts.__getitem__).shape)
        entries[name] = Entry(first.file, first.dtype, shape)
    return Respelt(inner, made, entries)
