"""The anatomy of a common model from its config and its header alone, in a few milliseconds.

In: `config.json` as a table, and the shape of every tensor in the files. Out: the same `Anatomy` that
`vlm/anatomy/parts.py` reads off transformers' model, or None: transformers is loaded then, which takes
seconds. What the architecture wants is written down here once more, tensor by tensor with its shape,
for Llama, Mistral, Qwen2 and Qwen3, and for a LLaVA of a CLIP tower and one of these. Only a file that holds
exactly that, no tensor more or less or of another shape, is taken apart here; a test holds every such
anatomy equal to that of transformers, to the order of its tensors.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from merge_dsl.meaning.anatomy import spots_of
from merge_dsl.meaning.configs import known_configs
from vlm.anatomy.body import Anatomy, Role

Shape = tuple[int, ...]
Shapes = Iterator[tuple[Role, Shape]]
Table = Mapping[str, Any]
DECODERS = ("llama", "mistral", "qwen2", "qwen3")
EYES, TOWER = "llava", "clip_vision_model"
NESTED = {"text_config", "vision_config", "vision_feature_layer"}  # of several types
SIZES = (
    "hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "image_size", "patch_size", "tie_word_embeddings",
    "vision_feature_layer",
)  # fmt: skip


def plain_anatomy(config: Table, shapes: Mapping[str, Shape]) -> Anatomy | None:
    """The anatomy of the model with this config, whose files hold tensors of these names and shapes."""
    try:
        kind = config.get("model_type")
        if kind not in (EYES, *DECODERS):
            return None
        wanted = dict(_llava(config) if kind == EYES else _decoder(_full(config, kind), kind))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None  # a config that leaves something open, or says what transformers must judge
    spots = spots_of(shapes)
    roles = {name: Role(*spots[name]) for name in shapes if name in spots}
    held = {role: shapes[name] for name, role in roles.items()}
    if held != wanted or len(roles) != len(shapes) or len(held) != len(roles):
        return None
    return Anatomy(roles, wanted, sees=kind == EYES, speaks=True)


def _full(written: Table, kind: str) -> Table:
    """A config with what its class has where nothing is written."""
    default = known_configs()[kind]
    if any(written.get(name, 0) is None and default.get(name) is not None for name in SIZES):
        raise ValueError("what null means where the class has a value is for transformers to say")
    for name in default.keys() & written.keys() - NESTED:
        if not _is_like(written[name], default[name]):
            raise ValueError("a value of another type is for transformers to judge")
    return {**default, **written}


def _is_like(value: object, default: object) -> bool:
    """Whether a value is of the type that its class has there; whole numbers may stand for others."""
    if value is None or default is None:
        return True
    allowed = (int, float) if type(default) is float else (type(default),)
    return type(value) in allowed


def _decoder(config: Table, kind: str) -> Shapes:
    """A language model, in the order in which transformers builds it."""
    hidden, inner, words = (
        _whole(config, name) for name in ("hidden_size", "intermediate_size", "vocab_size")
    )
    heads = _whole(config, "num_attention_heads")
    shared = _whole(config, "num_key_value_heads", heads)
    width = _whole(config, "head_dim", hidden // heads)
    asked = kind in ("llama", "qwen3") and _truth(config, "attention_bias")
    biased = {"q": asked, "k": asked, "v": asked, "o": asked}
    if kind == "qwen2":
        biased = {"q": True, "k": True, "v": True, "o": False}
    inner_biased = kind == "llama" and _truth(config, "mlp_bias")
    attention = {
        "q": (heads * width, hidden),
        "k": (shared * width, hidden),
        "v": (shared * width, hidden),
        "o": (hidden, heads * width),
    }
    yield Role("language.embed", "weight"), (words, hidden)
    for number in range(_whole(config, "num_hidden_layers")):
        unit = f"language.layers.{number}"
        for name, shape in attention.items():
            yield from _linear(unit, f"self_attn.{name}_proj", shape, biased[name])
        for name in ("q_norm", "k_norm") if kind == "qwen3" else ():
            yield Role(unit, f"self_attn.{name}.weight"), (width,)
        for name in ("gate_proj", "up_proj"):
            yield from _linear(unit, f"mlp.{name}", (inner, hidden), inner_biased)
        yield from _linear(unit, "mlp.down_proj", (hidden, inner), inner_biased)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield Role(unit, f"{name}.weight"), (hidden,)
    yield Role("language.norm", "weight"), (hidden,)
    if not _truth(config, "tie_word_embeddings"):
        yield Role("language.head", "weight"), (words, hidden)


def _llava(written: Table) -> Shapes:
    """A CLIP tower, two linear layers, and a decoder; a tied one is left to transformers."""
    config = _full(written, EYES)
    inner, outer = written["text_config"], written["vision_config"]
    default = known_configs()[EYES]
    kind = inner.get("model_type", default["text_config"])
    seen = outer.get("model_type", default["vision_config"])
    if kind not in DECODERS or seen != TOWER:
        raise ValueError("a decoder or a tower that is not written down here")
    text, vision = _full(inner, kind), _full(outer, TOWER)
    if _truth(config, "tie_word_embeddings") or _truth(text, "tie_word_embeddings"):
        raise ValueError("of two configs, which of them ties is for transformers to say")
    yield from _clip(vision)
    layers = config["vision_feature_layer"]
    features = len(layers) if isinstance(layers, list) else 1
    hidden, wide = _whole(text, "hidden_size"), _whole(vision, "hidden_size") * features
    biased = _truth(config, "multimodal_projector_bias", True)
    for number, columns in ((1, wide), (2, hidden)):
        name = f"multi_modal_projector.linear_{number}"
        yield from _linear("projector", name, (hidden, columns), biased)
    yield from _decoder(text, kind)


def _clip(config: Table) -> Shapes:
    hidden, inner = _whole(config, "hidden_size"), _whole(config, "intermediate_size")
    side, patch = _whole(config, "image_size"), _whole(config, "patch_size")
    embed = "vision.embed"
    yield Role(embed, "embeddings.class_embedding"), (hidden,)
    colours = _whole(config, "num_channels", 3)
    yield Role(embed, "embeddings.patch_embedding.weight"), (hidden, colours, patch, patch)
    places = (side // patch) ** 2 + 1
    yield Role(embed, "embeddings.position_embedding.weight"), (places, hidden)
    yield from _norm(embed, "pre_layrnorm.", hidden)
    for number in range(_whole(config, "num_hidden_layers")):
        unit = f"vision.layers.{number}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from _linear(unit, f"self_attn.{name}", (hidden, hidden), True)
        yield from _norm(unit, "layer_norm1.", hidden)
        yield from _linear(unit, "mlp.fc1", (inner, hidden), True)
        yield from _linear(unit, "mlp.fc2", (hidden, inner), True)
        yield from _norm(unit, "layer_norm2.", hidden)
    yield from _norm("vision.norm", "", hidden)


def _linear(unit: str, name: str, shape: tuple[int, int], biased: bool) -> Shapes:
    yield Role(unit, f"{name}.weight"), shape
    if biased:
        yield Role(unit, f"{name}.bias"), shape[:1]


def _norm(unit: str, lead: str, width: int) -> Shapes:
    yield Role(unit, f"{lead}weight"), (width,)
    yield Role(unit, f"{lead}bias"), (width,)


def _whole(config: Table, name: str, default: int | None = None) -> int:
    """A whole number above 0. Raises ValueError for anything else, and where nothing says it."""
    value = config.get(name)
    value = default if value is None else value
    if type(value) is not int or value < 1:
        raise ValueError(name)
    return value


def _truth(config: Table, name: str, default: bool = False) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(name)
    return value
