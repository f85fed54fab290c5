"""open_clip's towers under transformers' names: the same bytes back, the same features."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vlm.towers import SIGLIP_CFG, VISION, contrastive, save_open_clip, siglip
from vlm.errors import ModelError
from vlm.weights.open_clip import to_open_clip, to_transformers
from vlm.weights.open_clip_folder import open_folder
from vlm.weights.source import open_source

from transformers import (  # isort: skip
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    SiglipVisionModel,
)


def pictures(size: int = 16) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(9))


def visual(model: Any) -> dict[str, torch.Tensor]:
    return {n: t for n, t in model.state_dict().items() if n.startswith("visual.")}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [contrastive, siglip])
def test_there_and_back_are_the_same_bytes(make: Any, dtype: torch.dtype) -> None:
    model = make(1).to(dtype)
    there = to_transformers(model.state_dict())
    back = to_open_clip(there, model.state_dict())
    assert back.keys() == visual(model).keys()
    for name, tensor in visual(model).items():
        assert back[name].dtype == dtype
        assert torch.equal(back[name], tensor), name


@pytest.mark.parametrize("quick", [False, True])
def test_a_vit_has_the_same_features(quick: bool, tmp_path: Path) -> None:
    model = contrastive(2, quick)
    config, tensors, _ = open_folder(save_open_clip(tmp_path / "m", model, quick=quick))
    state = {n: tensors.tensor(n) for n in to_transformers(model.state_dict())}
    tower = CLIPVisionModel(config).eval()
    assert not tower.load_state_dict(state, strict=False).missing_keys
    whole = CLIPVisionModelWithProjection(config).eval()
    whole.load_state_dict(
        {n if n.startswith("visual_") else f"vision_model.{n}": t for n, t in state.items()}
    )
    with torch.inference_mode():
        mine = model.visual.forward_intermediates(
            pictures(), output_fmt="NLC", output_extra_tokens=True
        )
        theirs = tower(pictures(), output_hidden_states=True)
        torch.testing.assert_close(
            whole(pictures()).image_embeds, model.visual(pictures()), atol=1e-5, rtol=0
        )
    for layer, features in enumerate(mine["image_intermediates"]):
        patches = theirs.hidden_states[layer + 1][:, 1:]  # the penultimate layer is among them
        torch.testing.assert_close(patches, features, atol=1e-5, rtol=0)


def test_a_siglip_tower_has_the_same_features(tmp_path: Path) -> None:
    model = siglip(3)
    folder = save_open_clip(tmp_path / "m", model, vision=SIGLIP_CFG, mean=[0.5] * 3, std=[0.5] * 3)
    config, tensors, _ = open_folder(folder)
    assert (config.num_attention_heads, config.hidden_act) == (2, "gelu")
    tower = SiglipVisionModel(config).eval()
    tower.load_state_dict({n: tensors.tensor(n) for n in to_transformers(model.state_dict())})
    with torch.inference_mode():
        hidden = tower(pictures(), output_hidden_states=True)
        blocks = model.visual.trunk.forward_intermediates(
            pictures(), norm=False, output_fmt="NLC", intermediates_only=True
        )
        torch.testing.assert_close(
            hidden.pooler_output, model.visual(pictures()), atol=1e-5, rtol=0
        )
    for layer, features in enumerate(blocks):
        torch.testing.assert_close(hidden.hidden_states[layer + 1], features, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ls_init_value": 0.1}, "layers scale what they add"),
        ({"attentional_pool": True}, "pooled by attention, as in CoCa"),
        ({"layers": [1, 1, 1, 1]}, "it is a ResNet"),
        ({"no_ln_pre": True}, "no norm before the layers"),
        ({"qk_norm": True}, "its attention is normalised inside"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_a_tower_without_a_twin_is_refused_with_a_reason(
    changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    model = contrastive(1, **changes)
    with pytest.raises(ModelError, match=why):
        to_transformers(model.state_dict())
    folder = save_open_clip(tmp_path / "m", model, vision={**VISION, **changes})
    with pytest.raises(ModelError, match=str(folder)):
        open_source("eyes", folder)


def test_a_setting_without_a_twin_is_refused(tmp_path: Path) -> None:
    model = contrastive(1, pool_type="avg")
    folder = save_open_clip(tmp_path / "m", model, vision={**VISION, "pool_type": "avg"})
    with pytest.raises(ModelError, match="sets `pool_type`"):
        open_source("eyes", folder)


def test_a_pickled_model_is_read_and_one_that_runs_code_is_not(tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "m", contrastive(1))
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        open_source("eyes", folder)
    file = folder / "open_clip_pytorch_model.bin"
    torch.save({"state_dict": contrastive(1).state_dict()}, file)
    assert open_source("eyes", folder).anatomy.sees
    torch.save(Path("code"), file)  # any object: unpickling it would call its class
    with pytest.raises(ModelError, match="cannot be read"):
        open_source("eyes", folder)


def test_a_config_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "m", contrastive(1))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": 3}))
    with pytest.raises(ModelError, match="has no `model_cfg` with a tower"):
        open_source("eyes", folder)
