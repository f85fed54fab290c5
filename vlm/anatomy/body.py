"""What a model is made of, as plain data: every tensor's unit and its name there. Loads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

REST = "rest"  # what is beside the image encoder of a contrastive model; it goes with its host


@dataclass(frozen=True)
class Role:
    """What one tensor is: the unit it belongs to and its name inside that unit."""

    unit: str
    tail: str


@dataclass(frozen=True)
class Anatomy:
    """A model taken apart. `roles` is keyed by the names in the file, in the file's order.

    The layers of a language model are counted as a plain one counts them: those of mllama that look
    at the picture are part of the projector, and the i-th of the others is `language.layers.i`.
    """

    roles: Mapping[str, Role]
    shapes: Mapping[Role, tuple[int, ...]]  # what the architecture wants, tied twins left out
    sees: bool  # has a vision tower
    speaks: bool = True  # has a language model; a tower alone has none

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit, in the architecture's order."""
        return tuple(dict.fromkeys(role.unit for role in self.shapes))
