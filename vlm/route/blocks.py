"""Where a layer reads the residual stream, and where it writes to it.

In: a layer. Out: a `Block`: the norms through which it reads, and the modules whose outputs are added. A
block that reads through norms takes no notice of the scale of the stream (but for their epsilon), and
that is what makes scales foldable; see `vlm/route/fold.py`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

OUT = ("o_proj", "out_proj", "down_proj", "fc2", "c_proj", "dense_4h_to_h", "dense", "w2")


@dataclass(frozen=True)
class Block:
    """Names inside a layer. `writes` are matrices, or norms that stand behind them.

    `last` is the one of `writes` that comes last: that of the MLP.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    last: str
    raw: bool = False  # reads the stream as it is, as OLMo 2 does: nothing folds


def block_of(layer: nn.Module) -> Block | None:
    """How a layer reads and writes; None for a layout that is not known."""
    names = {name for name, _ in layer.named_children()}
    if {"input_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"} <= names:
        writes = ("post_attention_layernorm", "post_feedforward_layernorm")  # Gemma 2 and 3
        return Block(("input_layernorm", "pre_feedforward_layernorm"), writes, writes[1])
    if "post_feedforward_layernorm" in names:
        writes = ("post_attention_layernorm", "post_feedforward_layernorm")
        return Block((), writes, writes[1], raw=True)
    reads = tuple(name for name, _ in layer.named_children() if "norm" in name)
    written = [_writer(layer, part) for part in _parts(layer)]
    if not reads or len(written) != 2 or None in written:
        return None
    attention, inner = (name for name in written if name is not None)
    return Block(reads, (attention, inner), inner)


def _parts(layer: nn.Module) -> list[str]:
    """Attention and MLP, the MLP last."""
    children = [name for name, _ in layer.named_children() if "norm" not in name]
    attention = [name for name in children if "attn" in name or "attention" in name]
    others = [name for name in children if name not in attention and _has_weights(layer, name)]
    if "fc2" in others:  # OPT has no MLP module of its own
        others = ["fc2"]
    return attention[:1] + others if len(attention) == 1 else []


def _has_weights(layer: nn.Module, name: str) -> bool:
    return any(True for _ in getattr(layer, name).parameters())


def _writer(layer: nn.Module, part: str) -> str | None:
    """The matrix of a part that writes to the stream; None where there are several, or none."""
    module = getattr(layer, part)
    if isinstance(module, nn.Linear):
        return part
    found = [name for name, child in module.named_children() if name in OUT]
    linear = [name for name in found if isinstance(getattr(module, name), nn.Linear)]
    return f"{part}.{linear[0]}" if len(linear) == 1 else None


def adds_one(norm: nn.Module) -> bool:
    """Whether a norm multiplies by 1 + w, as Gemma's do. Read off what it does to a row of ones."""
    weight: Tensor = norm.weight  # type: ignore[assignment]
    with torch.no_grad():
        said = norm(torch.ones(1, weight.shape[0], dtype=weight.dtype, device=weight.device))[0]
    plain, one_more = (said - weight).abs().sum(), (said - 1 - weight).abs().sum()
    return bool(one_more < plain)
