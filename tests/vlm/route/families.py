"""Tiny random models of many families in the real layout, and what to ask of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vlm.compat import ensure_torchvision

ensure_torchvision()

import transformers as hf  # noqa: E402

WORDS, PICTURE = 64, 60  # words, and the one that stands for the picture
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
PLAIN = {"tie_word_embeddings": False}
HEADS = {"head_dim": 8}
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
MIXED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]


def _rope(theta: float = 10000.0) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


def llama(**changes: Any) -> Any:
    return hf.LlamaForCausalLM(hf.LlamaConfig(**{**SIZES, **PLAIN, **changes}))


def mistral(**changes: Any) -> Any:
    return hf.MistralForCausalLM(
        hf.MistralConfig(**{**SIZES, **PLAIN, **HEADS, "sliding_window": 5, **changes})
    )


def qwen2(**changes: Any) -> Any:
    sizes = {"layer_types": MIXED, "use_sliding_window": True, "sliding_window": 5}
    return hf.Qwen2ForCausalLM(hf.Qwen2Config(**{**SIZES, **PLAIN, **sizes, **changes}))


def qwen3(**changes: Any) -> Any:
    return hf.Qwen3ForCausalLM(hf.Qwen3Config(**{**SIZES, **PLAIN, **HEADS, **changes}))


def gemma3(**changes: Any) -> Any:
    sizes = {"layer_types": MIXED, "sliding_window": 5, "query_pre_attn_scalar": 8}
    return hf.Gemma3ForCausalLM(
        hf.Gemma3TextConfig(**{**SIZES, **PLAIN, **HEADS, **sizes, **changes})
    )


def olmo2(**changes: Any) -> Any:
    return hf.Olmo2ForCausalLM(hf.Olmo2Config(**{**SIZES, **PLAIN, **changes}))


def llava(**changes: Any) -> Any:
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**TOWER),
        text_config=hf.LlamaConfig(**{**SIZES, **PLAIN, **changes}),
        image_token_index=PICTURE,
        image_seq_length=4,
        vision_feature_layer=-2,
        tie_word_embeddings=False,
    )
    return hf.LlavaForConditionalGeneration(config)


def gemma3_vlm(**changes: Any) -> Any:
    text = {"layer_types": MIXED, "sliding_window": 5, "query_pre_attn_scalar": 8}
    config = hf.Gemma3Config(
        text_config={**SIZES, **HEADS, **text, **changes},
        vision_config={**TOWER, "model_type": "siglip_vision_model"},
        mm_tokens_per_image=4,
        image_token_index=PICTURE,
        boi_token_index=61,
        eoi_token_index=62,
        tie_word_embeddings=False,
    )
    return hf.Gemma3ForConditionalGeneration(config)


def qwen2_5_vl(**changes: Any) -> Any:
    rope = {**_rope(), "mrope_section": [1, 1, 2]}
    config = hf.Qwen2_5_VLConfig(
        text_config={**SIZES, **PLAIN, "rope_parameters": rope, **changes},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [1],
            "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        image_token_id=PICTURE, video_token_id=61, vision_start_token_id=62, vision_end_token_id=63,
        tie_word_embeddings=False,
    )  # fmt: skip
    return hf.Qwen2_5_VLForConditionalGeneration(config)


def qwen3_vl(**changes: Any) -> Any:
    rope = {**_rope(), "mrope_section": [1, 1, 2], "mrope_interleaved": True}
    config = hf.Qwen3VLConfig(
        text_config={**SIZES, **PLAIN, **HEADS, "rope_parameters": rope, **changes},
        vision_config={
            "depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=PICTURE, video_token_id=61, vision_start_token_id=62, vision_end_token_id=63,
        tie_word_embeddings=False,
    )  # fmt: skip
    return hf.Qwen3VLForConditionalGeneration(config)


def idefics3(**changes: Any) -> Any:
    config = hf.Idefics3Config(
        text_config={**SIZES, **PLAIN, "model_type": "llama", **changes},
        vision_config={**TOWER},
        image_token_id=PICTURE, scale_factor=2, tie_word_embeddings=False,
    )  # fmt: skip
    return hf.Idefics3ForConditionalGeneration(config)


def internvl(**changes: Any) -> Any:
    config = hf.InternVLConfig(
        text_config={**SIZES, **PLAIN, "model_type": "qwen2", **changes},
        vision_config={**TOWER, "image_size": [16, 16], "patch_size": [4, 4]},
        image_token_id=PICTURE, image_seq_length=4, downsample_ratio=0.5,
        tie_word_embeddings=False,
    )  # fmt: skip
    return hf.InternVLForConditionalGeneration(config)


FAMILIES: dict[str, Callable[..., Any]] = {
    "llama": llama,
    "mistral": mistral,
    "gemma3": gemma3,
    "llava": llava,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma3_vlm": gemma3_vlm,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "idefics3": idefics3,
    "internvl": internvl,
}
QUICK = ("llama", "mistral", "gemma3", "llava")


def save(
    make: Callable[..., Any], folder: Path, seed: int, std: float = 0.2, **changes: Any
) -> Path:
    """A random model on disk; weights are large enough for its layers to matter."""
    torch.manual_seed(seed)
    model = make(**changes)
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            if "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(std * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


def inputs_for(family: str, length: int = 14) -> dict[str, Any]:
    """Two rows of words, of one picture each where the family sees."""
    draw = torch.Generator().manual_seed(5)
    ids = torch.randint(3, 50, (2, length), generator=draw)
    found: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if family not in ("llava", "gemma3_vlm", "qwen2_5_vl", "qwen3_vl", "idefics3", "internvl"):
        return found
    ids[:, 2:6] = PICTURE
    pixels = torch.randn(2, 3, 16, 16, generator=draw)
    if family in ("qwen2_5_vl", "qwen3_vl"):
        ids[:, 1] = 62
        # Two pictures of 4 by 4 patches of 2 times 3 times 4 times 4 numbers; four patches a word.
        found["pixel_values"] = torch.randn(32, 96, generator=draw)
        found["image_grid_thw"] = torch.tensor([[1, 4, 4], [1, 4, 4]])
        found["mm_token_type_ids"] = (ids == PICTURE).int()
    elif family == "idefics3":
        ids[:, 3:6] = 7  # 2 by 2 patches are one word
        found["pixel_values"] = pixels[:, None]
    elif family == "gemma3_vlm":
        found["pixel_values"] = pixels
        found["token_type_ids"] = (ids == PICTURE).long()
    else:
        found["pixel_values"] = pixels
    return found
