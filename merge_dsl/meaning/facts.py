"""What is known of a model without its weights.

In: a model folder, or the name of a well-known checkpoint. Out: `Facts`. They come from the shapes in
the safetensors headers where there are any, then from `config.json`, then from a bundled table. A
field is None where nothing says; no rule may take None for a mistake.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.meaning.clip import architecture, tag_of
from merge_dsl.meaning.files import bytes_of
from merge_dsl.meaning.gguf import GgufError, read_gguf
from merge_dsl.meaning.headers import BYTES, HeaderError, TensorEntry, read_checkpoint
from merge_dsl.meaning.places import GGUF
from merge_dsl.space.candidate import Place

TABLE = Path(__file__).with_name("known_models.json")
TALLEST = 10_000  # layers; a config that says more is not believed, for each is gone through
SCALED = re.compile(r"\.(ls_?[12]\.gamma|lambda_?[12]|layer_scale[12]\.lambda1)$")
CONTRASTIVE = re.compile(r"clip|siglip\d?")
TOWERS = re.compile(r"(clip|siglip\d?)_vision_model|dinov\d|.*_vision(_model)?")


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
    sliding_window: int | None = None
    act: str | None = None
    cross_layers: tuple[int, ...] = ()  # layers that look at the picture, as in mllama
    layer_keys: frozenset[str] | None = None  # tensors of language layer 0, from the headers
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


def facts_of(place: Place, folder: Path | None) -> Facts | None:
    """What is known of a model at a place. Raises FactsError for a damaged folder."""
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
    facts = clip if clip is not None else _of_config(_config(folder))
    for height in (facts.layers, facts.vision_layers):
        if height is not None and height > TALLEST:
            raise FactsError(f"config.json of {folder} says more than {TALLEST} layers")
    try:
        entries = read_checkpoint(folder)
    except HeaderError as error:
        raise FactsError(str(error)) from error
    except OSError as error:
        raise FactsError(f"{folder} cannot be read: {error.strerror}") from error
    if clip is not None:  # its text tower has layers too
        entries = {n: entry for n, entry in entries.items() if n.startswith("visual.")}
    return _with_weights(facts, entries) if entries else facts


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
        said = read_gguf(path)
    except GgufError as error:
        raise FactsError(str(error)) from error
    kind = said.get("general.architecture")
    kind = kind if isinstance(kind, str) else ""

    def whole(name: str) -> int | None:
        return _whole(said, f"{kind}.{name}")

    heads, hidden = whole("attention.head_count"), whole("embedding_length")
    return Facts(
        kind or None,
        layers=whole("block_count"),
        hidden=hidden,
        intermediate=whole("feed_forward_length"),
        heads=heads,
        kv_heads=whole("attention.head_count_kv") or heads,
        vocab=whole("vocab_size") or _whole(said, "tokenizer.ggml.tokens"),
        rope_theta=_finite(said.get(f"{kind}.rope.freq_base")),
        text_type=kind or None,
        head_dim=whole("attention.key_length") or (hidden // heads if hidden and heads else None),
    )


def _tower(config: Mapping[str, Any], quick: bool) -> Facts | None:
    """Facts of an architecture of open_clip; `quick` where its weights are tuned for QuickGELU."""
    vision = config.get("vision_cfg")
    if not isinstance(vision, dict):
        return None
    width, layers = _whole(vision, "width"), _whole(vision, "layers")
    quick = quick or config.get("quick_gelu") is True
    ratio = vision.get("mlp_ratio", 4.0)
    return Facts(
        "open_clip",
        sees=True,
        speaks=False,
        vision_layers=layers,
        vision_hidden=width,
        vision_intermediate=round(width * ratio) if width else None,
        vision_heads=width // (_whole(vision, "head_width") or 64) if width else None,
        vision_act=("quick_gelu" if quick else "gelu") if layers and width else None,
        image_size=_whole(vision, "image_size"),
        patch_size=_whole(vision, "patch_size"),
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


def _of_config(config: dict[str, Any]) -> Facts:
    kind = config.get("model_type")
    kind = kind if isinstance(kind, str) else None
    vision = config.get("vision_config")
    tower_alone = kind is not None and _is_tower(kind, isinstance(config.get("text_config"), dict))
    sees = tower_alone or isinstance(vision, dict)
    facts = Facts(model_type=kind, sees=sees, speaks=not tower_alone)
    if sees:
        tower = vision if isinstance(vision, dict) else config
        facts = facts._replace(
            vision_layers=_whole(tower, "num_hidden_layers", "depth"),
            vision_hidden=_whole(tower, "hidden_size", "embed_dim"),
            vision_intermediate=_whole(tower, "intermediate_size"),
            vision_heads=_whole(tower, "num_attention_heads", "num_heads"),
            vision_act=_word(tower, "hidden_act"),
            image_size=_whole(tower, "image_size"),
            patch_size=_whole(tower, "patch_size"),
            feature_layer=_signed(config, "vision_feature_layer"),
        )
    if tower_alone:
        return facts
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    rope = text.get("rope_parameters")
    theta = text.get("rope_theta", rope.get("rope_theta") if isinstance(rope, dict) else None)
    tied = config.get("tie_word_embeddings")
    heads = _whole(text, "num_attention_heads")
    hidden = _whole(text, "hidden_size")
    eps = text.get("rms_norm_eps")
    crossed = text.get("cross_attention_layers")
    return facts._replace(
        text_type=_word(text, "model_type") or (None if text is not config else kind),
        head_dim=_whole(text, "head_dim") or (hidden // heads if hidden and heads else None),
        norm_eps=float(eps) if isinstance(eps, int | float) else None,
        sliding_window=_whole(text, "sliding_window"),
        act=_word(text, "hidden_act", "hidden_activation"),
        cross_layers=tuple(n for n in crossed if type(n) is int)
        if isinstance(crossed, list)
        else (),
        layers=_whole(text, "num_hidden_layers"),
        hidden=_whole(text, "hidden_size"),
        intermediate=_whole(text, "intermediate_size"),
        heads=heads,
        kv_heads=_whole(text, "num_key_value_heads") or heads,
        vocab=_whole(text, "vocab_size"),
        rope_theta=_finite(theta),
        tied=tied if isinstance(tied, bool) else None,
        image_token=_whole(config, "image_token_id", "image_token_index"),
    )


def _is_tower(kind: str, speaks: bool) -> bool:
    """`clip` has a text tower and is no language model; `aya_vision` is one, with eyes."""
    if CONTRASTIVE.fullmatch(kind):
        return True
    return not speaks and TOWERS.fullmatch(kind) is not None


def _finite(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(table: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = table.get(name)
        if type(value) is int and value >= 0:
            return value
    return None


def _word(table: Mapping[str, Any], *names: str) -> str | None:
    return next((table[name] for name in names if isinstance(table.get(name), str)), None)


def _signed(table: Mapping[str, Any], name: str) -> int | None:
    value = table.get(name)
    return value if type(value) is int else None


def _with_weights(facts: Facts, entries: Mapping[str, TensorEntry]) -> Facts:
    """Shapes win over what config leaves out; where both speak they must agree."""
    prefix = next(
        (
            n.removesuffix("embed_tokens.weight")
            for n in entries
            if n.endswith("embed_tokens.weight")
        ),
        None,
    )
    found: dict[str, Any] = {}
    if facts.speaks:
        found["readable"] = prefix is not None and _height(entries, _layers(prefix)) is not None
    if facts.speaks and prefix is not None:
        found = _language(entries, prefix)
    if facts.sees:
        found |= _vision(entries, prefix)
    for name, seen in found.items():
        said = getattr(facts, name)
        if seen is not None and said is not None and seen != said and name in CHECKED:
            spoken = name.replace("_", " ")
            raise FactsError(f"config.json says {spoken} {said}, the weights have {seen}")
    missing = {n: v for n, v in found.items() if n in Facts._fields and getattr(facts, n) is None}
    return facts._replace(
        **missing,
        tied=_tied(facts, entries),
        parameters=sum(entry.size for entry in entries.values()),
        weight_bytes=sum(entry.size * BYTES.get(entry.dtype, 2) for entry in entries.values()),
    )


CHECKED = ("layers", "hidden", "intermediate", "vision_layers", "vision_hidden")


def _tied(facts: Facts, entries: Mapping[str, TensorEntry]) -> bool | None:
    if not facts.speaks:
        return None
    return not any(name.endswith("lm_head.weight") for name in entries)


def _layers(prefix: str) -> str:
    return re.escape(prefix) + r"layers\.(\d+)\."


def _language(entries: Mapping[str, TensorEntry], prefix: str) -> dict[str, Any]:
    embed = entries[f"{prefix}embed_tokens.weight"].shape
    first = f"{prefix}layers.0."
    gate = entries.get(f"{first}mlp.gate_proj.weight")
    return {
        "layers": _height(entries, _layers(prefix)),
        "vocab": embed[0] if len(embed) == 2 else None,
        "hidden": embed[1] if len(embed) == 2 else None,
        "intermediate": gate.shape[0] if gate and len(gate.shape) == 2 else None,
        "layer_keys": frozenset(n.removeprefix(first) for n in entries if n.startswith(first))
        or None,
    }


def _vision(entries: Mapping[str, TensorEntry], prefix: str | None) -> dict[str, Any]:
    other = [n for n in entries if prefix is None or not n.startswith(prefix)]
    other = [n for n in other if not n.startswith("text_model.")]  # of a whole CLIP
    towers = {n: entries[n] for n in other if re.search(r"(vis|encoder|blocks)", n)}
    bridge = {n.rpartition("multi_modal_projector.")[2]: e for n, e in entries.items()}
    first, last = bridge.get("linear_1.weight"), bridge.get("linear_2.weight")
    return {
        "vision_layers": _height(towers, r".*?(?:encoder\.layers?|blocks)\.(\d+)\."),
        "layer_scale": any(SCALED.search(n) for n in towers) if towers else None,
        "projector_in": first.shape[1] if first and len(first.shape) == 2 else None,
        "projector_out": last.shape[0] if last and len(last.shape) == 2 else None,
    }


def _height(names: Mapping[str, TensorEntry], pattern: str) -> int | None:
    numbers = [int(match[1]) for name in names if (match := re.match(pattern, name))]
    return max(numbers) + 1 if numbers else None
