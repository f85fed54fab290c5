"""One small random model of every vision-language family, in the real layout, and its decoder's LLM.

`FAMILIES` is a table: family -> how to make its config, the config of the plain language model that
shares its decoder, the tensors that stand for one picture, and what 4.x files call the tensors.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from tests.vlm.shown import SHOWN, crossed, patches, pixels, sized, tiles
from vlm.compat import ensure_torchvision

ensure_torchvision()

import transformers as t  # noqa: E402

VOCAB = 96
IMAGE = 90  # the token that stands for a picture
TEXT = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
LLAVA_TOWER = {"vision_feature_layer": -1, "tie_word_embeddings": False}
VIEW = {"vision_tower.": "vision_tower.vision_model."}  # hub files of CLIP and SigLIP towers


class Family(NamedTuple):
    """How to make one family."""

    config: Callable[[], Any]  # of the VLM
    partner: Callable[[], Any]  # of the LLM that shares its decoder
    picture: Callable[[], dict[str, Tensor]]  # what `forward` wants beside the ids
    tokens: int  # image tokens in the prompt
    hub: Mapping[str, str] = {}  # 4.x spelling: start of a name in a 5.x file -> as the hub has it


def text(**changes: Any) -> dict[str, Any]:
    return TEXT | changes


def tower(**changes: Any) -> dict[str, Any]:
    return TOWER | changes


def _llava(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "vision_config": t.CLIPVisionConfig(**TOWER),
        "text_config": t.LlamaConfig(**TEXT),
        "image_token_index": IMAGE,
        "image_seq_length": 4,
        **LLAVA_TOWER,
    }
    return t.LlavaConfig(**values | changes)


def _llava_next() -> Any:
    return t.LlavaNextConfig(
        vision_config=t.CLIPVisionConfig(**TOWER),
        text_config=t.MistralConfig(**TEXT, sliding_window=64),
        image_token_index=IMAGE,
        image_grid_pinpoints=[[16, 16], [16, 32]],
        **LLAVA_TOWER,
    )


def _vipllava() -> Any:
    return t.VipLlavaConfig(
        vision_config=t.CLIPVisionConfig(**TOWER),
        text_config=t.LlamaConfig(**TEXT),
        image_token_index=IMAGE,
        vision_feature_layers=[-2, -1],
        tie_word_embeddings=False,
    )


def _onevision() -> Any:
    return t.LlavaOnevisionConfig(
        vision_config=t.SiglipVisionConfig(**TOWER, vision_use_head=False),
        text_config=t.Qwen2Config(**TEXT),
        image_token_index=IMAGE,
        video_token_index=IMAGE + 1,
        image_grid_pinpoints=[[16, 16], [16, 32]],
        vision_feature_select_strategy="full",
        **LLAVA_TOWER,
    )


ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]}
QWEN = {
    "image_token_id": IMAGE,
    "video_token_id": IMAGE + 1,
    "vision_start_token_id": IMAGE + 2,
    "vision_end_token_id": IMAGE + 3,
    "tie_word_embeddings": False,
}
MERGED = {"num_heads": 2, "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}


def _qwen2_vl() -> Any:
    return t.Qwen2VLConfig(
        vision_config={"depth": 2, "embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2, **MERGED},
        text_config=text(rope_parameters=ROPE),
        **QWEN,
    )


def _qwen2_5_vl() -> Any:
    return t.Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "out_hidden_size": 32,
            "intermediate_size": 24,
            "fullatt_block_indexes": [1],
            "window_size": 16,
            **MERGED,
        },
        text_config=text(rope_parameters=ROPE),
        **QWEN,
    )


def _qwen3_vl() -> Any:
    return t.Qwen3VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "out_hidden_size": 32,
            "intermediate_size": 24,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
            **MERGED,
        },
        text_config=text(rope_parameters=ROPE | {"mrope_interleaved": True}),
        **QWEN,
    )


def _idefics3() -> Any:
    return t.Idefics3Config(
        vision_config=tower(),
        text_config=t.LlamaConfig(**TEXT),
        image_token_id=IMAGE,
        scale_factor=2,
        tie_word_embeddings=False,
        pad_token_id=0,
    )


def _smolvlm() -> Any:
    return t.SmolVLMConfig(
        vision_config=tower(),
        text_config=t.LlamaConfig(**TEXT),
        image_token_id=IMAGE,
        scale_factor=2,
        tie_word_embeddings=True,
        pad_token_id=0,
    )


def _paligemma() -> Any:
    return t.PaliGemmaConfig(
        vision_config=t.SiglipVisionConfig(**TOWER, vision_use_head=False),
        text_config=t.GemmaConfig(**text(tie_word_embeddings=True)),
        image_token_index=IMAGE,
        projection_dim=32,
        hidden_size=32,
        pad_token_id=0,
    )


def _gemma3() -> Any:
    return t.Gemma3Config(
        vision_config=t.SiglipVisionConfig(**TOWER, vision_use_head=False),
        text_config=t.Gemma3TextConfig(**_gemma3_text()),
        image_token_index=IMAGE,
        boi_token_index=IMAGE + 1,
        eoi_token_index=IMAGE + 2,
        mm_tokens_per_image=4,
    )


def _gemma3_text() -> dict[str, Any]:
    kinds = ["sliding_attention", "full_attention"]
    return text(
        tie_word_embeddings=True, sliding_window=16, layer_types=kinds, query_pre_attn_scalar=8
    )


def _internvl() -> Any:
    changes = {"image_size": [16, 16], "patch_size": [4, 4], "use_mean_pooling": False}
    return t.InternVLConfig(
        vision_config=t.InternVLVisionConfig(**tower(**changes)),
        text_config=t.Qwen2Config(**TEXT),
        image_token_id=IMAGE,
        image_seq_length=4,
        tie_word_embeddings=False,
    )


def _pixtral_tower() -> Any:
    return t.PixtralVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=4,
    )


def _mistral3() -> Any:
    return t.Mistral3Config(
        vision_config=_pixtral_tower(),
        text_config=t.MistralConfig(**TEXT, sliding_window=None),
        image_token_index=IMAGE,
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )


def _pixtral() -> Any:
    return _llava(
        vision_config=_pixtral_tower(),
        text_config=t.MistralConfig(**TEXT, sliding_window=None),
        image_seq_length=1,
        vision_feature_select_strategy="full",
    )


def _aya_vision() -> Any:
    return t.AyaVisionConfig(
        vision_config=t.SiglipVisionConfig(**tower(patch_size=4), vision_use_head=False),
        text_config=t.Cohere2Config(**_cohere2()),
        image_token_index=IMAGE,
        downsample_factor=2,
    )


def _cohere2() -> dict[str, Any]:
    return text(
        tie_word_embeddings=True,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    )


def _mllama() -> Any:
    """Four layers, two of which look at the picture; so the LLM has two."""
    inner = text(num_hidden_layers=4, cross_attention_layers=[1, 3], rope_parameters=PLAIN)
    del inner["head_dim"]
    return t.MllamaConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "vision_output_dim": 32,
            "image_size": 16,
            "patch_size": 8,
            "max_num_tiles": 1,
            "supported_aspect_ratios": [[1, 1]],
            "intermediate_layers_indices": [0],
        },
        text_config=inner,
        image_token_index=VOCAB,  # mllama keeps eight rows behind its vocabulary
    )


PLAIN = {"rope_type": "default", "rope_theta": 1e4}


def _llama4_text() -> dict[str, Any]:
    return text(
        intermediate_size_mlp=48,
        num_local_experts=2,
        num_experts_per_tok=1,
        interleave_moe_layer_step=2,
        attention_chunk_size=64,
        rope_parameters=PLAIN,
    )


def _llama4() -> Any:
    return t.Llama4Config(
        vision_config={
            **tower(patch_size=4, intermediate_size=64),
            "vision_output_dim": 16,
            "projector_input_dim": 16,
            "projector_output_dim": 16,
            "pixel_shuffle_ratio": 0.5,
            "rope_parameters": PLAIN,
        },
        text_config=_llama4_text(),
        image_token_index=IMAGE,
        boi_token_index=IMAGE + 1,
        eoi_token_index=IMAGE + 2,
    )


def _opt() -> dict[str, Any]:
    return {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "word_embed_proj_dim": 32,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }


def _blip_2() -> Any:
    return t.Blip2Config(
        vision_config=tower(),
        qformer_config={
            "vocab_size": VOCAB,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "encoder_hidden_size": 16,
        },
        text_config=t.OPTConfig(**_opt()),
        num_query_tokens=4,
        image_token_index=IMAGE,
    )


FAMILIES: dict[str, Family] = {
    "llava": Family(_llava, lambda: t.LlamaConfig(**TEXT), pixels, 4, VIEW),
    "vipllava": Family(_vipllava, lambda: t.LlamaConfig(**TEXT), pixels, 4, VIEW),
    "llava_next": Family(
        _llava_next, lambda: t.MistralConfig(**TEXT, sliding_window=64), tiles, 10, VIEW
    ),
    "llava_onevision": Family(_onevision, lambda: t.Qwen2Config(**TEXT), tiles, 10, VIEW),
    "qwen2_vl": Family(_qwen2_vl, lambda: t.Qwen2Config(**TEXT), patches(96), 4),
    "qwen2_5_vl": Family(_qwen2_5_vl, lambda: t.Qwen2Config(**TEXT), patches(96), 4),
    "qwen3_vl": Family(_qwen3_vl, lambda: t.Qwen3Config(**TEXT), patches(96), 4),
    "idefics3": Family(
        _idefics3, lambda: t.LlamaConfig(**TEXT), lambda: {"pixel_values": SHOWN[None]}, 1
    ),
    "smolvlm": Family(
        _smolvlm,
        lambda: t.LlamaConfig(**text(tie_word_embeddings=True)),
        lambda: {"pixel_values": SHOWN[None]},
        1,
    ),
    "paligemma": Family(
        _paligemma, lambda: t.GemmaConfig(**text(tie_word_embeddings=True)), pixels, 4, VIEW
    ),
    "gemma3": Family(_gemma3, lambda: t.Gemma3TextConfig(**_gemma3_text()), pixels, 4, VIEW),
    "internvl": Family(_internvl, lambda: t.Qwen2Config(**TEXT), pixels, 4),
    "mistral3": Family(
        _mistral3,
        lambda: t.MistralConfig(**TEXT, sliding_window=None),
        sized,
        4,
    ),
    "pixtral": Family(
        _pixtral,
        lambda: t.MistralConfig(**TEXT, sliding_window=None),
        sized,
        16,
    ),
    "aya_vision": Family(_aya_vision, lambda: t.Cohere2Config(**_cohere2()), pixels, 4, VIEW),
    "mllama": Family(_mllama, lambda: t.LlamaConfig(**TEXT), crossed, 1),
    "llama4": Family(_llama4, lambda: t.Llama4TextConfig(**_llama4_text()), pixels, 4),
    "blip_2": Family(_blip_2, lambda: t.OPTConfig(**_opt()), pixels, 4),
}
