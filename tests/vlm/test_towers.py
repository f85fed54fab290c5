"""Towers as ingredients of a VLM's vision part, and as results of their own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import KEPT, UNITS
from tests.vlm.towers import (
    SIGLIP_CFG,
    VISION,
    contrastive,
    save_open_clip,
    save_tower,
    siglip,
)
from vlm.errors import MergeError, ModelError
from vlm.resident import Resident, load_model
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

SEEING = ("vision.embed", "vision.layers.0", "vision.layers.1", "vision.norm")
OTHERS = tuple(unit for unit in KEPT if unit not in SEEING)
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.fixture(scope="module")
def towers(
    parents: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    """The small LLaVA, and three towers that fit it: alone, of open_clip, and for other pixels."""
    root = tmp_path_factory.mktemp("towers")
    folders = {
        "eyes": parents["eyes"],
        "alone": save_tower(root / "alone", 11),
        "clip": save_open_clip(root / "clip", contrastive(12, True), quick=True),
        "grey": save_open_clip(root / "grey", contrastive(12, True), quick=True, **HALF),
    }
    return {name: open_source(name, folder) for name, folder in folders.items()}


def seer(
    method: str, *names: str, base: str | None = None, resize: str = "", **shared: Any
) -> Candidate:
    """The small LLaVA with a blended tower."""
    weights = {"weight": (1.0 / len(names),) * len(SEEING)}
    if method in ("slerp", "wise_ft"):
        weights = {}
    if resize:
        shared["resize"] = resize
    blend = Blend(
        SEEING,
        method,
        Origin(base) if base else None,
        tuple(Ingredient(Origin(name), weights) for name in names),
        {name: (value,) * len(SEEING) for name, value in shared.items()},
    )
    kept = Keep((*OTHERS, *UNITS), Origin("eyes"))
    return Candidate("seer", {}, (kept,), (blend,))


BLENDS = [
    seer("soup", "eyes", "alone", "clip"),
    seer("linear", "eyes", "clip", normalize=1.0),
    seer("wise_ft", "clip", base="eyes", alpha=0.3),
    seer("slerp", "clip", base="eyes", t=0.5, compat="paper"),
    seer("task_arithmetic", "clip", "alone", base="eyes", scale=1.0),
]


@pytest.mark.parametrize("candidate", BLENDS, ids=lambda c: c.blends[0].method)
def test_layers_of_any_tower_are_blended(
    candidate: Candidate, towers: dict[str, Source], tmp_path: Path
) -> None:
    resident = Resident(candidate, towers).put(candidate)
    write_model(candidate, towers, tmp_path / "out", recipe="r\n", dtype="fp32")
    written = load_model(tmp_path / "out", sees=True).state_dict()
    for name, tensor in resident.state_dict().items():
        assert torch.equal(tensor, written[name]), name


def test_a_soup_is_the_mean_in_float64(towers: dict[str, Source], tmp_path: Path) -> None:
    write_model(BLENDS[0], towers, tmp_path / "out", recipe="r\n", dtype="fp32")
    merged = open_source("out", tmp_path / "out")
    for role in towers["eyes"].anatomy.shapes:
        found = merged.tensor(role)
        if role.unit in SEEING:
            three = [towers[n].tensor(role).double().numpy() for n in ("eyes", "alone", "clip")]
            np.testing.assert_allclose(found, np.mean(three, axis=0), atol=1e-6, rtol=1e-6)
        else:
            assert torch.equal(found, towers["eyes"].tensor(role)), role


@pytest.mark.parametrize("kind", ["CLIPModel", "CLIPVisionModelWithProjection", "4.x"])
def test_the_vision_half_of_a_clip_is_a_tower(
    kind: str, towers: dict[str, Source], tmp_path: Path
) -> None:
    import transformers
    from safetensors.torch import load_file, save_file

    folder = save_tower(tmp_path / "m", 31)
    config = towers["alone"].config
    if kind == "CLIPModel":
        config = transformers.CLIPConfig(
            vision_config=config.to_dict(),
            text_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                         "num_attention_heads": 2, "vocab_size": 50},
        )  # fmt: skip
        transformers.CLIPModel(config).save_pretrained(folder)
    elif kind == "CLIPVisionModelWithProjection":
        transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    else:  # as transformers 4 spelt it
        file = folder / "model.safetensors"
        state = {f"vision_model.{n.removeprefix('vision_model.')}": t
                 for n, t in load_file(file).items()}  # fmt: skip
        save_file(state, file, metadata={"format": "pt"})
    clip = open_source("clip", folder)
    assert not clip.answers
    wanted = {role for role in towers["eyes"].anatomy.shapes if role.unit in SEEING}
    assert wanted <= clip.names.keys()
    write_model(seer("soup", "eyes", "clip"), {**towers, "clip": clip}, tmp_path / "out", recipe="")
    alone = Candidate("k", {}, (Keep(SEEING, Origin("clip")),), ())
    write_model(alone, {"clip": clip}, tmp_path / "same", recipe="")
    again = open_source("again", tmp_path / "same")
    assert again.anatomy.shapes == clip.anatomy.shapes
    for role in clip.anatomy.shapes:
        assert torch.equal(again.tensor(role), clip.tensor(role)), role


def test_a_siglip_head_keeps_its_own_norm() -> None:
    from transformers import SiglipVisionConfig

    from vlm.anatomy.parts import memory_roles, skeleton

    config = SiglipVisionConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    roles = memory_roles(skeleton(config))
    assert len(set(roles.values())) == len(roles)
    assert roles["head.layernorm.weight"].unit == "vision.norm"


def test_a_grafted_tower_is_the_tower(towers: dict[str, Source], tmp_path: Path) -> None:
    graft = Candidate(
        "g", {}, (Keep(SEEING, Origin("clip")), Keep((*OTHERS, *UNITS), Origin("eyes"))), ()
    )
    write_model(graft, towers, tmp_path / "out", recipe="r\n")
    tower = load_model(tmp_path / "out", sees=True).model.vision_tower
    pictures = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        mine = contrastive(12, True).visual(pictures)
        pooled = tower(pictures).pooler_output @ contrastive(12, True).visual.proj
    torch.testing.assert_close(pooled, mine, atol=1e-5, rtol=0)


def test_other_pixels_are_folded_in(towers: dict[str, Source], tmp_path: Path) -> None:
    """One picture, normalised by either processor, has the same features in either tower."""
    graft = seer("linear", "grey", normalize=1.0)
    write_model(graft, towers, tmp_path / "out", recipe="r\n", dtype="fp32")
    tower = load_model(tmp_path / "out", sees=True).model.vision_tower
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    own, host = towers["grey"].pixels, towers["eyes"].pixels
    assert own is not None and host is not None

    def normal(pixels: Any) -> torch.Tensor:
        mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (pixels.mean, pixels.std))
        return (picture - mean) / std

    with torch.inference_mode():
        whole = contrastive(12, True)
        features = tower(normal(host)).pooler_output @ whole.visual.proj
        torch.testing.assert_close(features, whole.visual(normal(own)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("word", ["bicubic", "bilinear"])
def test_positions_are_resized_by_the_word(
    word: str, towers: dict[str, Source], tmp_path: Path
) -> None:
    from open_clip.model import resize_pos_embed

    large = contrastive(13, True, image_size=32)
    vision = {**VISION, "image_size": 32}
    folder = save_open_clip(tmp_path / "large", large, quick=True, vision=vision)
    four = {**towers, "large": open_source("large", folder)}
    with pytest.raises(MergeError, match=r"17 by 32 in large and 5 by 32 in eyes; .*resize"):
        Resident(seer("soup", "eyes", "large"), four)
    graft = seer("linear", "large", resize=word, normalize=1.0)
    write_model(graft, four, tmp_path / "out", recipe="r\n", dtype="fp32")
    tower = load_model(tmp_path / "out", sees=True).model.vision_tower
    state = {"visual.positional_embedding": large.visual.positional_embedding.detach()}
    resize_pos_embed(state, contrastive(1), interpolation=word)
    expected = state["visual.positional_embedding"]
    torch.testing.assert_close(tower.embeddings.position_embedding.weight, expected)


def test_another_activation_is_refused(towers: dict[str, Source], tmp_path: Path) -> None:
    gelu = open_source("gelu", save_tower(tmp_path / "gelu", 1, hidden_act="gelu"))
    with pytest.raises(MergeError, match="gelu is tuned for gelu, and eyes computes quick_gelu"):
        Resident(seer("soup", "eyes", "gelu"), {**towers, "gelu": gelu})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hidden_size": 48}, "by 48 in other|48 in other"),
        ({"patch_size": 4}, "4 by 4 in other"),
        ({"num_hidden_layers": 1}, "other has no tensor for vision.layers.1"),
        ({"num_hidden_layers": 3}, "other gives vision.layers.2, for which eyes has no place"),
    ],
    ids=str,
)
def test_a_graft_that_does_not_fit_is_refused(
    changes: dict[str, int], match: str, towers: dict[str, Source], tmp_path: Path
) -> None:
    other = open_source("other", save_tower(tmp_path / "other", 1, **changes))
    units = (*SEEING, "vision.layers.2") if changes.get("num_hidden_layers") == 3 else SEEING
    graft = Candidate(
        "g", {}, (Keep(units, Origin("other")), Keep((*OTHERS, *UNITS), Origin("eyes"))), ()
    )
    with pytest.raises(MergeError, match=match):
        write_model(graft, {**towers, "other": other}, tmp_path / "out", recipe="r\n")


def test_a_contrastive_soup_is_an_open_clip_checkpoint(
    towers: dict[str, Source], tmp_path: Path
) -> None:
    import open_clip

    two = {
        "a": open_source("a", save_open_clip(tmp_path / "a", contrastive(21))),
        "b": open_source("b", save_open_clip(tmp_path / "b", contrastive(22))),
    }
    soup = (
        BLENDS[0]
        .blends[0]
        ._replace(
            ingredients=tuple(
                Ingredient(Origin(n), {"weight": (0.5,) * len(SEEING)}) for n in ("a", "b")
            )
        )
    )
    write_model(Candidate("soup", {}, (), (soup,)), two, tmp_path / "out", recipe="r\n")
    merged = open_clip.create_model(f"local-dir:{tmp_path / 'out'}").state_dict()
    a, b = contrastive(21).state_dict(), contrastive(22).state_dict()
    assert merged.keys() == a.keys()
    for name, tensor in merged.items():
        if name.startswith("visual."):
            mean = (a[name].double() + b[name].double()) / 2
            torch.testing.assert_close(tensor.double(), mean, atol=1e-6, rtol=1e-6)
        else:
            assert torch.equal(tensor, a[name]), name  # the text tower is the host's
    with pytest.raises(MergeError, match="a tower answers no question"):
        Resident(Candidate("soup", {}, (), (soup,)), two)


def test_a_kept_open_clip_model_is_written_byte_for_byte(tmp_path: Path) -> None:
    folder = save_open_clip(tmp_path / "a", contrastive(21))
    keep = Candidate("k", {}, (Keep(SEEING, Origin("a")),), ())
    write_model(keep, {"a": open_source("a", folder)}, tmp_path / "out", recipe="r\n")
    name = "open_clip_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()
    config = "open_clip_config.json"
    assert (tmp_path / "out" / config).read_text() == (folder / config).read_text()


def test_a_tower_in_half_precision_is_written_so_into_an_open_clip_model(tmp_path: Path) -> None:
    two = {"a": open_source("a", save_open_clip(tmp_path / "a", contrastive(21)))}
    half = save_open_clip(tmp_path / "b", contrastive(22).half())
    two["b"] = open_source("b", half)
    place = tuple(unit for unit in SEEING if unit == "vision.embed")
    rest = tuple(unit for unit in SEEING if unit not in place)
    keeps = (Keep(place, Origin("a")), Keep(rest, Origin("b")))
    write_model(Candidate("k", {}, keeps, ()), two, tmp_path / "out", recipe="r\n")
    name = "open_clip_model.safetensors"
    found, taken, own = (
        load_file(place / name) for place in (tmp_path / "out", half, tmp_path / "a")
    )
    kept = [n for n in found if ".resblocks." in n and n.startswith("visual.")]
    assert any(n.endswith("in_proj_weight") for n in kept)  # three tensors, and one again
    for n in kept:
        assert found[n].dtype == torch.float16 and torch.equal(found[n], taken[n]), n
    for n in ("visual.conv1.weight", "text_projection"):
        assert found[n].dtype == torch.float32 and torch.equal(found[n], own[n]), n


def test_a_processor_that_does_not_match_the_tower_is_said(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(parents["eyes"], tmp_path / "eyes"))
    file = next(f for f in folder.glob("*processor_config.json") if "crop" in f.read_text())
    table = json.loads(file.read_text())
    inner = table.get("image_processor", table)
    inner["crop_size"] = {"height": 32, "width": 32}
    file.write_text(json.dumps(table))
    keep = Candidate("k", {}, (Keep((*KEPT, *UNITS), Origin("eyes")),), ())
    with pytest.raises(ModelError, match="pictures of 32 by 32, and its tower reads 16 by 16"):
        Resident(keep, {"eyes": open_source("eyes", folder)})


def test_a_processor_that_counts_other_patches_is_said(
    parents: Mapping[str, Path], tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(parents["eyes"], tmp_path / "eyes"))
    file = folder / "processor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"patch_size": 4}))
    keep = Candidate("k", {}, (Keep((*KEPT, *UNITS), Origin("eyes")),), ())
    with pytest.raises(
        ModelError, match="counts patches of 4 by 4 pixels, and its tower cuts them"
    ):
        Resident(keep, {"eyes": open_source("eyes", folder)})


def test_a_siglip_soup_is_an_open_clip_checkpoint(tmp_path: Path) -> None:
    import open_clip

    how = {"vision": SIGLIP_CFG, "mean": [0.5] * 3, "std": [0.5] * 3}
    two = {
        name: open_source(name, save_open_clip(tmp_path / name, siglip(seed), **how))
        for name, seed in (("a", 1), ("b", 2))
    }
    ingredients = tuple(Ingredient(Origin(n), {"weight": (0.5,) * len(SEEING)}) for n in two)
    soup = Blend(SEEING, "soup", None, ingredients, {})
    write_model(Candidate("soup", {}, (), (soup,)), two, tmp_path / "out", recipe="r\n")
    merged = open_clip.create_model(f"local-dir:{tmp_path / 'out'}").state_dict()
    a, b = siglip(1).state_dict(), siglip(2).state_dict()
    assert merged.keys() == a.keys()
    for name, tensor in merged.items():
        mean = (a[name].double() + b[name].double()) / 2 if "visual." in name else a[name].double()
        torch.testing.assert_close(tensor.double(), mean, atol=1e-6, rtol=1e-6)


def test_pixels_of_a_siglip_tower_are_folded_into_its_bias(tmp_path: Path) -> None:
    from transformers import SiglipImageProcessorPil, SiglipVisionModel

    how: dict[str, Any] = {"vision": SIGLIP_CFG, "mean": [0.5] * 3, "std": [0.5] * 3}
    grey = open_source("grey", save_open_clip(tmp_path / "grey", siglip(1), **how))
    host = SiglipVisionModel(grey.config)
    host.save_pretrained(tmp_path / "host")
    other = {"image_mean": [0.4, 0.3, 0.6], "image_std": [0.2, 0.3, 0.25]}
    SiglipImageProcessorPil(size={"height": 16, "width": 16}, **other).save_pretrained(
        tmp_path / "host"
    )
    two = {"host": open_source("host", tmp_path / "host"), "grey": grey}
    blend = Blend(
        SEEING,
        "linear",
        None,
        (
            Ingredient(Origin("host"), {"weight": (0.0,) * len(SEEING)}),
            Ingredient(Origin("grey"), {"weight": (1.0,) * len(SEEING)}),
        ),
        {"normalize": (1.0,) * len(SEEING)},
    )
    write_model(Candidate("t", {}, (), (blend,)), two, tmp_path / "out", recipe="r\n")
    tower = SiglipVisionModel.from_pretrained(tmp_path / "out").eval()
    picture = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in other.values())
    with torch.inference_mode():
        features = tower((picture - mean) / std).pooler_output
        expected = siglip(1).visual((picture - 0.5) / 0.5)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
