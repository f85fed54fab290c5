"""What is known of a model without its weights.

In: a model folder, or the name of a well-known checkpoint. Out: `Facts`. They come from the shapes in
the safetensors headers where there are any, then from `config.json`, then from a bundled table. A
field is None where nothing says; no rule may take None for a mistake.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.meaning.clip import architecture, tag_of
from merge_dsl.meaning.configs import finite, meant_by, said_by, short, whole
from merge_dsl.meaning.files import bytes_of
from merge_dsl.meaning.gguf import GgufError, read_gguf
from merge_dsl.meaning.headers import BYTES, HeaderError, TensorEntry, read_checkpoint
from merge_dsl.meaning.places import GGUF
from merge_dsl.space.candidate import Place

TABLE = Path(__file__).with_name("known_models.json")
TALLEST = 10_000  # layers; a config that says more is not believed, for each is gone through
SCALED = re.compile(r"\.(ls_?[12]\.gamma|lambda_?[12]|layer_scale[12]\.lambda1)$")


class FactsError(Exception):
    """A model folder that cannot be believed."""


class Facts(NamedTuple):
    """One model. Numbers of `vision` are its tower's; the others its language model's."""

    model_type: str | None = None
    sees: bool = False
    speaks: bool = True
    layers: int | None = None
    hidden: int | None = None
    intermediate: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    vocab: int | None = None
    rope_theta: float | None = None
    tied: bool | None = None
    image_token: int | None = None
    vision_layers: int | None = None
    vision_hidden: int | None = None
    vision_intermediate: int | None = None
    vision_heads: int | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    text_type: str | None = None  # the `model_type` of the language model itself
    head_dim: int | None = None
    norm_eps: float | None = None
    sliding_window: int | None = None  # 0: every layer sees all that was said
    act: str | None = None
    # Layers that look at the picture, as in mllama: where they stand among all. They are no
    # `layers`, but of the projector.
    cross_layers: tuple[int, ...] | None = None
    layer_keys: frozenset[str] | None = None  # tensors of language layer 0, from the headers
    vision_keys: frozenset[str] | None = None  # of the tower's embedding and layer 0
    readable: bool | None = None  # whether the headers show where the language layers are
    vision_act: str | None = None
    image_size: int | None = None
    patch_size: int | None = None
    layer_scale: bool | None = None  # the tower multiplies the output of each half layer
    difference: bool = False  # an adapter: what is added to a model, not a model
    projector_in: int | None = None
    projector_out: int | None = None
    feature_layer: int | None = None  # which tower layer the projector reads; negative from the end

    def height(self, stack: str) -> int | None:
        """The number of layers of "language" or "vision"."""
        return self.layers if stack == "language" else self.vision_layers

    def has(self, stack: str) -> bool:
        """Whether there is such a part: "language", "vision" or "projector"."""
        if stack == "projector":
            return self.sees and self.speaks
        return self.speaks if stack == "language" else self.sees


def facts_of(place: Place, folder: Path | None, architecture: str | None = None) -> Facts | None:
    """What is known of a model at a place; `architecture` is open_clip's, of a bare checkpoint.

    Raises FactsError for a damaged folder.
    """
    if architecture is not None:
        return tower_facts(architecture)
    if folder is not None:
        return read_facts(folder)
    if place.scheme == "open_clip":
        return tower_facts(place.address)
    if place.scheme == "hf":
        return known_models().get(place.address)
    return None


@cache
def known_models() -> Mapping[str, Facts]:
    """The bundled table: public facts about popular checkpoints."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Facts(**entry) for name, entry in table.items()}


