"""The image encoder of an open_clip model under transformers' names, and back: the same bytes.

In: tensors by name. Out: tensors by the other name. `Spelling` says of each name what it is made of, so
that one tensor can be read without the rest. Two architectures have a twin in transformers: open_clip's
own ViT (`CLIPVisionModel`) and timm's SigLIP trunk (`SiglipVisionModel`). Every other tower holds a
tensor that has no place there, and is refused by that tensor's name.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vlm.errors import ModelError
from vlm.weights.made import Made

VISUAL = "visual."
TRUNK = "visual.trunk."
VIT = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
}
VIT_MODULES = {  # each holds a weight and a bias
    "ln_pre": "pre_layrnorm",  # so spelt in transformers
    "ln_post": "post_layernorm",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
SIGLIP_MODULES = {
    "patch_embed.proj": "embeddings.patch_embedding",
    "norm": "post_layernorm",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "attn_pool.proj": "head.attention.out_proj",
    "attn_pool.norm": "head.layernorm",
    "attn_pool.mlp.fc1": "head.mlp.fc1",
    "attn_pool.mlp.fc2": "head.mlp.fc2",
}
LAYER = re.compile(r"(?:transformer\.resblocks|blocks)\.(\d+)\.(.+)")
PROJECTION = "visual_projection.weight"  # of CLIPVisionModelWithProjection
# What a tower holds that has no twin: the beginning of a name, and what it means.
STRANGE = {
    r"(.*\.)?(ls_?[12]|gamma_[12])(\.|$)": "layers scale what they add, which no CLIP tower of transformers does",
    r"(trunk\.)?attn_pool\.": "pictures are pooled by attention, as in CoCa",
    r"layer[1-4]\.|bn\d|attnpool\.": "it is a ResNet, which has no layers to blend",
    r"(.*\.)?(ln_q|ln_k|q_norm|k_norm|ln_inner|ln_attn|ln\.)": "its attention is normalised inside",
}


@dataclass(frozen=True)
class Spelling:
    """Both ways for one model. `there` is keyed by transformers' names, `back` by open_clip's.

    `rest` are the names beside the image encoder: text tower, temperature; they keep their names.
    """

    kind: Literal["clip", "siglip"]
    there: Mapping[str, Made]
    back: Mapping[str, Made]
    rest: tuple[str, ...]


def spelling(names: Iterable[str]) -> Spelling:
    """Read the spelling off a model's tensor names. Raises ModelError for a tower without a twin."""
    listed = tuple(names)
    inner = [name.removeprefix(VISUAL) for name in listed if name.startswith(VISUAL)]
    if not inner:
        raise ModelError("it has no image encoder", "name a model of open_clip: one with `visual.`")
    siglip = any(name.startswith("trunk.") for name in inner)
    there: dict[str, Made] = {}
    back: dict[str, Made] = {}
    for name in inner:
        found = _siglip(name.removeprefix("trunk."), set(inner)) if siglip else _vit(name)
        if found is None:
            raise _strange(name)
        outer = tuple(VISUAL + one for one in found.names)
        there |= {one: Made(outer, by) for one, by in found.there.items()}
        back |= {
            one: Made(tuple(found.there), by) for one, by in zip(outer, found.back, strict=True)
        }
    if not siglip and "embeddings.class_embedding" in there and "pre_layrnorm.weight" not in there:
        raise ModelError(
            "its tower has no norm before the layers, and a CLIP tower of transformers has one",
            "take a tower with `ln_pre`",
        )
    rest = tuple(name for name in listed if not name.startswith(VISUAL))
    return Spelling("siglip" if siglip else "clip", there, back, rest)


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image encoder of an open_clip model under transformers' names, dtypes as they are."""
    return {n: made.out_of(state.__getitem__) for n, made in spelling(state).there.items()}


def to_open_clip(state: Mapping[str, Tensor], like: Iterable[str]) -> dict[str, Tensor]:
    """The way back. `like` are open_clip's names: two of them may have been one here."""
    return {n: made.out_of(state.__getitem__) for n, made in spelling(like).back.items()}


@dataclass(frozen=True)
class _Pair:
    """A few tensors of one spelling that are a few of the other. `names` lie under `visual.`."""

    names: tuple[str, ...]
    there: Mapping[str, Callable[..., Tensor]]
    back: tuple[Callable[..., Tensor], ...]


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _turned(tensor: Tensor) -> Tensor:
    return tensor.T


def _joined(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _part(index: int, count: int) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor.chunk(count)[index]


def _head(tensor: Tensor) -> Tensor:
    return tensor[: len(tensor) // 3]


def _tail(tensor: Tensor) -> Tensor:
    return tensor[len(tensor) // 3 :]


def _alone(name: str, other: str) -> _Pair:
    return _Pair((name,), {other: _same}, (_same,))


def _thirds(name: str, stem: str, kind: str) -> _Pair:
    """One tensor for queries, keys and values, against three."""
    three = {f"{stem}.{letter}_proj.{kind}": _part(i, 3) for i, letter in enumerate("qkv")}
    return _Pair((name,), three, (_joined,))


def _placed(tail: str) -> tuple[str, str]:
    """`transformer.resblocks.3.ln_1.weight` -> its place in transformers, and its name there."""
    found = LAYER.fullmatch(tail)
    return (f"encoder.layers.{found[1]}.", found[2]) if found else ("", tail)


def _vit(name: str) -> _Pair | None:
    if name in VIT:
        return _alone(name, VIT[name])
    if name == "proj":
        return _Pair((name,), {PROJECTION: _turned}, (_turned,))
    place, tail = _placed(name)
    if tail in ("attn.in_proj_weight", "attn.in_proj_bias"):
        return _thirds(name, f"{place}self_attn", tail.rpartition("_")[2])
    module, _, kind = tail.rpartition(".")
    other = VIT_MODULES.get(module)
    if other is None or kind not in ("weight", "bias") or bool(place) == module.startswith("ln_p"):
        return None
    return _alone(name, f"{place}{other}.{kind}")


def _siglip(name: str, inner: set[str]) -> _Pair | None:
    outer = f"trunk.{name}"
    if name == "pos_embed":
        row = _Pair((outer,), {"embeddings.position_embedding.weight": lambda x: x[0]}, ())
        return _Pair(row.names, row.there, (lambda x: x[None],))
    if name == "attn_pool.latent":
        return _alone(outer, "head.probe")
    place, tail = _placed(name)
    module, _, kind = tail.rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    if module == "attn.qkv" and place:
        return _thirds(outer, f"{place}self_attn", kind)
    if module in ("attn_pool.q", "attn_pool.kv"):
        both = (f"trunk.attn_pool.q.{kind}", f"trunk.attn_pool.kv.{kind}")
        if not set(both) <= inner:
            return None
        return _Pair(both, {f"head.attention.in_proj_{kind}": _joined}, (_head, _tail))
    other = SIGLIP_MODULES.get(module)
    return None if other is None else _alone(outer, f"{place}{other}.{kind}")


def _strange(name: str) -> ModelError:
    why = next((why for mark, why in STRANGE.items() if re.match(mark, name)), None)
    return ModelError(
        f"{VISUAL}{name} has no place in a tower of transformers" + (f": {why}" if why else ""),
        "take a plain ViT of open_clip, or a SigLIP tower",
    )
