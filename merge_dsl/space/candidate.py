"""A candidate: a recipe without holes, as plain data. The only thing that `vlm` is ever given.

A merge fills to a `Candidate`, a route to a `Walk`.

A blend is cut into units, the grain at which a value may differ: one layer ("language.layers.3",
"vision.layers.0") or a part that has no layers ("projector", "language.embed", "language.norm",
"language.head", "vision.embed", "vision.norm"). Where a recipe tells the kinds of tensors in a layer apart,
each kind is a unit ("language.layers.3.attention", "….mlp", "….norms"). Every setting of a blend holds one value per unit.
"""

from collections.abc import Mapping
from typing import NamedTuple

Value = float | int | bool | str
STAGE = "stage"  # the scheme of what an earlier step of a recipe makes


class Place(NamedTuple):
    """Where a model or a data set comes from: scheme "hf" | "file" | "zoo" | "open_clip", or STAGE."""

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
        return _digest(self)


class Hop(NamedTuple):
    """One step of a walk: what enters this layer is multiplied by `scale`."""

    model: str
    layer: int
    scale: float = 1.0


class Walk(NamedTuple):
    """One filled route: layers of several models, one after another, whose weights do not change.

    `begin` gives everything before the walked stack (the embedding; for the layers of a language
    model the tower and projector too) and the config, `end` what comes after it (norm and head).
    For a tower both are one model.
    """

    name: str  # of the `route` it fills
    models: Mapping[str, Place]  # those that it needs
    stack: str  # "language" | "vision"
    begin: str
    end: str
    hops: tuple[Hop, ...]
    scale_of: str = "stream"  # what a scale multiplies: "stream", or "mlp", the last block's output

    def digest(self) -> str:
        """16 hex digits that two walks share exactly when they would compute the same."""
        plain = all(hop.scale == 1.0 for hop in self.hops)
        return _digest(self._replace(scale_of="stream") if plain else self)


def _digest(candidate: Candidate | Walk) -> str:
    import hashlib  # not for a lint, which only needs places
    import json

    text = json.dumps(_plain(candidate), sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    """A table for whatever has fields: JSON alone would leave out how they are called."""
    if isinstance(value, tuple):
        fields = getattr(value, "_asdict", None)
        return [_plain(item) for item in value] if fields is None else _plain(fields())
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
