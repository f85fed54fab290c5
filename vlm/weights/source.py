"""A parent as merging sees it: tensors by role, whatever its files call them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vlm.anatomy.parts import Anatomy, Role, anatomy, read_config
from vlm.errors import MergeError
from vlm.weights.checkpoint import Checkpoint, open_checkpoint


@dataclass(frozen=True)
class Source:
    """One opened parent. `resident` keeps what was read, in the file's dtype, where asked to."""

    name: str  # as the recipe calls it
    config: Any
    checkpoint: Checkpoint
    anatomy: Anatomy
    names: dict[Role, str]
    resident: dict[Role, Tensor] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.checkpoint.folder

    def tensor(self, role: Role, keep: bool = False) -> Tensor:
        """The tensor that plays `role`, in the file's dtype. `keep` holds it for the next call.

        Raises MergeError when this parent has no such tensor: a blend must never skip one.
        """
        if role in self.resident:
            return self.resident[role]
        if role not in self.names:
            raise MergeError(
                f"{self.name} has no tensor for {role.unit} {role.tail}",
                f"take {role.unit.split('.')[0]} from a model that has it, or blend models of one shape",
            )
        tensor = self.checkpoint.tensor(self.names[role])
        if keep:
            self.resident[role] = tensor
        return tensor


def open_source(name: str, folder: Path) -> Source:
    """Open the parent that the recipe calls `name`. Raises ModelError for whatever is wrong with it."""
    checkpoint = open_checkpoint(folder)
    config = read_config(str(folder))
    body = anatomy(config, checkpoint.entries)
    names = {role: spelt for spelt, role in body.roles.items()}
    return Source(name, config, checkpoint, body, names)
