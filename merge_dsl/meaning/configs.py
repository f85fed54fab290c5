"""What a `config.json` says of its model, whoever wrote it.

In: the table in `config.json`. Out: fields of `Facts`, by name. Families call one thing by several
names (`image_token_id`, `image_token_index`; `num_hidden_layers`, `depth`), and transformers 4 leaves
out of a nested config whatever is the default of its class: those defaults are in a bundled table,
which `python -m vlm.anatomy.defaults` writes from transformers itself.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("known_configs.json")
CONTRASTIVE = re.compile(r"clip|siglip\d?")  # an image and a text tower, and no language model
TOWERS = re.compile(r"(clip|siglip\d?)_vision_model|dinov\d|.*_vision(_model)?")

Table = Mapping[str, Any]


@cache
def known_configs() -> Mapping[str, Table]:
    """`model_type` -> what its config has where nothing is written."""
    table: Mapping[str, Table] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def said_by(config: Table) -> dict[str, Any]:
    """The facts that a config states itself; a field that it is silent about is left out."""
    kind = _word(config, "model_type")
    inner, vision = config.get("text_config"), config.get("vision_config")
    tower_alone = kind is not None and _is_tower(kind, isinstance(inner, dict))
    sees = tower_alone or isinstance(vision, dict)
    said: dict[str, Any] = {"model_type": kind, "sees": sees, "speaks": not tower_alone}
    if sees:
        said |= _tower(vision if isinstance(vision, dict) else config)
        said["feature_layer"] = _signed(config, "vision_feature_layer")
    if not tower_alone:
        said |= _language(inner if isinstance(inner, dict) else config)
        said["image_token"] = whole(config, "image_token_id", "image_token_index")
        if "tie_word_embeddings" in config:  # the outer config decides
            said["tied"] = _truth(config, "tie_word_embeddings")
    return {name: value for name, value in said.items() if value is not None}


def meant_by(config: Table) -> dict[str, Any]:
    """The same, with what the classes of nested configs have where nothing is written."""
    if not any(isinstance(config.get(name), dict) for name in ("text_config", "vision_config")):
        return said_by(config)  # a config that stands alone is written in full
    outer = known_configs().get(_word(config, "model_type") or "", {})
    full = {**outer, **config}
    for name in ("text_config", "vision_config"):
        inner = config.get(name)
        if not isinstance(inner, dict):
            continue
        kind = _word(inner, "model_type") or outer.get(name)
        default = dict(known_configs().get(kind, {}) if isinstance(kind, str) else {})
        if "rope_theta" in inner:
            default.pop("rope_parameters", None)  # as transformers 5 says the same
        full[name] = {**default, "model_type": kind, **inner}
    return said_by(full)


def _is_tower(kind: str, speaks: bool) -> bool:
    """`clip` has a text tower and is no language model; `aya_vision` is one, with eyes."""
    if CONTRASTIVE.fullmatch(kind):
        return True
    return not speaks and TOWERS.fullmatch(kind) is not None


def _tower(tower: Table) -> dict[str, Any]:
    layers = whole(tower, "num_hidden_layers", "depth", "num_layers")
    hidden = whole(
        tower, "embed_dim", "hidden_size"
    )  # of Qwen2-VL, `hidden_size` is what leaves it
    inner, ratio = whole(tower, "intermediate_size"), finite(tower.get("mlp_ratio"))
    if inner is None and hidden and ratio:
        inner = round(hidden * ratio)
    more = whole(tower, "num_global_layers")  # behind the others, as in mllama
    return {
        "vision_layers": layers + (more or 0) if layers is not None else None,
        "vision_hidden": hidden,
        "vision_intermediate": inner,
        "vision_heads": whole(tower, "num_attention_heads", "num_heads", "attention_heads"),
        "vision_act": _word(tower, "hidden_act"),
        "image_size": _side(tower, "image_size"),
        "patch_size": _side(tower, "patch_size"),
    }


def _language(text: Table) -> dict[str, Any]:
    heads = whole(text, "num_attention_heads")
    hidden, layers = whole(text, "hidden_size"), whole(text, "num_hidden_layers")
    crossed = _numbers(text.get("cross_attention_layers"))
    if layers is not None:  # those that look at the picture are the projector's
        layers -= sum(number < layers for number in crossed)
    return {
        "text_type": _word(text, "model_type"),
        "layers": layers,
        "cross_layers": crossed or None,
        "hidden": hidden,
        "intermediate": whole(text, "intermediate_size", "ffn_dim"),
        "heads": heads,
        "kv_heads": whole(text, "num_key_value_heads") or heads,
        "head_dim": whole(text, "head_dim") or (hidden // heads if hidden and heads else None),
        "norm_eps": short(_first(text, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")),
        "sliding_window": _window(text),
        "act": _word(text, "hidden_activation", "hidden_act", "activation_function"),
        "vocab": whole(text, "vocab_size"),
        "rope_theta": _theta(text),
        "tied": _truth(text, "tie_word_embeddings"),
    }


def _window(text: Table) -> int | None:
    """Tokens that a layer looks back; 0 where it is said that every layer sees all."""
    if text.get("use_sliding_window") is False:
        return 0
    if "sliding_window" in text and text["sliding_window"] is None:
        return 0
    return whole(text, "sliding_window")


def _theta(text: Table) -> float | None:
    """The base of the positions; of a model with two kinds of layers, that of those that see all."""
    rope = text.get("rope_parameters")
    if isinstance(rope, dict):
        full = rope.get("full_attention")
        rope = full if isinstance(full, dict) else rope
        if finite(rope.get("rope_theta")) is not None:
            return finite(rope["rope_theta"])
    return finite(text.get("rope_theta"))


def _numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(sorted({n for n in value if type(n) is int and n >= 0}))


def _first(table: Table, *names: str) -> object:
    return next((table[name] for name in names if table.get(name) is not None), None)


def finite(value: object) -> float | None:
    """A number that is one."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def short(value: object) -> float | None:
    """The same to six digits: a file of GGUF keeps 1e-05 as 9.99999975e-06."""
    number = finite(value)
    return None if number is None else float(f"{number:.6g}")


def whole(table: Table, *names: str) -> int | None:
    """The first of these that is a whole number."""
    for name in names:
        value = table.get(name)
        if type(value) is int and value >= 0:
            return value
    return None


def _side(table: Table, name: str) -> int | None:
    """A size that may be written as two; two that differ are no size."""
    value = table.get(name)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if type(value) is int and value >= 0 else None


def _word(table: Table, *names: str) -> str | None:
    return next((table[name] for name in names if isinstance(table.get(name), str)), None)


def _truth(table: Table, name: str) -> bool | None:
    value = table.get(name)
    return value if isinstance(value, bool) else None


def _signed(table: Table, name: str) -> int | None:
    value = table.get(name)
    return value if type(value) is int else None
