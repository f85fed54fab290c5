"""A folder that open_clip wrote, as a parent: `open_clip_config.json` and its weights.

In: a folder. Out: the config of the twin in transformers, and the tensors under its names; what is not
of the image encoder keeps open_clip's names. Nothing of open_clip runs, and timm only to be asked how a
SigLIP trunk is built, which its config does not say.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vlm.compat import ensure_torchvision
from vlm.errors import ModelError
from vlm.weights.checkpoint import Checkpoint, open_files
from vlm.weights.made import Made
from vlm.weights.open_clip import PROJECTION, TRUNK, Spelling, spelling
from vlm.weights.pixels import OPEN_CLIP
from vlm.weights.views import Held, Respelt, held, respelt

ensure_torchvision()

from transformers import CLIPVisionConfig, SiglipVisionConfig  # noqa: E402

WEIGHTS = "open_clip_model.safetensors"
PICKLED = "open_clip_pytorch_model.bin"
# Settings of a tower that change what it computes, and the only value that its twin knows.
ONLY = {
    "ls_init_value": None,
    "attentional_pool": False,
    "no_ln_pre": False,
    "final_ln_after_pool": False,
    "pool_type": "tok",
    "act_kwargs": None,
    "qk_norm": False,
    "scaled_cosine_attn": False,
    "scale_heads": False,
    "scale_attn_inner": False,
    "scale_attn": False,
    "scale_fc": False,
}


def is_open_clip(folder: Path) -> bool:
    """Whether a folder holds a model of open_clip; where it also holds another, open_clip's is read."""
    if not (folder / OPEN_CLIP).is_file():
        return False
    other = (folder / "config.json").is_file()
    return not other or any((folder / name).is_file() for name in (WEIGHTS, PICKLED))


def open_folder(folder: Path) -> tuple[Any, Respelt, Spelling]:
    """Config, tensors under transformers' names, and the way back. Raises ModelError."""
    model = _model_config(folder)
    inner = _weights(folder)
    try:
        spelt = spelling(inner.entries)
        config = _siglip(model, inner) if spelt.kind == "siglip" else _vit(model, inner)
    except ModelError as error:
        raise error.at(str(folder)) from None
    except Exception as error:  # whatever arithmetic and transformers make of a wrong value
        said = " ".join(str(error).split()) or type(error).__name__
        what = f"{folder / OPEN_CLIP} describes no tower: {said}"
        raise ModelError(what, "fetch the file anew") from error
    rest = {name: Made((name,), _itself) for name in spelt.rest}
    return config, respelt(inner, {**spelt.there, **rest}), spelt


def _itself(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _model_config(folder: Path) -> Mapping[str, Any]:
    path = folder / OPEN_CLIP
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        assert isinstance(model["vision_cfg"], dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise ModelError(
            f"{path} has no `model_cfg` with a tower", "fetch the file anew"
        ) from error
    return dict(model)


def _weights(folder: Path) -> "Checkpoint | Held":
    if (folder / WEIGHTS).is_file():
        return open_files(folder, [folder / WEIGHTS])
    file = folder / PICKLED
    if not file.is_file():
        raise ModelError(f"{folder} holds no weights", f"it needs {WEIGHTS} or {PICKLED}")
    try:
        # Tensors only: a pickle that would run code is refused.
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file makes it raise
        raise ModelError(f"{file} cannot be read: {error}", "fetch the file anew") from error
    state = state.get("state_dict", state)
    return held(folder, file, {n.removeprefix("module."): t for n, t in state.items()})


def _vit(model: Mapping[str, Any], inner: "Checkpoint | Held") -> CLIPVisionConfig:
    cfg = model["vision_cfg"]
    for name, only in ONLY.items():
        if cfg.get(name, only) not in (only, None):
            raise ModelError(
                f"its tower sets `{name}`, which no CLIP tower of transformers does",
                "take a plain ViT of open_clip, or a SigLIP tower",
            )
    width = int(cfg.get("width", 768))
    projected = "visual.proj" in inner.entries
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=round(width * cfg.get("mlp_ratio", 4.0)),
        num_hidden_layers=cfg.get("layers", 12),
        num_attention_heads=width // int(cfg.get("head_width", 64)),
        image_size=cfg.get("image_size", 224),
        patch_size=cfg.get("patch_size", 16),
        hidden_act="quick_gelu" if model.get("quick_gelu") else "gelu",
        layer_norm_eps=(cfg.get("norm_kwargs") or {}).get("eps", 1e-5),
        projection_dim=model.get("embed_dim", 512),
        architectures=["CLIPVisionModelWithProjection" if projected else "CLIPVisionModel"],
    )


def _siglip(model: Mapping[str, Any], inner: "Checkpoint | Held") -> SiglipVisionConfig:
    """Sizes from the tensors; heads, activation and eps from timm, without weights."""
    import timm

    name = str(model["vision_cfg"].get("timm_model_name"))
    try:
        with torch.device("meta"):
            trunk: Any = timm.create_model(name)
        block = trunk.blocks[0]
    except (RuntimeError, AttributeError, TypeError, IndexError) as error:
        raise ModelError(f"timm builds no ViT `{name}`: {error}", "check timm's version") from error
    positions = inner.entries[f"{TRUNK}pos_embed"].shape
    patch = inner.entries[f"{TRUNK}patch_embed.proj.weight"].shape[-1]
    inside = inner.entries[f"{TRUNK}blocks.0.mlp.fc1.weight"].shape[0]
    layers = {n.split(".")[3] for n in inner.entries if n.startswith(f"{TRUNK}blocks.")}
    tanh = "Tanh" in type(block.mlp.act).__name__ or (
        getattr(block.mlp.act, "approximate", "none") == "tanh"
    )
    return SiglipVisionConfig(
        hidden_size=positions[-1],
        intermediate_size=inside,
        num_hidden_layers=len(layers),
        num_attention_heads=block.attn.num_heads,
        image_size=round(positions[-2] ** 0.5) * patch,
        patch_size=patch,
        hidden_act="gelu_pytorch_tanh" if tanh else "gelu",
        layer_norm_eps=trunk.norm.eps,
        vision_use_head=f"{TRUNK}attn_pool.latent" in inner.entries,
    )


def anatomy_names(spelt: Spelling) -> dict[str, str]:
    """Name in `open_folder`'s tensors -> the name that transformers' model has for it."""
    projected = PROJECTION in spelt.there
    return {
        name: f"vision_model.{name}" if projected and name != PROJECTION else name
        for name in spelt.there
    }
