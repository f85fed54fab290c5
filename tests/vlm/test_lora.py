"""Adapters as differences: equal to a float64 reference, in memory and on disk, or refused by name."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merge_dsl.cli import main
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import KEPT, LAYERS, UNITS
from vlm.anatomy.parts import Role
from vlm.errors import MergeError, ModelError
from vlm.resident import Resident, load_model
from vlm.weights.source import Source, open_sources
from vlm.weights.writer import write_model

RANK, ALPHA = 4, 6.0
TARGETS = {"self_attn.q_proj": (32, 32), "mlp.up_proj": (48, 32)}
CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
          "target_modules": ["q_proj", "up_proj"], "modules_to_save": None}  # fmt: skip


def factors(stem: str, seed: int = 5, layers: int = LAYERS) -> dict[str, torch.Tensor]:
    """A and B of every module, as peft names them."""
    draw = torch.Generator().manual_seed(seed)
    state = {}
    for layer in range(layers):
        for module, (out, into) in TARGETS.items():
            name = f"base_model.model.{stem}layers.{layer}.{module}"
            state[f"{name}.lora_A.weight"] = torch.randn(RANK, into, generator=draw)
            state[f"{name}.lora_B.weight"] = torch.randn(out, RANK, generator=draw) * 0.01
    return state


def save_adapter(
    folder: Path, state: Mapping[str, torch.Tensor] | None = None, **changes: Any
) -> Path:
    folder.mkdir(parents=True)
    found = factors("model.") if state is None else state
    save_file(dict(found), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **changes}))
    return folder


def reference(stem: str, role: Role, scale: float) -> np.ndarray[Any, Any] | float:
    """ΔW of one weight in float64; 0 where the adapter changes nothing."""
    layer, module = role.unit.rpartition(".")[2], role.tail.removesuffix(".weight")
    if module not in TARGETS or not role.unit.startswith("language.layers"):
        return 0.0
    state = factors(stem)
    name = f"base_model.model.{stem}layers.{layer}.{module}"
    a, b = (state[f"{name}.lora_{side}.weight"].double().numpy() for side in "AB")
    product: np.ndarray[Any, Any] = scale * (b @ a)
    return product


def student(method: str, *names: str, **shared: float) -> Candidate:
    """The small LLaVA whose layers are the base's plus differences."""
    weights = {"weight": (0.5,) * LAYERS} | (
        {"density": (0.5,) * LAYERS} if method in ("ties", "dare_ties") else {}
    )
    blend = Blend(
        UNITS,
        method,
        Origin("base"),
        tuple(Ingredient(Origin(name), weights) for name in names),
        {name: (value,) * LAYERS for name, value in shared.items()},
        3 if method == "dare_ties" else None,
    )
    return Candidate("student", {}, (Keep(KEPT, Origin("eyes")),), (blend,))


def opened(parents: Mapping[str, Path], **adapters: Path) -> dict[str, Source]:
    return open_sources({**parents, **adapters})


