"""One model in memory that walks one road after another. No weight is moved.

In: walks of one route. Out: the same module, whose stack of layers is now that walk: shared layers of all
parents, each with its own place in the cache. Memory is that of the parents' layers and of one cache a
hop.

A scale multiplies, at its hop, the whole residual stream ("stream": x ← s·x before the layer), or only
what the block before has added last ("mlp": the reading of the released EvoLLM-JP-v1-10B, whose code
keeps stream and last output apart; at the first hop it is the embedding). Akiba et al. 2024
(arXiv:2403.13187) write of the input of the layer, which is the first.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from merge_dsl.space.candidate import Hop, Walk
from vlm.device import CPU
from vlm.errors import MergeError
from vlm.resident import load_model
from vlm.route.attention import Attention, Place, Positions, attention_of, settings_of
from vlm.route.blocks import block_of
from vlm.route.body import Body, body_of
from vlm.route.share import dressed, keep_at, record, share
from vlm.route.walking import narrow
from vlm.weights.beside import check_beside
from vlm.weights.source import Source


class Walker:
    """The parents of a route, and the host among them, whose layers are replaced by those walked."""

    def __init__(
        self,
        walk: Walk,
        sources: Mapping[str, Source],
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Load every parent onto `device`, in `dtype`. Raises MergeError or ModelError for what no other walk could mend."""
        self.host = sources[walk.begin]
        check_beside(self.host.folder)
        self.bodies: dict[str, Body] = {}
        for name, source in sources.items():
            how: dict[str, Any] = {"trusted": source.trusted, "device": device, "dtype": dtype}
            model = load_model(source.folder, source.anatomy.sees, **how)
            record(model)
            body = body_of(name, model, walk.stack)
            self.bodies[name] = body if name in (walk.begin, walk.end) else body.bare()
        self.body = self.bodies[walk.begin]
        self.model: Any = self.body.model
        self._read = {walk.begin: copy.deepcopy(self.body.config)}
        self._check(walk)
        self._put_end(walk)
        self._configs = [self.body.config]
        spoken = self.model.config.get_text_config(decoder=True)
        if walk.stack == "language" and spoken is not self.body.config:
            self._configs.append(spoken)  # the cache is laid out after it
        self._positions = Positions(self.body)
        self._rotaries = {name: self._rotary(body) for name, body in self.bodies.items()}

    def put(self, walk: Walk) -> Any:
        """Turn the model into `walk`, which must be of the same route as the first."""
        body, places = self.body, self.places(walk)
        if walk.stack == "language":
            attention = attention_of(body, places)
            said = settings_of(body, attention)
        else:
            attention = Attention(
                ("",) * len(places), None, (None,) * len(places), (False,) * len(places)
            )
            said = {"num_hidden_layers": len(places)}
        layers = []
        for number, (hop, place) in enumerate(zip(walk.hops, places, strict=True)):
            layer = self._layer(place)
            keep_at(layer, number)
            self._attend(layer, number, place, attention)
            layers.append(layer)
            self._scale(walk, layers, number, hop)
        setattr(body.holder, body.slot, nn.ModuleList(layers))
        for name, value in said.items():
            for config in self._configs:
                setattr(config, name, value)
        if hasattr(body.owner, "has_sliding_layers"):
            body.owner.has_sliding_layers = "sliding_attention" in attention.types
        return self.model

    def places(self, walk: Walk) -> list[Place]:
        """The body and layer of each hop. Raises MergeError for a layer that does not exist."""
        found = []
        for hop in walk.hops:
            body = self.bodies[hop.model]
            if hop.layer >= len(body.layers):
                raise MergeError(
                    f"{hop.model} has layers 0..{len(body.layers) - 1}, and not {hop.layer}",
                    "name a layer that it has",
                )
            found.append((body, hop.layer))
        return found

    # ---- once --------------------------------------------------------------

    def _check(self, walk: Walk) -> None:
        for name, body in self.bodies.items():
            if body.width != self.body.width:
                raise MergeError(
                    f"the layers of {name} are {body.width} wide and those of {walk.begin} {self.body.width}",
                    "a road leads through layers of one width",
                )
        if walk.stack == "vision" and walk.begin != walk.end:
            raise MergeError(
                f"this road through towers begins in {walk.begin} and ends in {walk.end}",
                "begin and end it with one model: its projector reads what leaves the tower",
            )

    def _put_end(self, walk: Walk) -> None:
        """The norm and the head of the model that the road ends with."""
        if walk.begin == walk.end:
            return
        end = self.bodies[walk.end]
        mine, theirs = self.model.get_output_embeddings(), end.model.get_output_embeddings()
        if mine.weight.shape != theirs.weight.shape:
            sizes = f"{theirs.weight.shape[0]} words against {mine.weight.shape[0]}"
            raise MergeError(
                f"the head of {walk.end} knows {sizes} of {walk.begin}",
                "end the road with a model of the same vocabulary",
            )
        self.model.set_output_embeddings(theirs)
        if self.body.norm is not None and end.norm is not None:
            setattr(self.body.owner, self.body.norm[0], end.norm[1])

    def _rotary(self, body: Body) -> Any:
        """A body's angles in the host's way: one class turns three axes, another one."""
        own, host = body.rotary, self.body.rotary
        if own is None or host is None or type(own) is type(host):
            return own
        return type(host)(self.rotary_config(body))

    def rotary_config(self, body: Body) -> Any:
        """By what config the host's class turns positions as `body` does."""
        if type(body.rotary) is type(self.body.rotary):
            return self.own_config(body)
        config = self.own_config(self.body)
        said = {k: v for k, v in (body.config.rope_parameters or {}).items() if v is not None}
        config.rope_parameters = {**(config.rope_parameters or {}), **said}
        return config

    def own_config(self, body: Body) -> Any:
        """The config of a body as it was read: that of the host changes with every walk."""
        return copy.deepcopy(self._read.get(body.name, body.config))

    def built_as(self, place: Place) -> tuple[str, int, str]:
        """How a layer is built anew: its class, its number, and which config says the rest.

        A layer of another class than the host's is dressed in one of the host's own.
        """
        body, number = place
        layer = body.layers[number]
        if type(layer) in {type(own) for own in self.body.layers}:
            return type(layer).__name__, number, body.name
        like = self._like(place)
        return type(like).__name__, self.body.layers.index(like), f"{self.body.name} as {body.name}"

    # ---- at each hop -------------------------------------------------------

    def _layer(self, place: Place) -> nn.Module:
        body, number = place
        layer = body.layers[number]
        if type(layer) in {type(own) for own in self.body.layers}:
            return share(layer)
        found = dressed(layer, self._like(place))
        if found is None:
            raise MergeError(
                f"layer {number} of {body.name} is built in another way than those of {self.body.name}",
                "walk models of one architecture",
            )
        return found

    def _like(self, place: Place) -> nn.Module:
        """A layer of the host's that attends in the same way, else its first."""
        body, number = place
        kinds = zip(self.body.layers, self.body.types, strict=True)
        return next((own for own, kind in kinds if kind == body.types[number]), self.body.layers[0])

    def _attend(self, layer: nn.Module, hop: int, place: Place, attention: Attention) -> None:
        window, turned = attention.narrowed[hop], attention.turned[hop]
        if window is None and not turned:
            return
        body, number = place
        rotary, kind, positions = self._rotaries[body.name], body.types[number], self._positions

        def before(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            stream = args[0] if args else kwargs["hidden_states"]
            if turned:
                angles = positions.angles(body, rotary, kind, stream)
                kwargs = {**kwargs, "position_embeddings": angles}
            if window is not None:
                cache, queries = kwargs.get("past_key_values"), stream.shape[1]
                keys = queries + (cache.get_seq_length(hop) if cache is not None else 0)
                mask = narrow(kwargs.get("attention_mask"), window, queries, keys, stream)
                kwargs = {**kwargs, "attention_mask": mask}
            return args, kwargs

        layer.register_forward_pre_hook(before, with_kwargs=True)

    def _scale(self, walk: Walk, layers: list[nn.Module], number: int, hop: Hop) -> None:
        if hop.scale == 1.0:
            return  # no hook at all: bit for bit the layer itself
        if walk.scale_of == "mlp" and number > 0:
            block = block_of(layers[number - 1])
            if block is None:
                raise MergeError(
                    f"nobody knows what adds last in the layers of {walk.hops[number - 1].model}",
                    "leave `scale_of = mlp` out",
                )
            writer = layers[number - 1].get_submodule(block.last)
            writer.register_forward_hook(_after(hop.scale))
        else:
            layers[number].register_forward_pre_hook(_before(hop.scale), with_kwargs=True)


def _before(scale: float) -> Any:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if args:
            return (args[0] * scale, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": kwargs["hidden_states"] * scale}

    return hook


def _after(scale: float) -> Any:
    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output * scale

    return hook
