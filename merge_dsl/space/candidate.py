"""A candidate: a recipe without holes, as plain data. The only thing that `vlm` is ever given.

A blend is cut into units, the grain at which a value may differ: one layer ("language.layers.3",
"vision.layers.0") or a part that has no layers ("projector", "language.embed", "language.norm",
"language.head", "vision.embed", "vision.norm"). Where a recipe tells the kinds of tensors in a layer apart,
each kind is a unit ("language.layers.3.attention", "….mlp", "….norms"). Every setting of a blend holds one value per unit.
"""

from collections.abc import Mapping
from typing import NamedTuple

Value = float | int | bool | str


class Place(NamedTuple):
    """Where a model or a data set comes from: scheme "hf" | "file" | "zoo" | "open_clip"."""

    scheme: str
    address: str  # "org/name", an absolute path, "emoji-vlm-en", "ViT-L-14/openai"
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.address}"


class Origin(NamedTuple):
    """A model, or a part of one: `llava.language` is Origin("llava", "language")."""

    model: str
    part: str = ""  # "" is the whole model

    def __str__(self) -> str:
        return f"{self.model}.{self.part}" if self.part else self.model


class Keep(NamedTuple):
    """These units come from one model, untouched."""

    units: tuple[str, ...]
    origin: Origin


class Ingredient(NamedTuple):
    """One `take` of a blend; each setting has one value per unit of the blend."""

    origin: Origin
    settings: Mapping[str, tuple[Value, ...]]


class Blend(NamedTuple):
    """These units are computed from several models by one method."""

    units: tuple[str, ...]
    method: str  # a key of `merge_dsl.meaning.methods.METHODS`
    base: Origin | None
    ingredients: tuple[Ingredient, ...]
    settings: Mapping[str, tuple[Value, ...]]  # shared, one per unit
    seed: int | None = None  # of its random masks; None where the method draws none


class Candidate(NamedTuple):
    """One filled recipe, ready to be built."""

    name: str  # of the `merge` it fills
    models: Mapping[str, Place]
    keeps: tuple[Keep, ...]
    blends: tuple[Blend, ...]

    def digest(self) -> str:
        """16 hex digits that two candidates share exactly when they would build the same model."""
        import hashlib  # not for a lint, which only needs places
        import json

        text = json.dumps(_plain(self), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    """A table for whatever has fields: JSON alone would leave out how they are called."""
    if isinstance(value, tuple):
        fields = getattr(value, "_asdict", None)
        return [_plain(item) for item in value] if fields is None else _plain(fields())
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
