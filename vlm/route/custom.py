"""A walk as a checkpoint with code of its own, where no ordinary one can hold it.

In: a walker and a walk, and why nothing ordinary holds it. Out: a folder that `from_pretrained` opens with
`trust_remote_code=True`, on a machine without awase too: each layer that is walked once, the walk in
`config.json`, and `vlm/route/walking.py` as the code. It is reopened before it takes its place, and
refused where its logits differ.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import transformers
from torch import nn

from merge_dsl.space.candidate import Walk
from vlm.anatomy.parts import Role, memory_roles, skeleton
from vlm.errors import MergeError
from vlm.route.attention import attention_of, settings_of
from vlm.route.blocks import block_of
from vlm.route.code import CODE, KIND, auto_map, class_of, code_of
from vlm.route.walker import Walker
from vlm.weights.raw import FLOATS, Numbers, of_tensor
from vlm.weights.result import own_dtype, stored
from vlm.weights.source import Source
from vlm.weights.writer import Config, Item

# ---- config ----------------------------------------------------------------------


def described(walker: Walker, walk: Walk) -> dict[str, Any]:
    """What `config.json` says of the walk. Raises MergeError where this code cannot hold it either."""
    host = walker.host
    model = type(walker.model)
    if getattr(transformers, model.__name__, None) is not model:
        raise MergeError(
            f"{host.name} runs on code of its own, and a walk that needs code cannot be built on it",
            "begin the road with a model that transformers knows",
        )
    body, places = walker.body, walker.places(walk)
    names = {id(module): name for name, module in walker.model.named_modules()}
    attention = attention_of(body, places) if walk.stack == "language" else None
    layers, models, angles = [], {}, {}
    order = list(dict.fromkeys((hop.model, hop.layer) for hop in walk.hops))
    for name, number in order:
        like, at, key = walker.built_as((walker.bodies[name], number))
        models[key] = _config_of(walker, name, key)
        said = {"model": name, "number": number, "class": like, "as": at, "config": key}
        if walk.scale_of == "mlp":
            said["last"] = _last(walker.bodies[name].layers[number])
        layers.append(said)
    hops = []
    for number, hop in enumerate(walk.hops):
        here: dict[str, Any] = {"layer": order.index((hop.model, hop.layer)), "scale": hop.scale}
        if attention is not None:
            here["kind"] = walker.bodies[hop.model].types[hop.layer]
            if attention.narrowed[number] is not None:
                here["window"] = attention.narrowed[number]
            if attention.turned[number]:
                here["angles"] = hop.model
                angles[hop.model] = _told(walker.rotary_config(walker.bodies[hop.model]))
        hops.append(here)
    found: dict[str, Any] = {
        "of": {"config": type(walker.model.config).__name__, "model": model.__name__},
        "owner": names[id(body.owner)],
        "holder": names[id(body.holder)],
        "slot": body.slot,
        "scale_of": walk.scale_of,
        "models": models,
        "layers": layers,
        "hops": hops,
    }
    if angles:
        found["angles"] = angles
    norm = body.norm
    if walk.begin != walk.end and norm is not None:
        epsilon = getattr(norm[1], "variance_epsilon", getattr(norm[1], "eps", None))
        owner = names[id(body.owner)]
        found["epsilons"] = {f"{owner}.{norm[0]}" if owner else norm[0]: epsilon}
    return found


def _last(layer: nn.Module) -> str:
    block = block_of(layer)
    assert block is not None  # such a walk does not run
    return block.last


def _told(config: Any) -> dict[str, Any]:
    """A config as a table, without where it was read and how it is run."""
    table = {
        k: v for k, v in config.to_dict().items() if k not in ("transformers_version", "dtype")
    }
    found: dict[str, Any] = json.loads(json.dumps(table, default=str))
    return found


def _config_of(walker: Walker, name: str, key: str) -> dict[str, Any]:
    """By what the layers of a model are built: its own config, or the host's with its epsilons."""
    body = walker.bodies[name]
    if key == name:
        return _told(walker.own_config(body))
    told = _told(walker.own_config(walker.body))
    for epsilon in ("rms_norm_eps", "layer_norm_eps"):
        value = getattr(body.config, epsilon, None)
        if value is not None and epsilon in told:
            told[epsilon] = value
    return told


