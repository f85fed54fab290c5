"""A walk through the layers of several models, written by awase as a model with code of its own.

This file lies in the checkpoint and needs nothing but transformers. `config.json` says under "walk":

  layers   each layer that is walked, once: of which model, which number, which class
  models   by what config the layers of each model are built
  hops     the walk: which of these layers, times which scale, and how far it looks back
  scale_of what a scale multiplies: "stream", x <- s * x before the layer, or "mlp", only what the MLP of
           the hop before has added last (at the first hop: the embedding)

A layer that is walked twice is stored once, and has two places in the cache. After Akiba et al. 2024,
"Evolutionary Optimization of Model Merging Recipes" (arXiv:2403.13187).
"""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig

Angles = Callable[[Tensor], Any]


class Hop:
    """One step of the walk. The host's loop calls it as it calls a layer, and it is none: the layer
    itself is registered once, however often it is walked."""

    def __init__(
        self,
        layer: nn.Module,
        place: int,
        scale: float,
        window: int | None,
        angles: Angles | None,
        factor: list[float],
        after: float,
    ) -> None:
        """`angles` gives this hop cosines and sines of its own. While it runs, `factor` is `after`: what
        its MLP says is multiplied by that."""
        self.layer, self.place, self.scale, self.window = layer, place, scale, window
        self.angles, self.factor, self.after = angles, factor, after
        self.placed: list[Any] = [m for m in layer.modules() if "layer_idx" in m.__dict__]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["layer"], name)

    def __call__(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        for module in self.placed:
            module.layer_idx = self.place
        if self.scale != 1.0:
            hidden_states = hidden_states * self.scale
        if self.angles is not None:
            kwargs["position_embeddings"] = self.angles(hidden_states)
        if self.window is not None:
            cache, queries = kwargs.get("past_key_values"), hidden_states.shape[1]
            keys = queries + (cache.get_seq_length(self.place) if cache is not None else 0)
            mask = kwargs.get("attention_mask")
            kwargs["attention_mask"] = narrow(mask, self.window, queries, keys, hidden_states)
        self.factor[0] = self.after
        return self.layer(hidden_states, *args, **kwargs)


class Positions:
    """The positions of one pass, overheard where the host turns them into angles."""

    def __init__(self, rotary: Any) -> None:
        self.ids: Tensor | None = None
        self.known: dict[tuple[str, str], Any] = {}
        rotary.register_forward_pre_hook(self.hear, with_kwargs=True)

    def hear(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """The host is about to turn these."""
        self.ids = kwargs["position_ids"] if "position_ids" in kwargs else args[1]
        self.known.clear()

    def angles(self, name: str, rotary: Any, kind: str) -> Angles:
        """What turns them as one model's layers of one kind want it, once a pass."""

        def at(stream: Tensor) -> Any:
            if (name, kind) not in self.known:
                by_kind = [kind] if hasattr(rotary, "layer_types") else []
                self.known[name, kind] = rotary(stream, self.ids, *by_kind)
            return self.known[name, kind]

        return at


def narrow(
    mask: Tensor | None, window: int, queries: int, keys: int, like: Tensor
) -> Tensor | None:
    """A causal mask, cut down to the last `window` keys of each query; None is plainly causal."""
    if keys <= window:
        return mask
    at = torch.arange(keys - queries, keys, device=like.device)[:, None]
    key = torch.arange(keys, device=like.device)[None, :]
    near = key > at - window
    if mask is None:
        return (near & (key <= at))[None, None]
    if mask.dtype == torch.bool:
        return mask[..., :keys] & near
    return mask[..., :keys].masked_fill(~near, torch.finfo(mask.dtype).min)


def times(factor: list[float]) -> Callable[..., Tensor]:
    """What a module says, times the factor of the hop that calls it."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output if factor[0] == 1.0 else output * factor[0]

    return hook


class Walking(nn.Module):
    """Mixed into the host's class: its layers give way to the walk."""

    _supports_flash_attn = False  # windows are cut out of masks, and flash attention takes none
    _supports_flex_attn = False

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        model: Any = self  # the host's class comes with the subclass
        walk = config.walk
        owner, holder = model.get_submodule(walk["owner"]), model.get_submodule(walk["holder"])
        stored, angles, factors = nn.ModuleList(), nn.ModuleDict(), []
        for said in walk["layers"]:
            layer = built(owner, said, _like(config, walk["models"][said["config"]]))
            factors.append([1.0])
            if walk["scale_of"] == "mlp":
                layer.get_submodule(said["last"]).register_forward_hook(times(factors[-1]))
            stored.append(layer)
        for name, said in walk.get("angles", {}).items():
            angles[name] = type(owner.rotary_emb)(_like(config, said))
        positions = Positions(owner.rotary_emb) if angles else None
        mlp, scales = walk["scale_of"] == "mlp", [said["scale"] for said in walk["hops"]]
        hops = []
        for place, said in enumerate(walk["hops"]):
            turned = None
            if positions is not None and "angles" in said:
                name = said["angles"]
                turned = positions.angles(name, angles[name], said["kind"])
            scale = 1.0 if mlp and place else scales[place]
            after = scales[place + 1] if mlp and place + 1 < len(scales) else 1.0
            at = said["layer"]
            window = said.get("window")
            hops.append(Hop(stored[at], place, scale, window, turned, factors[at], after))
        delattr(holder, walk["slot"])
        holder.walked, holder.angles = stored, angles
        holder.__dict__[walk["slot"]] = hops
        for name, epsilon in walk.get("epsilons", {}).items():
            norm = model.get_submodule(name)
            setattr(
                norm, "variance_epsilon" if hasattr(norm, "variance_epsilon") else "eps", epsilon
            )


def built(owner: Any, said: dict[str, Any], config: Any) -> nn.Module:
    """A layer of one of the host's own classes, by the config of the model that it comes from."""
    kind = getattr(sys.modules[type(owner).__module__], said["class"])
    takes = inspect.signature(kind.__init__).parameters
    number = {"layer_idx": said["as"]} if "layer_idx" in takes else {}
    layer: nn.Module = kind(config, **number)
    return layer


def _like(host: Any, said: dict[str, Any]) -> Any:
    """A config that attends in the way that was chosen for the whole model."""
    config = AutoConfig.for_model(**said)
    config._attn_implementation = host._attn_implementation
    return config