def read_facts(folder: Path) -> Facts:
    """Facts of a local model folder."""
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        return Facts("adapter", sees=True, difference=True)  # its base says what parts it has
    if folder.suffix == GGUF and folder.is_file():
        return _of_gguf(folder)
    clip = _open_clip(folder)
    config = _config(folder) if clip is None else {}
    facts = Facts(**said_by(config)) if clip is None else clip
    for layers in (facts.layers, facts.vision_layers):
        if layers is not None and layers > TALLEST:
            raise FactsError(f"config.json of {folder} says more than {TALLEST} layers")
    try:
        entries = read_checkpoint(folder)
    except HeaderError as error:
        raise FactsError(str(error)) from error
    except OSError as error:
        raise FactsError(f"{folder} cannot be read: {error.strerror}") from error
    if clip is not None:  # its text tower has layers too
        entries = {n: entry for n, entry in entries.items() if n.startswith("visual.")}
    if entries:
        facts = _with_weights(facts, entries)
    if clip is not None:
        facts = facts._replace(
            vision_keys=None
        )  # open_clip has names of its own for what is the same
    # What nothing says is as the class of the config has it.
    return facts._replace(**_missing(facts, meant_by(config) if config else {}))


def _missing(facts: Facts, found: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in found.items() if n in Facts._fields and getattr(facts, n) is None}


def tower_facts(address: str) -> Facts | None:
    """Facts of an open_clip tower, where open_clip is installed and knows the architecture."""
    config = architecture(address)
    tag = tag_of(address)
    return _tower(config, tag is not None and tag.quick_gelu) if config else None