def edited(config: Config, walker: Walker, walk: Walk, said: Mapping[str, Any]) -> Config:
    """config.json of the host, saying what the result is."""
    found = copy.deepcopy(config)
    key = "vision_config" if walk.stack == "vision" else "text_config"
    nested = found.get(key)
    inner = nested if isinstance(nested, dict) else found
    inner.update(_settings(walker, walk))
    if _untied(walker, walk):
        found["tie_word_embeddings"] = False
        if isinstance(nested, dict) and walk.stack == "language":
            nested["tie_word_embeddings"] = False
    names = said["of"]
    found["model_type"] = KIND
    found["architectures"] = [class_of(names["model"])]
    found["auto_map"] = auto_map(names["model"], walker.host.anatomy.sees)
    found["walk"] = dict(said)
    return found


def _settings(walker: Walker, walk: Walk) -> dict[str, Any]:
    """What the host's own loop must be told of the walk."""
    if walk.stack == "vision":
        return {"num_hidden_layers": len(walk.hops)}
    return settings_of(walker.body, attention_of(walker.body, walker.places(walk)))


def _untied(walker: Walker, walk: Walk) -> bool:
    tied = Role("language.head", "weight") not in walker.host.anatomy.shapes
    return tied and walk.end != walk.begin


# ---- tensors ---------------------------------------------------------------------


def items_of(
    walker: Walker, walk: Walk, sources: Mapping[str, Source], said: Mapping[str, Any]
) -> Iterator[tuple[str, Item]]:
    """Name in memory -> tensor: what is no layer as the host has it, each walked layer once."""
    host = copy.deepcopy(walker.host.config)
    inner = host.vision_config if walk.stack == "vision" else host.get_text_config(decoder=True)
    if _untied(walker, walk):
        host.tie_word_embeddings = inner.tie_word_embeddings = False
    model = skeleton(host, walker.host.trusted)
    twins = set(getattr(model, "all_tied_weights_keys", {}) or {})
    state, stem = model.state_dict(), f"{walk.stack}.layers."
    for memory, role in memory_roles(model).items():
        if memory in twins or role.unit.startswith(stem):
            continue
        source = sources[walk.begin]
        if walk.stack == "language" and role.unit in ("language.norm", "language.head"):
            source = sources[walk.end]
            if role not in source.names:  # its head is its embedding
                role = Role("language.embed", role.tail)
        yield memory, _item(state[memory], source, role, memory)
    holder = f"{said['holder']}." if said["holder"] else ""
    for number, one in enumerate(said["layers"]):
        layer = walker.bodies[one["model"]].layers[one["number"]]
        for tail, tensor in layer.state_dict().items():
            name, role = f"{holder}walked.{number}.{tail}", Role(f"{stem}{one['number']}", tail)
            yield name, _item(tensor, sources[one["model"]], role, name)


def _item(like: Any, source: Source, role: Role, name: str) -> Item:
    kept = of_tensor(like.new_empty(0, device="cpu")).dtype
    read = partial(_read, source, role, name)
    own = own_dtype(source, role)
    return Item(tuple(like.shape), None if kept in FLOATS else kept, own, read)


def _read(source: Source, role: Role, name: str, dtype: str) -> Iterator[Numbers]:
    return stored(source.raw(role), dtype, name)


def put_code(folder: Path, said: Mapping[str, Any]) -> None:
    """Lay the code beside the weights."""
    names = said["of"]
    (folder / CODE).write_text(code_of(names["config"], names["model"]), encoding="utf-8")
