"""The anatomy of common models from config and header alone: that of transformers, or none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers as t

from tests.vlm.families import FAMILIES, TEXT, _llava, text
from tests.vlm.making import build, save
from vlm.anatomy.parts import anatomy, skeleton
from vlm.anatomy.plain import plain_anatomy
from vlm.weights.source import open_source

CONFIGS: dict[str, Any] = {
    "llama": lambda: t.LlamaConfig(**TEXT),
    "llama of biases": lambda: t.LlamaConfig(**TEXT, attention_bias=True, mlp_bias=True),
    "llama of wide heads": lambda: t.LlamaConfig(**text(head_dim=12, num_key_value_heads=1)),
    "tied llama": lambda: t.LlamaConfig(**text(tie_word_embeddings=True)),
    "mistral": lambda: t.MistralConfig(**text(head_dim=None), sliding_window=None),
    "qwen2": lambda: t.Qwen2Config(**TEXT),
    "qwen3": lambda: t.Qwen3Config(**TEXT, attention_bias=True),
    "llava": _llava,
    "llava of two layers": lambda: _llava(vision_feature_layer=[-2, -1]),
    "llava without biases": lambda: _llava(multimodal_projector_bias=False),
    "llava of qwen2": lambda: _llava(text_config=t.Qwen2Config(**TEXT)),
    "llava of mistral": lambda: _llava(text_config=t.MistralConfig(**TEXT)),
}
EVERY = pytest.mark.parametrize("make", CONFIGS.values(), ids=CONFIGS)


def shapes_of(config: Any) -> dict[str, tuple[int, ...]]:
    """What a file of this model holds."""
    model = skeleton(config)
    tied = set(getattr(model, "all_tied_weights_keys", {}) or {})
    return {n: tuple(x.shape) for n, x in model.state_dict().items() if n not in tied}


@EVERY
@pytest.mark.parametrize("brief", [False, True], ids=["whole", "brief"])
def test_it_is_that_of_transformers(make: Any, brief: bool) -> None:
    """Also where config.json leaves out what its class has anyway, as files of 4.x do."""
    config = make()
    table = config.to_diff_dict() if brief else config.to_dict()
    shapes = shapes_of(config)
    found, wanted = plain_anatomy(table, shapes), anatomy(config, shapes)
    assert found == wanted
    assert list(found.shapes) == list(wanted.shapes) and list(found.roles) == list(wanted.roles)


@EVERY
def test_a_file_of_anything_else_is_left_to_transformers(make: Any) -> None:
    config = make()
    table, shapes = config.to_dict(), shapes_of(config)
    for name, shape in shapes.items():
        assert plain_anatomy(table, {n: s for n, s in shapes.items() if n != name}) is None
        assert plain_anatomy(table, {**shapes, name: (*shape[:-1], shape[-1] + 1)}) is None
    for stray in ("extra.weight", "model.layers.9.mlp.up_proj.weight", "lm_head.bias"):
        assert plain_anatomy(table, {**shapes, stray: (3,)}) is None
    if "quantization_config" not in table:
        assert (
            plain_anatomy({**table, "num_hidden_layers": "two", "text_config": 7}, shapes) is None
        )


@pytest.mark.parametrize("spelling", ["saved", "memory", "hub"])
def test_every_spelling_of_a_file(spelling: str, tmp_path: Path) -> None:
    family = FAMILIES["llava"]
    folder = save(build(family.config(), seed=1), tmp_path / "eyes", family, spelling)
    entries = open_source("eyes", folder).checkpoint.entries
    config = json.loads((folder / "config.json").read_text())
    found = plain_anatomy(config, {n: e.shape for n, e in entries.items()})
    assert found == anatomy(family.config(), list(entries))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "llava"])
def test_other_families_are_left_to_transformers(name: str) -> None:
    config = FAMILIES[name].config()
    assert plain_anatomy(config.to_dict(), shapes_of(config)) is None


def test_llava_1_5_as_the_hub_has_it() -> None:
    """Its config.json says of the decoder little more than that it is a Llama."""
    table = {
        "model_type": "llava",
        "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
        "vision_config": {
            "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
            "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
            "patch_size": 14, "projection_dim": 768, "vocab_size": 32000,
        },
        "tie_word_embeddings": False, "vision_feature_layer": -2, "torch_dtype": "float16",
    }  # fmt: skip
    config = t.LlavaConfig(**{k: v for k, v in table.items() if k != "torch_dtype"})
    shapes = shapes_of(config)
    assert len(shapes) == 686 and plain_anatomy(table, shapes) == anatomy(config, shapes)


def test_what_only_transformers_can_judge() -> None:
    table, shapes = t.Qwen3Config(**TEXT).to_dict(), shapes_of(t.Qwen3Config(**TEXT))
    for said in (
        {"head_dim": None},
        {"vocab_size": True},
        {"attention_bias": "no"},
        {"hidden_size": 0},
    ):
        assert plain_anatomy({**table, **said}, shapes) is None
    tied = _llava(
        tie_word_embeddings=True, text_config=t.LlamaConfig(**text(tie_word_embeddings=True))
    )
    assert plain_anatomy(tied.to_dict(), shapes_of(tied)) is None
    assert plain_anatomy({}, {}) is None


RECIPE = """recipe z
model base from "zoo:emoji-llm-base"
model eyes from "zoo:emoji-vlm-en"
model tongue from "zoo:emoji-llm-ja"
merge student {
  keep vision, projector, embed, head from eyes
  language.layers by ties {
    base base
    take eyes.language
    take tongue
  }
}
"""


def test_a_merge_of_common_models_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    (tmp_path / "z.merge").write_text(RECIPE)
    code = (
        "import sys; from merge_dsl.cli import main; "
        "code = main(['merge', 'z.merge', '--out', 'out', '--quiet']); "
        "sys.exit(code or ' '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(root), "XDG_CACHE_HOME": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
