"""A folder of tiny fake models and data, for recipes in tests."""

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.meaning.headers import BYTES
from merge_dsl.meaning.load import Loaded, load_source
from merge_dsl.text.source import Source

LANGUAGE: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 10,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
TOWER: dict[str, Any] = {
    "model_type": "clip_vision_model",
    "num_hidden_layers": 2,
    "hidden_size": 6,
    "intermediate_size": 12,
    "num_attention_heads": 2,
}


def write_safetensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str = "F32"
) -> None:
    """A file of zeros with these tensors."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


def language_shapes(prefix: str, **changes: Any) -> dict[str, tuple[int, ...]]:
    """A few tensors of a language model, by the names that files have."""
    config = LANGUAGE | changes
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}model.embed_tokens.weight": (config["vocab_size"], hidden)
    }
    for layer in range(config["num_hidden_layers"]):
        shapes[f"{prefix}model.layers.{layer}.mlp.gate_proj.weight"] = (inner, hidden)
    shapes[f"{prefix}model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes[f"{prefix}lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def tower_shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    """A few tensors of a vision tower."""
    return {
        f"{prefix}encoder.layers.{layer}.mlp.fc1.weight": (12, 6)
        for layer in range(TOWER["num_hidden_layers"])
    }


def write_llm(folder: Path, **changes: Any) -> Path:
    """A language model; `changes` go into config and weights alike."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(LANGUAGE | changes))
    write_safetensors(folder / "model.safetensors", language_shapes("", **changes))
    return folder


def write_vlm(folder: Path, **changes: Any) -> Path:
    """A LLaVA with a tower of two layers."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "llava",
        "text_config": LANGUAGE | changes,
        "vision_config": TOWER,
        "image_token_index": 9,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shapes = language_shapes("language_model.", **changes) | tower_shapes("vision_tower.")
    shapes["multi_modal_projector.linear_1.weight"] = (8, 6)
    write_safetensors(folder / "model.safetensors", shapes)
    return folder


def write_tower(folder: Path) -> Path:
    """A vision tower alone."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(TOWER))
    write_safetensors(folder / "model.safetensors", tower_shapes("vision_model."))
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models base, eyes, tongue, tower and some that do not fit; data d.jsonl and e.jsonl."""
    root = tmp_path_factory.mktemp("world")
    write_llm(root / "base")
    write_llm(root / "tongue")
    write_llm(root / "wide", hidden_size=12)
    write_llm(root / "deep", num_hidden_layers=6)
    write_llm(root / "grouped", num_key_value_heads=1)
    write_llm(root / "far", rope_theta=1000000.0)
    write_llm(root / "wordy", vocab_size=12)
    write_llm(root / "tied", tie_word_embeddings=True)
    write_vlm(root / "eyes")
    write_tower(root / "tower")
    for name in ("d", "e"):
        (root / f"{name}.jsonl").write_text("")
    return root


Lint = Callable[[str], Loaded]


@pytest.fixture
def lint(world: Path) -> Lint:
    """Load a text as if it lay in the world's folder."""
    return lambda text: load_source(Source(str(world / "test.merge"), text))


HEAD = """recipe test
model base from "file:base"
model eyes from "file:eyes"
model tongue from "file:tongue"
data dev from "file:d.jsonl" { rows = 0..9 }
data held from "file:d.jsonl" { rows = 10..19 }
"""
KEEP = "  keep vision, projector, embed, head from eyes\n"
TAIL = """search student {
  maximize rouge_l on dev
  by = cma_es(sigma = 0.2)
  budget = 1000 trials
  seed = 1
}
report student { rouge_l on held }
"""


def merge_recipe(blend: str, head: str = HEAD, keep: str = KEEP, tail: str = TAIL) -> str:
    """A whole recipe around the lines of one blend, or around any lines of a merge."""
    return f"{head}merge student {{\n{keep}{blend}}}\n{tail}"


TASK = """  language.layers by task_arithmetic {
    base base
    take eyes.language { weight = 0.0..1.0 }
    take tongue
  }
"""
