"""Walks with code of their own: reopened by transformers alone they compute the same."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vlm.route.conftest import ROAD, Pair, walk_of
from tests.vlm.route.families import FAMILIES, inputs_for, olmo2, qwen2, qwen2_5_vl, save
from vlm.errors import ModelError
from vlm.resident import load_model
from vlm.route.code import CODE, is_ours
from vlm.route.export import write_walk
from vlm.route.verify import Difference
from vlm.route.walker import Walker
from vlm.weights.source import Source, open_source

ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}
NIL = (*ROAD, ("b", 1, 0.0), ("a", 2, 1.0))  # a scale of nothing
FIRST = (("b", 0, 1.6), *ROAD)


def written(
    sources: dict[str, Source], walk: Any, out: Path, family: str = "llama", **more: Any
) -> Difference:
    walker = Walker(walk, sources)
    inputs = [inputs_for(family)]
    return write_walk(walk, walker, sources, out, recipe="recipe x\n", inputs=inputs, **more)


def said(model: Any, family: str, cached: bool) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        out = model.generate(
            **inputs_for(family), max_new_tokens=8, do_sample=False, use_cache=cached,
            pad_token_id=0, return_dict_in_generate=True, output_logits=True,
            suppress_tokens=[60, 61, 62, 63],
        )  # fmt: skip
    return out.sequences, torch.stack(out.logits)


REASONS = [
    ("llama", ROPE, FIRST, "other angles"),
    ("llama", {"rms_norm_eps": 1e-3}, FIRST, "rms_norm_eps is 0.001"),
    ("llama", {"num_attention_heads": 8, "head_dim": 4}, FIRST, "num_attention_heads is 8"),
    ("llama", {"intermediate_size": 40, "hidden_act": "gelu"}, FIRST, "hidden_act is gelu"),
    ("llama", {}, NIL, "hop 7 has a scale of 0"),
    ("mistral", {"sliding_window": 3}, FIRST, "windows of several sizes"),
    ("qwen2", {"sliding_window": 3}, FIRST, "windows of several sizes"),
    ("gemma3", {"sliding_window": 3}, FIRST, "windows of several sizes"),
    ("gemma3", {}, NIL, "hop 7 has a scale of 0"),
    ("llava", ROPE, FIRST, "other angles"),
    *(
        pytest.param(family, change, road, why, marks=pytest.mark.slow)
        for family, change, road, why in [
            ("qwen3", ROPE, FIRST, "other angles"),
            ("qwen2", ROPE, FIRST, "other angles"),
            ("gemma3_vlm", {}, NIL, "hop 7 has a scale of 0"),
            ("gemma3_vlm", {"sliding_window": 3}, FIRST, "windows of several sizes"),
            ("qwen2_5_vl", {}, NIL, "hop 7 has a scale of 0"),
            ("qwen3_vl", {}, NIL, "hop 7 has a scale of 0"),
            ("idefics3", ROPE, FIRST, "other angles"),
            ("internvl", ROPE, FIRST, "other angles"),
        ]
    ),
]


@pytest.mark.parametrize("scale_of", ["stream", "mlp"])
@pytest.mark.parametrize(("family", "second", "road", "why"), REASONS)
def test_what_does_not_fold_leaves_with_code(
    family: str, second: dict[str, Any], road: Any, why: str, scale_of: str, pair: Pair,
    tmp_path: Path,
) -> None:  # fmt: skip
    sources = pair(family, {}, **second)
    walk, out = walk_of(*road, scale_of=scale_of), tmp_path / "out"
    found = written(sources, walk, out, family)
    assert found.code is not None and why in found.code
    nothing = road is NIL and scale_of == "stream"  # where no layer has a bias, both say nothing
    assert found.largest < 1e-5 and (nothing or found.spread > 0.1)
    assert is_ours(out)
    walking, again = Walker(walk, sources).put(walk), load_model(out, sources["a"].anatomy.sees)
    for cached in (True, False):
        words, logits = said(again, family, cached)
        own_words, own_logits = said(walking, family, cached)
        assert torch.equal(words, own_words) and (logits - own_logits).abs().max() < 1e-5


def test_a_layer_is_stored_once(pair: Pair, tmp_path: Path) -> None:
    sources, out = pair("llama", {}, **ROPE), tmp_path / "out"
    hops = (*ROAD, *ROAD, *ROAD)
    written(sources, walk_of(*hops), out)
    names = open_source_names(out)
    distinct = {(name, layer) for name, layer, _ in hops}
    assert len({n.split(".")[2] for n in names if ".walked." in n}) == len(distinct) == 5
    config = json.loads((out / "config.json").read_text())
    assert config["num_hidden_layers"] == len(config["walk"]["hops"]) == 21
    assert config["model_type"] == "awase_walk"
    told = [(config["walk"]["layers"][h["layer"]], h["scale"]) for h in config["walk"]["hops"]]
    assert [(one["model"], one["number"], scale) for one, scale in told] == list(hops)


def open_source_names(folder: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("tie", ["a", "b", ""])
@pytest.mark.parametrize("end", ["a", "b"])
def test_ends_and_ties(tie: str, end: str, tmp_path: Path) -> None:
    sources = {}
    for seed, name in enumerate("ab"):
        change = {"rms_norm_eps": 1e-3, **ROPE} if name == "b" else {}
        folder = save(
            FAMILIES["llama"], tmp_path / name, seed, tie_word_embeddings=name == tie, **change
        )
        sources[name] = open_source(name, folder)
    found = written(sources, walk_of(*FIRST, end=end), tmp_path / "out")
    assert found.code is not None and found.largest < 1e-5
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["tie_word_embeddings"] is (tie == "a" and end == "a")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision(dtype: str, pair: Pair, tmp_path: Path) -> None:
    found = written(pair("llama", {}, **ROPE), walk_of(*FIRST), tmp_path / "out", dtype=dtype)
    assert found.code is not None and found.largest < found.allowed < 0.5


def test_post_norm_blocks(tmp_path: Path) -> None:
    sources = {
        name: open_source(name, save(olmo2, tmp_path / name, seed))
        for seed, name in enumerate("ab")
    }
    found = written(sources, walk_of(*FIRST), tmp_path / "out")
    assert found.code is not None and "read the stream itself" in found.code
    assert found.largest < 1e-5


@pytest.mark.parametrize("scale_of", ["stream", "mlp"])
def test_a_scaled_tower(scale_of: str, pair: Pair, tmp_path: Path) -> None:
    sources = pair("llava")
    hops = (("a", 0, 0.9), ("b", 1, 0.5), ("b", 1, 1.2), ("a", 2, 1.0))
    walk = walk_of(*hops, stack="vision", scale_of=scale_of)
    found = written(sources, walk, tmp_path / "out", "llava")
    assert found.code is not None and "which has no norm" in found.code
    assert found.largest < 1e-5 and found.spread > 0.1


def test_a_plain_decoder_inside_a_vlm(tmp_path: Path) -> None:
    layers = {"layer_types": ["full_attention"] * 4, "rms_norm_eps": 1e-5}
    sources = {
        "a": open_source("a", save(qwen2_5_vl, tmp_path / "a", 1)),
        "b": open_source("b", save(qwen2, tmp_path / "b", 2, **layers, **ROPE)),
    }
    found = written(sources, walk_of(*FIRST), tmp_path / "out", "qwen2_5_vl")
    assert found.code is not None and found.largest < 1e-5 and found.spread > 0.1


def test_a_stream_so_small_that_nothing_folds(tmp_path: Path) -> None:
    """The fold is written and differs: then the walk leaves with code, and the reason is told."""
    sources = {
        name: open_source(name, save(FAMILIES["llama"], tmp_path / name, seed, std=0.02, rms_norm_eps=1e-2))
        for seed, name in enumerate("ab")
    }  # fmt: skip
    walk = walk_of(("a", 0, 1.0), ("b", 1, 0.05), ("a", 2, 1.0), ("b", 3, 1.0))
    found = written(sources, walk, tmp_path / "out")
    assert found.code is not None and "reopened, differs" in found.code
    assert found.largest < 1e-6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "out"]


ALONE = """
import sys
from vlm import compat
compat.ensure_torchvision()  # as this environment needs it
for name in [*sys.modules, "merge_dsl"]:
    if name.partition(".")[0] in ("vlm", "merge_dsl"):
        sys.modules[name] = None  # whoever imports it is told that there is no such thing
