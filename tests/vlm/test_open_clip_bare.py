"""Checkpoints as open_clip's training leaves them: a pickle without a config, named by its architecture."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from merge_dsl.cli import main
from merge_dsl.meaning import clip
from tests.vlm.towers import TEXT, VISION, contrastive
from vlm.weights.source import open_source

RECIPE = """recipe tower

model eyes from "file:eyes"
model clip from "file:{file}" {{ architecture = "{name}" }}

merge child {{
  keep projector, language from eyes
  vision by soup {{
    take eyes.vision
    take clip
  }}
}}

write child to "child" {{ dtype = fp32 }}
"""


@pytest.fixture
def place(
    parents: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An open_clip that knows one small architecture, and the small LLaVA."""
    known = tmp_path / "open_clip"
    (known / "model_configs").mkdir(parents=True)
    (known / "pretrained.py").write_text("_PRETRAINED = {}\n")
    cfg: dict[str, Any] = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
    table = json.dumps(cfg | {"quick_gelu": True})
    (known / "model_configs" / "tiny-quickgelu.json").write_text(table)
    monkeypatch.setattr(clip, "_folder", lambda: known)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eyes").symlink_to(parents["eyes"])
    clip._tags.cache_clear()
    yield tmp_path
    clip._tags.cache_clear()


def trained(path: Path, kind: str = "train") -> dict[str, torch.Tensor]:
    """What open_clip's training, or a user, saves."""
    model = contrastive(5, True)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "bare":
        torch.save(state, path)
    else:
        optimizer = torch.optim.AdamW(model.parameters())
        wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
        table = {"epoch": 30, "name": "run", "state_dict": wrapped}
        torch.save({**table, "optimizer": optimizer.state_dict()}, path)
    return state


def merge(file: str, name: str = "tiny-quickgelu") -> int:
    Path("tower.merge").write_text(RECIPE.format(file=file, name=name), encoding="utf-8")
    return main(["merge", "tower.merge", "--quiet"])


@pytest.mark.parametrize(
    ("file", "kind"),
    [("epoch_30.pt", "train"), ("model.bin", "bare"), ("model.safetensors", "safetensors")],
)
def test_a_bare_checkpoint_is_a_tower(
    file: str, kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = trained(place / file, kind)
    assert merge(file) == 0, capsys.readouterr().err
    assert main(["lint", "tower.merge"]) == 0, capsys.readouterr().out
    child, eyes = open_source("child", Path("child")), open_source("eyes", Path("eyes"))
    patch = next(r for r in child.names if r.tail == "embeddings.patch_embedding.weight")
    mean = (eyes.tensor(patch).double() + state["visual.conv1.weight"].double()) / 2
    torch.testing.assert_close(child.tensor(patch).double(), mean, atol=1e-7, rtol=1e-6)
    cached = list((place / "cache" / "awase" / "open_clip").iterdir())
    assert merge(file) == 0 and len(cached) == 1  # read once


def test_another_architecture_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for changes, said in (
        ({"width": 48}, "it has 48 for vision.embed embeddings.class_embedding, which is 32 there"),
        ({"layers": 3}, "is no part of a clip_vision_model model"),
        ({"layers": 1}, "it has no vision.layers.1"),
    ):
        torch.save(contrastive(5, True, **changes).state_dict(), place / "epoch_30.pt")
        assert merge("epoch_30.pt") == 1
        told = capsys.readouterr().err
        assert "is no tiny-quickgelu: " in told and said in told
    assert merge("epoch_30.pt", "tiny-quickgel") == 1
    assert "did you mean `tiny-quickgelu`?" in capsys.readouterr().err
    assert not list((place / "cache" / "awase" / "open_clip").iterdir())


def test_a_pickle_that_would_run_code_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for thing, said in (
        ({"state_dict": {"visual.proj": Path("code")}}, "cannot be read as tensors alone"),
        ([1, 2], "holds no table of tensors"),
        ({"visual.proj": 3}, "visual.proj is no tensor"),
    ):
        torch.save(thing, place / "odd.pt")
        assert merge("odd.pt") == 1
        assert said in capsys.readouterr().err


def test_it_must_be_said_what_it_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(place / "epoch_30.pt")
    text = RECIPE.format(file="epoch_30.pt", name="tiny-quickgelu")
    silent = text.replace(' { architecture = "tiny-quickgelu" }', "")
    misplaced = text.replace('"file:epoch_30.pt"', '"file:eyes"')
    for recipe, said in ((silent, "weights without a config"), (misplaced, "and this is none")):
        Path("tower.merge").write_text(recipe, encoding="utf-8")
        assert main(["lint", "tower.merge"]) == 1
        found = capsys.readouterr().out
        assert "N108" in found and said in found
