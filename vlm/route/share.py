"""The same layer once more: a new module over the same parameters.

In: a layer, and the place in a cache that it is to use. Out: a module that computes the same, with
nothing copied. A layer that is walked twice needs two of them: its keys and values differ at each hop.
"""

from collections import OrderedDict
from typing import Any

from torch import nn

from vlm.compat import ensure_torchvision

ensure_torchvision()

# Semi-private. It records hidden states by hooks that it sets once; new modules need them too, else
# LLaVA finds no tower layer to look at.
from transformers.utils.output_capturing import maybe_install_capturing_hooks  # noqa: E402

RECORDING = "output_capturing_hook"


def share(module: nn.Module) -> nn.Module:
    """A module of the same class over the same parameters and buffers, without hooks but recording."""
    new = module.__class__.__new__(module.__class__)
    state = module.__dict__.copy()
    for name, value in state.items():
        if "hooks" in name and isinstance(value, dict):
            state[name] = OrderedDict()
    for number, hook in module._forward_hooks.items():
        if RECORDING in getattr(hook, "__qualname__", ""):
            state["_forward_hooks"][number] = hook
    state["_parameters"] = dict(module._parameters)
    state["_buffers"] = dict(module._buffers)
    state["_modules"] = {
        name: share(child) if child is not None else None for name, child in module._modules.items()
    }
    new.__dict__.update(state)
    return new


def record(model: Any) -> None:
    """Have transformers set its recording hooks now, on the layers that are shared later."""
    maybe_install_capturing_hooks(model)


def keep_at(layer: nn.Module, hop: int) -> None:
    """Let a shared layer keep its keys and values in place `hop` of the cache."""
    for module in layer.modules():
        if "layer_idx" in module.__dict__:
            module.layer_idx = hop  # type: ignore[assignment]


def dressed(layer: nn.Module, like: nn.Module) -> nn.Module | None:
    """`layer`'s parameters in a module of `like`'s class, another one; None where they do not fit.

    A decoder of one family inside another (plain Qwen2 in Qwen2.5-VL) is called as its host calls.
    Norms keep their own epsilon.
    """
    own, wanted = dict(layer.named_modules()), dict(like.named_modules())
    have, want = layer.state_dict(), like.state_dict()
    if {k: v.shape for k, v in have.items()} != {k: v.shape for k, v in want.items()}:
        return None
    new = share(like)
    for name, module in new.named_modules():
        if name in own:
            module._parameters = dict(own[name]._parameters)
            module._buffers = dict(own[name]._buffers)
            for epsilon in ("variance_epsilon", "eps"):
                if hasattr(wanted[name], epsilon) and hasattr(own[name], epsilon):
                    setattr(module, epsilon, getattr(own[name], epsilon))
    return new
