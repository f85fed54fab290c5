"""Small random towers: of open_clip, as open_clip itself writes them, and of transformers."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from vlm.compat import ensure_torchvision

ensure_torchvision()

import open_clip  # noqa: E402
import timm  # noqa: E402
from open_clip.model import CLIP  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402
from transformers import (  # noqa: E402
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
)

VISION: dict[str, Any] = {
    "layers": 2,
    "width": 32,
    "head_width": 16,
    "mlp_ratio": 1.5,
    "patch_size": 8,
    "image_size": 16,
}
TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
SIGLIP = "vit_tiny_patch8_siglip_16_awase"


@timm.models.register_model
def vit_tiny_patch8_siglip_16_awase(pretrained: bool = False, **kwargs: Any) -> Any:
    """A SigLIP trunk as timm builds the large ones, in small."""
    sizes = {"img_size": 16, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
    kwargs.pop("pretrained_cfg", None), kwargs.pop("pretrained_cfg_overlay", None)
    kwargs.pop("cache_dir", None)
    return VisionTransformer(
        **{**sizes, "class_token": False, "global_pool": "map", "mlp_ratio": 1.5, **kwargs}
    )


def contrastive(seed: int, quick: bool = False, **vision: Any) -> CLIP:
    """A model of open_clip with its own ViT."""
    torch.manual_seed(seed)
    text = {**TEXT}
    return CLIP(
        embed_dim=24, vision_cfg={**VISION, **vision}, text_cfg=text, quick_gelu=quick
    ).eval()


def siglip(seed: int) -> Any:
    """A SigLIP model of open_clip, its trunk timm's."""
    torch.manual_seed(seed)
    vision = {"image_size": 16, "timm_model_name": SIGLIP, "timm_pool": "map", "timm_proj": "none"}
    return open_clip.CustomTextCLIP(
        embed_dim=32, vision_cfg=vision, text_cfg={**TEXT}, init_logit_bias=-10
    ).eval()


def save_open_clip(
    folder: Path,
    model: Any,
    *,
    quick: bool = False,
    vision: dict[str, Any] | None = None,
    **pixels: Any,
) -> Path:
    """A folder as `open_clip.push_to_hf_hub` leaves it."""
    folder.mkdir(parents=True)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
    cfg: dict[str, Any] = {"embed_dim": 24, "vision_cfg": vision or VISION, "text_cfg": TEXT}
    if quick:
        cfg["quick_gelu"] = True
    if hasattr(model, "logit_bias") and model.logit_bias is not None:
        cfg |= {"custom_text": True, "init_logit_bias": -10, "embed_dim": 32}
    table = {"model_cfg": cfg, "preprocess_cfg": pixels}
    (folder / "open_clip_config.json").write_text(json.dumps(table))
    return folder


SIGLIP_CFG = {
    "image_size": 16,
    "timm_model_name": SIGLIP,
    "timm_pool": "map",
    "timm_proj": "none",
}


def save_tower(folder: Path, seed: int, **changes: Any) -> Path:
    """A `CLIPVisionModel` alone, of the size that the small LLaVA has."""
    torch.manual_seed(seed)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    CLIPVisionModel(CLIPVisionConfig(**{**sizes, **changes})).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    ).save_pretrained(folder)
    return folder
