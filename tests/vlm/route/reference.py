"""A llama by hand: what a walk with scales is to compute, written from its definition."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

HEADS, KEYS, EPS = 4, 2, 1e-6


def norm(x: Tensor, weight: Tensor, eps: float = EPS) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def turned(x: Tensor, theta: float = 10000.0) -> Tensor:
    """x: (rows, heads, length, size), by the angles of its positions."""
    size = x.shape[-1]
    angle = torch.arange(x.shape[2])[:, None] / theta ** (torch.arange(0, size, 2) / size)
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    half = torch.cat((-x[..., size // 2 :], x[..., : size // 2]), -1)
    return x * cos + half * sin


def attention(x: Tensor, w: Mapping[str, Tensor], stem: str) -> Tensor:
    rows, length, width = x.shape

    def heads(name: str, count: int) -> Tensor:
        y = x @ w[f"{stem}.{name}.weight"].T
        return y.view(rows, length, count, width // HEADS).transpose(1, 2)

    q, k, v = turned(heads("q_proj", HEADS)), turned(heads("k_proj", KEYS)), heads("v_proj", KEYS)
    k, v = (y.repeat_interleave(HEADS // KEYS, 1) for y in (k, v))
    weight = q @ k.transpose(2, 3) / math.sqrt(width // HEADS)
    weight = weight.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    y = (weight.softmax(-1) @ v).transpose(1, 2).reshape(rows, length, width)
    return y @ w[f"{stem}.o_proj.weight"].T


def mlp(x: Tensor, w: Mapping[str, Tensor], stem: str) -> Tensor:
    gate, up = x @ w[f"{stem}.gate_proj.weight"].T, x @ w[f"{stem}.up_proj.weight"].T
    return (torch.nn.functional.silu(gate) * up) @ w[f"{stem}.down_proj.weight"].T


def logits(
    models: Mapping[str, Mapping[str, Tensor]],
    hops: Sequence[tuple[str, int, float]],
    ids: Tensor,
    begin: str,
    end: str,
    scale_of: str,
) -> Tensor:
    """The walk as it is defined. `models` are state dicts of LlamaForCausalLM."""
    stream, last = torch.zeros(()), models[begin]["model.embed_tokens.weight"][ids]
    for name, layer, scale in hops:
        w, stem = models[name], f"model.layers.{layer}"
        stream = scale * (stream + last) if scale_of == "stream" else stream + scale * last
        x = norm(stream, w[f"{stem}.input_layernorm.weight"])
        stream = stream + attention(x, w, f"{stem}.self_attn")
        last = mlp(norm(stream, w[f"{stem}.post_attention_layernorm.weight"]), w, f"{stem}.mlp")
    x = norm(stream + last, models[end]["model.norm.weight"])
    return x @ models[end]["lm_head.weight"].T
