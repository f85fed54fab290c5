"""A candidate: a recipe without holes, as plain data. The only thing that `vlm` is ever given.

A blend is cut into units, the grain at which a value may differ: one layer ("language.layers.3",
"vision.layers.0") or a part that has no layers ("projector", "language.embed", "language.norm",
"language.head", "vision.embed", "vision.norm"). Where a recipe tells the kinds of tensors in a layer apart,
each kind is a unit ("language.layers.3.attention", "….mlp", "….norms"). Every setting of a blend holds one value per unit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

Value = float | int | bool | str


@dataclass(frozen=True)
class Place:
    """Where a model or a data set comes from: scheme "hf" | "file" | "zoo" | "open_clip"."""

    scheme: str
    address: str  # "org/name", an absolute path, "emoji-vlm-en", "ViT-L-14/openai"
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.address}"


@dataclass(frozen=True)
class Origin:
    """A model, or a part of one: `llava.language` is Origin("llava", "language")."""

    model: str
    part: str = ""  # "" is the whole model

    def __str__(self) -> str:
        return f"{self.model}.{self.part}" if self.part else self.model


@dataclass(frozen=True)
class Keep:
    """These units come from one model, untouched."""

    units: tuple[str, ...]
    origin: Origin


@dataclass(frozen=True)
class Ingredient:
    """One `take` of a blend; each setting has one value per unit of the blend."""

    origin: Origin
    settings: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Blend:
    """These units are computed from several models by one method."""

    units: tuple[str, ...]
    method: str  # a key of `merge_dsl.meaning.methods.METHODS`
    base: Origin | None
    ingredients: tuple[Ingredient, ...]
    settings: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)  # shared, one per unit
    seed: int | None = None  # of its random masks; None where the method draws none


@dataclass(frozen=True)
class Candidate:
    """One filled recipe, ready to be built."""

    name: str  # of the `merge` it fills
    models: Mapping[str, Place]
    keeps: tuple[Keep, ...]
    blends: tuple[Blend, ...]

    def digest(self) -> str:
        """16 hex digits that two candidates share exactly when they would build the same model."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
