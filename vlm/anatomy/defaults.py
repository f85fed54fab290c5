"""Writes `merge_dsl/meaning/known_configs.json`: what configs have where nothing is written.

`python -m vlm.anatomy.defaults`. A lint must know these numbers, for transformers 4 left them out of
nested configs, and must not import transformers; so they are taken from there once, and a test holds
the table to the installed version.
"""

import json
from pathlib import Path
from typing import Any

from vlm.compat import ensure_torchvision

ensure_torchvision()

from transformers import AutoConfig  # noqa: E402

TABLE = Path(__file__).parents[2] / "merge_dsl" / "meaning" / "known_configs.json"
FAMILIES = (
    "llava", "vipllava", "llava_next", "llava_next_video", "llava_onevision", "qwen2_vl", "qwen2_5_vl",
    "qwen3_vl", "idefics2", "idefics3", "smolvlm", "paligemma", "gemma3", "internvl", "mistral3",
    "aya_vision", "cohere2_vision", "mllama", "llama4", "blip-2", "instructblip",
)  # fmt: skip
LANGUAGES = (
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "cohere", "cohere2", "phi3",
    "opt",
)  # fmt: skip
TOWERS = ("clip_vision_model", "siglip_vision_model", "pixtral")
KEYS = (
    "num_hidden_layers", "depth", "hidden_size", "embed_dim", "intermediate_size", "mlp_ratio", "ffn_dim",
    "num_attention_heads", "num_heads", "attention_heads", "num_key_value_heads", "head_dim",
    "hidden_act", "hidden_activation", "activation_function", "rms_norm_eps", "layer_norm_eps",
    "vocab_size", "sliding_window", "use_sliding_window", "rope_parameters", "cross_attention_layers",
    "num_global_layers", "image_size", "patch_size",
    "vision_feature_layer", "tie_word_embeddings",
)  # fmt: skip
DERIVED = ("head_dim", "num_key_value_heads")  # where the class has none, it follows from the rest


def table() -> dict[str, dict[str, Any]]:
    """`model_type` -> the part of its default config that a lint reads."""
    found: dict[str, dict[str, Any]] = {}
    for kind in (*FAMILIES, *LANGUAGES, *TOWERS):
        config = AutoConfig.for_model(kind)
        for name, inner in (("", config), *((n, getattr(config, n, None)) for n in NESTED)):
            if inner is not None and (name == "" or inner.model_type not in (*LANGUAGES, *TOWERS)):
                found[inner.model_type] = _entry(inner)
    return dict(sorted(found.items()))


NESTED = ("text_config", "vision_config")


def _entry(config: Any) -> dict[str, Any]:
    whole = config.to_dict()
    entry = {key: whole[key] for key in KEYS if whole.get(key) is not None}
    for key in DERIVED:
        if getattr(type(config), key, None) is None:
            entry.pop(key, None)
    if "sliding_window" in whole:
        entry["sliding_window"] = whole["sliding_window"]  # none is an answer too
    for name in NESTED:
        inner = getattr(config, name, None)
        if inner is not None:
            entry[name] = inner.model_type
    return entry


def text() -> str:
    """The table as it is written: one model a line."""
    lines = [
        f"{json.dumps(kind)}: {json.dumps(entry, sort_keys=True)}"
        for kind, entry in table().items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")
