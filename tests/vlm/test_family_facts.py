"""What a lint knows of a family from `config.json` alone is what transformers makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers as t

from merge_dsl.meaning.configs import TABLE
from merge_dsl.meaning.facts import Facts, read_facts
from tests.vlm.families import FAMILIES, Family
from tests.vlm.making import build, save
from vlm.anatomy.defaults import text as defaults
from vlm.anatomy.parts import anatomy, skeleton

EVERY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def expected(config: Any) -> dict[str, Any]:
    """Facts as the config object and the model that is built of it have them."""
    model = skeleton(config)
    body = anatomy(config, [])
    text, tower = config.get_text_config(decoder=True), config.vision_config
    found = {
        "layers": sum(unit.startswith("language.layers.") for unit in body.units),
        "vision_layers": sum(unit.startswith("vision.layers.") for unit in body.units),
        "hidden": text.hidden_size,
        "heads": text.num_attention_heads,
        "kv_heads": getattr(text, "num_key_value_heads", None) or text.num_attention_heads,
        "head_dim": getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        "intermediate": getattr(text, "ffn_dim", None) or text.intermediate_size,
        "vocab": text.vocab_size,
        "image_token": config.image_token_id,
        "tied": "language.head" not in body.units,
        "vision_heads": tower.num_attention_heads,
        "text_type": text.model_type,
    }
    rope = getattr(text, "rope_parameters", None)
    found["rope_theta"] = rope and rope.get("full_attention", rope)["rope_theta"]
    window = getattr(text, "sliding_window", None)
    found["sliding_window"] = 0 if window is None and hasattr(text, "sliding_window") else window
    layer = next(n for n, _ in model.named_parameters() if ".embed_tokens" in n)
    assert model.get_parameter(layer).shape[1] == found["hidden"]
    return found


def seen(facts: Facts, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in wanted}


@EVERY
def test_a_config_alone(family: Family, tmp_path: Path) -> None:
    config = family.config()
    config.save_pretrained(tmp_path)
    wanted = expected(config)
    facts = read_facts(tmp_path)
    assert seen(facts, wanted) == wanted
    assert facts.sees and facts.speaks and facts.parameters is None


@EVERY
def test_weights_say_the_same(family: Family, tmp_path: Path) -> None:
    config = family.config()
    folder = save(build(config, seed=1), tmp_path, family)
    facts, wanted = read_facts(folder), expected(config)
    assert seen(facts, wanted) == wanted
    assert facts.readable and facts.layer_keys
    body = anatomy(config, [])
    tails = {role.tail for role in body.shapes if role.unit == "language.layers.0"}
    assert facts.layer_keys == tails
    size = body.shapes[next(r for r in body.shapes if r.unit == "vision.layers.0")]
    assert facts.vision_hidden in size or facts.vision_hidden is None


@EVERY
def test_what_4_x_leaves_out_is_filled_in(family: Family, tmp_path: Path) -> None:
    """Files of 4.x hold only what differs from the defaults of a nested config's class."""
    config = family.config()
    whole = json.loads(config.to_json_string(use_diff=False))
    for name in ("text_config", "vision_config"):
        default = type(getattr(config, name))().to_dict()
        kept = {"model_type", "num_hidden_layers", "depth", "hidden_size", "num_attention_heads"}
        whole[name] = {
            key: value
            for key, value in whole[name].items()
            if key in kept or value != default.get(key)
        }
    (tmp_path / "config.json").write_text(json.dumps(whole))
    wanted = expected(config)
    assert seen(read_facts(tmp_path), wanted) == wanted


def test_an_old_qwen2_vl_is_flat(tmp_path: Path) -> None:
    config = FAMILIES["qwen2_vl"].config()
    whole = json.loads(config.to_json_string(use_diff=False))
    text = whole.pop("text_config")
    (tmp_path / "config.json").write_text(json.dumps({**text, **whole}))
    wanted = expected(config) | {"text_type": "qwen2_vl"}
    assert seen(read_facts(tmp_path), wanted) == wanted


def test_the_table_of_defaults_is_that_of_the_installed_transformers() -> None:
    # Write it anew with `python -m vlm.anatomy.defaults`.
    assert TABLE.read_text(encoding="utf-8") == defaults()


def test_the_hub_s_llava_says_little_of_its_language_model(tmp_path: Path) -> None:
    said = {
        "model_type": "llava",
        "image_token_index": 32000,
        "text_config": {"model_type": "llama", "vocab_size": 32064, "rms_norm_eps": 1e-5},
        "vision_config": {"model_type": "clip_vision_model", "num_hidden_layers": 24},
    }
    (tmp_path / "config.json").write_text(json.dumps(said))
    facts = read_facts(tmp_path)
    assert (facts.layers, facts.hidden, facts.kv_heads, facts.head_dim) == (32, 4096, 32, 128)
    assert (facts.rope_theta, facts.feature_layer, facts.tied) == (10000.0, -2, False)
    assert t.AutoConfig.from_pretrained(tmp_path).get_text_config().hidden_size == 4096