import torch
from transformers import AutoModelForCausalLM
folder, again = sys.argv[1:]
try:
    AutoModelForCausalLM.from_pretrained(folder)
except ValueError as error:
    assert "trust_remote_code" in str(error), error
else:
    raise SystemExit("opened without leave")
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32)
ids = torch.arange(3, 17)[None]
logits = model(ids).logits
model.save_pretrained(again)
model = AutoModelForCausalLM.from_pretrained(again, trust_remote_code=True, dtype=torch.float32)
assert torch.equal(model(ids).logits, logits)
torch.save(logits.detach(), folder + "/logits.pt")
"""


def test_it_opens_where_awase_is_not(pair: Pair, tmp_path: Path) -> None:
    sources, out = pair("llama", {}, **ROPE), tmp_path / "out"
    walk = walk_of(*FIRST)
    written(sources, walk, out)
    told = subprocess.run(
        [sys.executable, "-c", ALONE, str(out), str(tmp_path / "again")],
        capture_output=True, text=True, cwd=tmp_path, env={**quiet(), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]
    with torch.inference_mode():
        own = Walker(walk, sources).put(walk)(torch.arange(3, 17)[None]).logits
    assert (torch.load(out / "logits.pt") - own).abs().max() < 1e-5


def quiet() -> dict[str, str]:
    import os

    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def test_only_our_own_code_is_run_without_leave(pair: Pair, tmp_path: Path) -> None:
    sources, out = pair("llama", {}, **ROPE), tmp_path / "out"
    written(sources, walk_of(*FIRST), out)
    assert is_ours(out)
    code, config = (out / CODE).read_text(), json.loads((out / "config.json").read_text())
    other = tmp_path / "other"
    changes: list[tuple[str, dict[str, Any]]] = [
        (code + "\n", config),
        (code, {**config, "auto_map": {**config["auto_map"], "AutoConfig": "evil.WalkConfig"}}),
        (code, {**config, "auto_map": {**config["auto_map"], "AutoModel": "evil.Walk"}}),
        (
            code,
            {**config, "walk": {**config["walk"], "of": {"config": "x\nimport os", "model": "L"}}},
        ),
        (code, {**config, "walk": None}),
        (code, {**config, "model_type": "llama"}),
    ]
    for text, said in changes:
        shutil.copytree(out, other, dirs_exist_ok=True)
        (other / CODE).write_text(text)
        (other / "config.json").write_text(json.dumps(said))
        assert not is_ours(other)
    with pytest.raises(ModelError, match="which is no parent"):
        open_source("x", out)
