"""Makes the models of `families.py` and writes them in each spelling that is about."""

from pathlib import Path
from typing import Any

import torch
import transformers as t
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.vlm.families import Family

SPELLINGS = ("saved", "memory", "hub")  # 5.x as it saves, 5.x as it holds, 4.x as the hub has it


def build(config: Any, seed: int) -> Any:
    """A random model of a config; gates and norms are no longer what they begin as."""
    torch.manual_seed(seed)
    sees = getattr(config, "vision_config", None) is not None
    factory = t.AutoModelForImageTextToText if sees else t.AutoModelForCausalLM
    model = factory.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def save(model: Any, folder: Path, family: Family, spelling: str = "saved") -> Path:
    """Write a model in one of `SPELLINGS`."""
    model.save_pretrained(folder, save_original_format=spelling != "memory")
    if spelling == "hub" and family.hub:
        file = folder / "model.safetensors"
        tensors = {in_hub(name, family): tensor for name, tensor in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
    return folder


def in_hub(name: str, family: Family) -> str:
    """A name of a 5.x file as files of 4.x have it."""
    for start, other in family.hub.items():
        if name.startswith(start):
            return other + name.removeprefix(start)
    return name


def prompt(model: Any, family: Family) -> dict[str, Tensor]:
    """One picture and three words, as `forward` and `generate` take them."""
    token = model.config.image_token_id
    ids = torch.tensor([[1, *[token] * family.tokens, 5, 6, 7]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **family.picture()}
    kind = model.config.model_type
    if kind == "mllama":
        inputs["cross_attention_mask"] = torch.ones(1, ids.shape[1], 1, 1, dtype=torch.long)
    if kind == "gemma3":
        inputs["token_type_ids"] = (ids == token).long()
    if kind.startswith("qwen"):
        inputs["mm_token_type_ids"] = (ids == token).int()
    return inputs