def _open_clip(folder: Path) -> Facts | None:
    """Facts of a folder that open_clip wrote; None for any other."""
    weights = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    path = folder / "open_clip_config.json"
    other = (folder / "config.json").is_file()
    if not path.is_file() or (other and not any((folder / name).is_file() for name in weights)):
        return None
    try:
        found = _tower(json.loads(bytes_of(path).decode("utf-8"))["model_cfg"], False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FactsError(f"{path.name} of {folder} cannot be read") from error
    if found is None:
        raise FactsError(f"{path.name} of {folder} has no tower")
    return found


def _of_gguf(path: Path) -> Facts:
    try:
        said, sizes = read_gguf(path)
    except GgufError as error:
        raise FactsError(str(error)) from error
    kind = said.get("general.architecture")
    kind = kind if isinstance(kind, str) else ""

    def count(name: str) -> int | None:
        return whole(said, f"{kind}.{name}")

    heads, hidden = count("attention.head_count"), count("embedding_length")
    return Facts(
        kind or None,
        layers=count("block_count"),
        hidden=hidden,
        intermediate=count("feed_forward_length"),
        heads=heads,
        kv_heads=count("attention.head_count_kv") or heads,
        vocab=count("vocab_size") or whole(said, "tokenizer.ggml.tokens"),
        rope_theta=finite(said.get(f"{kind}.rope.freq_base")),
        text_type=kind or None,
        head_dim=count("attention.key_length") or (hidden // heads if hidden and heads else None),
        norm_eps=short(said.get(f"{kind}.attention.layer_norm_rms_epsilon")),
        tied="output.weight" not in sizes if sizes else None,
        parameters=sum(sizes.values()) or None,
        weight_bytes=sum(sizes.values()) * BYTES["F32"] or None,  # as it is dequantised
    )


def _tower(config: Mapping[str, Any], quick: bool) -> Facts | None:
    """Facts of an architecture of open_clip; `quick` where its weights are tuned for QuickGELU."""
    vision = config.get("vision_cfg")
    if not isinstance(vision, dict):
        return None
    width, layers = whole(vision, "width"), whole(vision, "layers")
    quick = quick or config.get("quick_gelu") is True
    ratio = finite(vision.get("mlp_ratio", 4.0))
    return Facts(
        "open_clip",
        sees=True,
        speaks=False,
        vision_layers=layers,
        vision_hidden=width,
        vision_intermediate=round(width * ratio) if width and ratio else None,
        vision_heads=width // (whole(vision, "head_width") or 64) if width else None,
        vision_act=("quick_gelu" if quick else "gelu") if layers and width else None,
        image_size=whole(vision, "image_size"),
        patch_size=whole(vision, "patch_size"),
        layer_scale=vision.get("ls_init_value") is not None if layers else None,
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(bytes_of(folder / "config.json").decode("utf-8"))
    except FileNotFoundError as error:
        raise FactsError(f"{folder} has no config.json") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FactsError(f"config.json of {folder} cannot be read: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise FactsError(f"config.json of {folder} cannot be read") from error
    if not isinstance(config, dict):
        raise FactsError(f"config.json of {folder} is no table")
    return config


def _with_weights(facts: Facts, entries: Mapping[str, TensorEntry]) -> Facts:
    """Shapes win over what config leaves out; where both speak they must agree."""
    from merge_dsl.meaning.anatomy import spots_of  # a lint of hub models alone needs none of it

    spots = spots_of(entries)
    found: dict[str, Any] = {}
    if facts.speaks:
        found |= _language(entries, spots)
    if facts.sees:
        found |= _vision(entries, spots)
    for name, seen in found.items():
        said = getattr(facts, name)
        if seen is not None and said is not None and seen != said and name in CHECKED:
            spoken = name.replace("_", " ")
            raise FactsError(f"config.json says {spoken} {said}, the weights have {seen}")
    return facts._replace(
        **_missing(facts, found),
        tied=_tied(facts, spots),
        parameters=sum(entry.size for entry in entries.values()),
        weight_bytes=sum(entry.size * BYTES.get(entry.dtype, 2) for entry in entries.values()),
    )


CHECKED = ("layers", "hidden", "intermediate", "vision_layers", "vision_hidden")
Spots = Mapping[str, tuple[str, str]]  # tensor name -> its unit, and its name inside it


def _tied(facts: Facts, spots: Spots) -> bool | None:
    """Many files hold the head of a tied model too, so only its absence says something."""
    if not facts.speaks:
        return None
    return facts.tied is True or not any(unit == "language.head" for unit, _ in spots.values())


def _language(entries: Mapping[str, TensorEntry], spots: Spots) -> dict[str, Any]:
    embed = _shape(entries, spots, "language.embed", "weight")
    gate = _shape(entries, spots, "language.layers.0", "mlp.gate_proj.weight")
    keys = frozenset(tail for unit, tail in spots.values() if unit == "language.layers.0")
    layers = _height(spots, "language")
    return {
        "readable": embed is not None and layers is not None,
        "layers": layers,
        "vocab": embed[0] if embed else None,
        "hidden": embed[1] if embed else None,
        "intermediate": gate[0] if gate else None,
        "layer_keys": keys or None,
    }


def _shape(
    entries: Mapping[str, TensorEntry], spots: Spots, unit: str, tail: str
) -> tuple[int, ...] | None:
    """The two sides of a matrix, by its role."""
    name = next((n for n, spot in spots.items() if spot == (unit, tail)), None)
    shape = entries[name].shape if name is not None else ()
    return shape if len(shape) == 2 else None


def _vision(entries: Mapping[str, TensorEntry], spots: Spots) -> dict[str, Any]:
    bridge = {n.rpartition("multi_modal_projector.")[2]: e for n, e in entries.items()}
    first, last = bridge.get("linear_1.weight"), bridge.get("linear_2.weight")
    layers = _height(spots, "vision")
    scaled = any(
        SCALED.search(f".{tail}")
        for unit, tail in spots.values()
        if unit.startswith("vision.layers.")
    )
    return {
        "vision_layers": layers,
        "layer_scale": scaled if layers else None,
        "vision_keys": _seeing(spots) or None,
        "projector_in": first.shape[1] if first and len(first.shape) == 2 else None,
        "projector_out": last.shape[0] if last and len(last.shape) == 2 else None,
    }


def _seeing(spots: Spots) -> frozenset[str]:
    """What a tower is built of before its pool; old files also hold a table of positions that counts up."""
    units = ("vision.embed", "vision.layers.0")
    tails = (tail for unit, tail in spots.values() if unit in units)
    return frozenset(tail for tail in tails if not tail.endswith("position_ids"))


def _height(spots: Spots, stack: str) -> int | None:
    """How many layers "language" or "vision" has; None where none is seen."""
    start = f"{stack}.layers."
    numbers = {
        int(unit.removeprefix(start)) for unit, _ in spots.values() if unit.startswith(start)
    }
    return max(numbers) + 1 if numbers else None
