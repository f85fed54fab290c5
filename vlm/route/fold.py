"""Scales of a walk, folded into its weights, so that any loader computes the walk without knowing of it.

With S the product of the scales so far, the stored stream is g = h / S. A block reads h through norms, which
take no notice of S but for its sign, and adds to it through two matrices:
  * these matrices (or the norms behind them, as in Gemma 3) are divided by S;
  * where S is negative, the norms that read are negated, and the last norm where the last S is.
The first hop reads the embedding, which may be so small that the epsilon of its norm counts: its scale goes
into the embedding instead, and into what the projector says. What Qwen3-VL adds after the first hops is
divided by S too. With `scale_of = mlp` a scale is simply that of the matrix before it.

In: a walker and a walk. Out: `Changes`, by the names that tensors of the result have in memory, or
`NoFold`, which says why there are none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from merge_dsl.space.candidate import Walk
from vlm.errors import MergeError
from vlm.route.blocks import Block, adds_one, block_of
from vlm.route.body import Body
from vlm.route.walker import Walker

Change = Callable[[Tensor], Tensor]
BRIDGES = ("multi_modal_projector", "connector", "embed_vision")
ADDED = ("image_newline",)  # what stands between pictures, and comes from no projector
SAME = (
    "hidden_act", "hidden_activation", "rms_norm_eps", "layer_norm_eps", "layernorm_epsilon",
    "num_attention_heads", "num_key_value_heads", "head_dim", "query_pre_attn_scalar",
    "attn_logit_softcapping", "attention_multiplier", "residual_multiplier", "partial_rotary_factor",
    "clip_qkv",
)  # fmt: skip


class NoFold(MergeError):
    """No ordinary checkpoint can hold this walk."""


@dataclass(frozen=True)
class Changes:
    """`layers` by hop and name inside the layer, `rest` by name in memory. Names end in the tensor's.

    `embed` is what the embedding and the projector are multiplied by.
    """

    layers: Mapping[tuple[int, str], Change]
    rest: Mapping[str, Change] = field(default_factory=dict)
    norm: Mapping[str, Change] = field(default_factory=dict)  # of the last norm, by tensor
    embed: float = 1.0


def folded(walker: Walker, walk: Walk) -> Changes:
    """What is to be changed in the weights. Raises NoFold."""
    for number, (body, layer) in enumerate(walker.places(walk)):
        _must_agree(walker.body, body)
        if _shapes(body.layers[layer]) != _shapes(walker.body.layers[0]):
            raise _no(f"layer {layer} of {body.name} has other shapes than those of {walk.begin}")
        if walk.hops[number].scale == 0:
            raise _no(f"hop {number} has a scale of 0, which cannot be divided by")
    if all(hop.scale == 1.0 for hop in walk.hops):
        return Changes({})
    first = walk.hops[0].scale
    if walk.stack == "vision" and (first != 1.0 or walk.scale_of != "mlp"):
        raise _no("a scale of the stream inside a tower reaches the projector, which has no norm")
    rest = _into_projector(walker.body, first) if first != 1.0 else {}
    if walk.scale_of == "mlp":
        return Changes(_of_mlp(walker, walk), rest, embed=first)
    return _of_stream(walker, walk, rest)


def _no(why: str) -> NoFold:
    return NoFold(
        f"no ordinary checkpoint can hold this walk: {why}",
        "the walk itself runs; write a road whose layers agree, or leave `write` out",
    )


def _must_agree(host: Body, body: Body) -> None:
    """One config holds for all layers of a checkpoint."""
    for name in SAME:
        mine, theirs = getattr(host.config, name, None), getattr(body.config, name, None)
        if mine is not None and theirs is not None and mine != theirs:
            raise _no(f"{name} is {theirs} in {body.name} and {mine} in {host.name}")


def _shapes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}


def _known(walker: Walker, walk: Walk, hop: int) -> tuple[nn.Module, Block]:
    body, number = walker.places(walk)[hop]
    layer = body.layers[number]
    block = block_of(layer)
    if block is None:
        raise _no(f"nobody knows which matrices of {body.name} write to the stream")
    if block.raw:
        raise _no(f"the layers of {body.name} read the stream itself, and a scale with it")
    return layer, block


# ---- changes -------------------------------------------------------------------


def _times(factor: float) -> Change:
    return lambda tensor: tensor * factor


def _norm_times(factor: float, one_more: bool) -> Change:
    """A norm that multiplies by w, or by 1 + w, made to multiply by `factor` times that."""
    return (lambda w: (1 + w) * factor - 1) if one_more else (lambda w: w * factor)


def _writing(layer: nn.Module, name: str, factor: float) -> dict[str, Change]:
    """What `name` adds to the stream, times `factor`."""
    module = layer.get_submodule(name)
    if isinstance(module, nn.Linear):
        return {f"{name}.{tensor}": _times(factor) for tensor, _ in module.named_parameters()}
    return {
        f"{name}.{tensor}": (
            _norm_times(factor, adds_one(module)) if tensor == "weight" else _times(factor)
        )
        for tensor, _ in module.named_parameters()
    }


def _reading(norm: nn.Module) -> dict[str, Change]:
    """A norm that is to read the negative of what it read. Its bias, if any, stays."""
    return {"weight": _norm_times(-1.0, adds_one(norm))}


def _of_stream(walker: Walker, walk: Walk, rest: dict[str, Change]) -> Changes:
    layers: dict[tuple[int, str], Change] = {}
    product, products = 1.0, []
    for number, hop in enumerate(walk.hops):
        product *= hop.scale if number else 1.0
        products.append(product)
        if product == 1.0:
            continue
        layer, block = _known(walker, walk, number)
        for name in block.writes:
            for tensor, change in _writing(layer, name, 1 / product).items():
                layers[number, tensor] = change
        for name in block.reads if product < 0 else ():
            for tensor, change in _reading(layer.get_submodule(name)).items():
                layers[number, f"{name}.{tensor}"] = change
    last: dict[str, Change] = {}
    if product < 0:
        norm = walker.body.norm  # already that of the model that the road ends with
        if norm is None:
            raise _no("the last scale turns the signal around, and no last norm can turn it back")
        last = _reading(norm[1])
    rest = {**rest, **_into_deepstack(walker.model, products)}
    return Changes(layers, rest, last, walk.hops[0].scale)


def _of_mlp(walker: Walker, walk: Walk) -> dict[tuple[int, str], Change]:
    layers: dict[tuple[int, str], Change] = {}
    for number, hop in enumerate(walk.hops):
        if number == 0 or hop.scale == 1.0:
            continue
        body, place = walker.places(walk)[number - 1]
        layer = body.layers[place]
        block = block_of(layer)
        assert block is not None  # such a walk does not run
        for tensor, change in _writing(layer, block.last, hop.scale).items():
            layers[number - 1, tensor] = change
    return layers


# ---- pictures --------------------------------------------------------------------


def _into_projector(host: Body, factor: float) -> dict[str, Change]:
    """What the projector says, times `factor`. Raises NoFold for a projector that is not known."""
    model: Any = host.model
    if getattr(model.config, "vision_config", None) is None:
        return {}
    found = _last_matrix(model)
    if not found:
        raise _no("the first hop is scaled, and nobody knows what the projector says last")
    added = [name for name, _ in model.named_parameters() if name.rsplit(".", 1)[-1] in ADDED]
    return {name: _times(factor) for name in (*found, *added)}


def _last_matrix(model: Any) -> list[str]:
    """The tensors of the projector's last matrix, by name."""
    for stem, module in model.named_modules():
        end = stem.rsplit(".", 1)[-1]
        if end not in BRIDGES and not stem.endswith("visual.merger"):
            continue
        linear = [name for name, inner in module.named_modules() if isinstance(inner, nn.Linear)]
        if linear:
            last = f"{stem}.{linear[-1]}"
            return [
                f"{last}.{tensor}" for tensor, _ in model.get_submodule(last).named_parameters()
            ]
        own = [name for name, _ in module.named_parameters(recurse=False)]
        if len(own) == 1:  # Gemma 3 multiplies by a bare matrix
            return [f"{stem}.{own[0]}"]
    return []


def _into_deepstack(model: Any, products: list[float]) -> dict[str, Change]:
    """What Qwen3-VL adds to the stream after hop k, divided by the product there."""
    changes: dict[str, Change] = {}
    for stem, module in model.named_modules():
        if stem.rsplit(".", 1)[-1] != "deepstack_merger_list":
            continue
        for number, merger in enumerate(module):
            linear = [
                name for name, inner in merger.named_modules() if isinstance(inner, nn.Linear)
            ]
            product = products[number] if number < len(products) else 1.0
            if product == 1.0:
                continue
            for tensor, _ in merger.get_submodule(linear[-1]).named_parameters():
                changes[f"{stem}.{number}.{linear[-1]}.{tensor}"] = _times(1 / product)
    return changes