@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_is_added_as_peft_would(
    rslora: bool, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    sources = opened(parents, skill=save_adapter(tmp_path / "skill", use_rslora=rslora))
    candidate = student("task_arithmetic", "skill", "tongue", scale=1.0)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    merged = open_sources({"out": tmp_path / "out"})["out"]
    scale = ALPHA / (math.sqrt(RANK) if rslora else RANK)
    for role in sources["tongue"].names:
        if role.unit in UNITS:
            b, x = (sources[n].tensor(role).double().numpy() for n in ("base", "tongue"))
            expected = b + 0.5 * (x - b) + 0.5 * reference("model.", role, scale)
            np.testing.assert_allclose(merged.tensor(role), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "candidate",
    [
        student("task_arithmetic", "skill", scale=1.0),
        student("ties", "skill", "tongue", scale=1.0, normalize=1.0, compat="paper"),
        student("dare_ties", "skill", scale=1.0, normalize=0.0, rescale=1.0, compat="paper"),
        student("multislerp", "skill", "tongue", normalize=1.0),
    ],
    ids=lambda c: c.blends[0].method,
)
def test_memory_and_disk_agree(
    candidate: Candidate, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    sources = opened(parents, skill=save_adapter(tmp_path / "skill"))
    resident = Resident(candidate, sources).put(candidate)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    written = load_model(tmp_path / "out", sees=True).state_dict()
    for name, tensor in resident.state_dict().items():
        assert torch.equal(tensor, written[name]), name


def test_what_an_adapter_does_not_touch_stays_to_the_bit(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    sources = opened(parents, skill=save_adapter(tmp_path / "skill"))
    candidate = student("task_arithmetic", "skill", scale=1.0)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    merged = open_sources({"out": tmp_path / "out"})["out"]
    role = Role(UNITS[0], "self_attn.v_proj.weight")
    assert torch.equal(merged.tensor(role), sources["base"].tensor(role))


@pytest.mark.parametrize("stem", ["language_model.model.", "model.language_model."])
def test_an_adapter_of_the_vlm_is_found_by_its_own_names(
    stem: str, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    sources = opened(parents, skill=save_adapter(tmp_path / "skill", factors(stem)))
    units = {role.unit for role in sources["skill"].names}
    assert units == set(UNITS) and sources["skill"].difference


def test_weights_that_lie_the_other_way_round(parents: Mapping[str, Path], tmp_path: Path) -> None:
    plain = opened(parents, skill=save_adapter(tmp_path / "a"))["skill"]
    state = {n: t.T.contiguous() for n, t in factors("model.").items()}
    state = {n.replace("lora_A", "lora_X").replace("lora_B", "lora_A").replace("lora_X", "lora_B"): t
             for n, t in state.items()}  # fmt: skip
    turned = save_adapter(tmp_path / "b", state, fan_in_fan_out=True)
    other = opened(parents, skill=turned)["skill"]
    for role in plain.names:
        torch.testing.assert_close(other.tensor(role), plain.tensor(role))


def test_rank_and_alpha_may_differ_and_embeddings_may_change(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    """Patterns are peft's: the end of a module's name, or an expression; the first that fits counts."""
    state = factors("model.")
    for name in [name for name in state if "q_proj" in name]:
        state[name] = state[name][:2] if "lora_A" in name else state[name][:, :2].contiguous()
    draw = torch.Generator().manual_seed(7)
    embed = "base_model.model.model.embed_tokens.lora_embedding_"
    words = opened(parents)["base"].anatomy.shapes[Role("language.embed", "weight")][0]
    state |= {
        f"{embed}A": torch.randn(RANK, words, generator=draw),
        f"{embed}B": torch.randn(32, RANK, generator=draw),
    }
    folder = save_adapter(
        tmp_path / "skill",
        state,
        rank_pattern={"q_proj": 2},
        alpha_pattern={r"layers\.[12]\.mlp\.up_proj": 12.0, "up_proj": 3.0},
    )
    skill = opened(parents, skill=folder)["skill"]
    for role in skill.names:
        layer, module = role.unit.rpartition(".")[2], role.tail.removesuffix(".weight")
        name = f"base_model.model.model.layers.{layer}.{module}"
        if role.unit == "language.embed":
            a, b = (state[f"{embed}{side}"].double() for side in "AB")
            expected = ALPHA / RANK * (b @ a).T
        else:
            a, b = (state[f"{name}.lora_{side}.weight"].double() for side in "AB")
            alpha = ALPHA if module.endswith("q_proj") else 12.0 if layer in "12" else 3.0
            expected = alpha / len(a) * (b @ a)
        torch.testing.assert_close(skill.tensor(role).double(), expected, rtol=1e-5, atol=1e-6)
    assert len(skill.names) == 2 * LAYERS + 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "trains biases"),
        ({"lora_bias": True}, "biases of its own"),
        ({"modules_to_save": ["lm_head"]}, "replaces whole modules"),
        ({"rank_pattern": {"q_proj": 8}}, "no two factors of rank 8"),
        ({"alpha_pattern": {"q_proj": "much"}}, "has no `r` and `lora_alpha`"),
        ({"layer_replication": [[0, 2]]}, "repeats layers"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base as well"),
        ({"peft_type": "IA3"}, "`peft_type` is IA3"),
        ({"r": None}, "has no `r` and `lora_alpha`"),
        ({"r": 8}, "no two factors of rank 8"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_what_is_no_plain_lora_is_refused(
    changes: dict[str, Any], why: str, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=why):
        opened(parents, skill=save_adapter(tmp_path / "skill", **changes))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (
            {"base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(4, 8)},
            "lacks a factor",
        ),
        ({"base_model.model.model.norm.lora_magnitude_vector": torch.ones(4)}, "no factor"),
        (dict(list(factors("model.").items())[1:]), "lacks a factor"),
        (factors("transformer."), "an adapter of none of the models beside it"),
        (factors("model.", layers=5), "layers.3.*is no part of a llama"),
    ],
    ids=["half an embedding", "no factor", "half", "other names", "more layers"],
)
def test_an_adapter_of_something_else_is_refused(
    state: dict[str, torch.Tensor], why: str, parents: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=why):
        opened(parents, skill=save_adapter(tmp_path / "skill", state))


def test_pickled_weights_are_not_opened(parents: Mapping[str, Path], tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "skill")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        opened(parents, skill=folder)


def test_a_difference_is_no_model(parents: Mapping[str, Path], tmp_path: Path) -> None:
    sources = opened(parents, skill=save_adapter(tmp_path / "skill"))
    wrong = student("linear", "skill", "tongue", normalize=1.0)
    wrong = wrong._replace(blends=(wrong.blends[0]._replace(base=None),))
    with pytest.raises(MergeError, match="skill is a difference, and is taken as a model"):
        Resident(wrong, sources)


def test_a_whole_difference_is_added_as_it_stands(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    sources = open_sources({**parents, "delta": parents["tongue"]}, differences={"delta"})
    candidate = student("task_arithmetic", "delta", scale=1.0)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    merged = open_sources({"out": tmp_path / "out"})["out"]
    for role in sources["delta"].names:
        if role.unit in UNITS:
            b, d = (sources[n].tensor(role).double().numpy() for n in ("base", "delta"))
            np.testing.assert_allclose(merged.tensor(role), b + 0.5 * d, atol=1e-6, rtol=1e-6)


RECIPE = """recipe skilled

model base from "file:base"
model eyes from "file:eyes"
model skill from "file:skill"

merge student {
  keep vision, projector, embed, head from eyes
  language.layers by task_arithmetic {
    base base
    take eyes.language { weight = 1.0 }
    take skill { weight = 0.7 }
  }
}

write student to "out" { dtype = fp32 }
"""


def test_a_recipe_takes_an_adapter(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_adapter(place / "skill")
    (place / "skilled.merge").write_text(RECIPE)
    assert main(["lint", str(place / "skilled.merge")]) == 0
    assert main(["merge", str(place / "skilled.merge")]) == 0, capsys.readouterr().err
    sources = open_sources({n: place / n for n in ("eyes", "base", "skill")})
    merged = open_sources({"out": Path("out")})["out"]
    role = Role(UNITS[1], "mlp.up_proj.weight")
    expected = sources["eyes"].tensor(role) + 0.7 * sources["skill"].tensor(role)
    torch.testing.assert_close(merged.tensor(role), expected, atol=1e-6, rtol=1e-6)
    assert not [file.name for file in Path("out").iterdir() if "adapter" in file.name]
    shutil.rmtree(place / "skill")
    assert main(["merge", str(place / "skilled.merge")]) == 1
    assert "no model folder" in capsys.readouterr().err
