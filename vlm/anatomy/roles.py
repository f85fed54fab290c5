"""Which module of a built model plays which part, and so the role of every tensor in memory.

In: a model, weights or not. Out: for each name of its state a `Role`. Parts are found by asking the
model for its decoder, tower, embeddings and head, then by the stacks of layers inside them, never by
the name of a family. What is found nowhere else in a model that sees stands between seeing and
speaking: the projector, with all that belongs to it wherever it lies (`image_newline`, the mergers
inside a Qwen tower, the adapter of llama4, a Q-Former, the cross-attention layers of mllama).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from vlm.anatomy.body import REST, Role
from vlm.errors import ModelError

BRIDGES = ("merger", "adapter", "projector", "connector")  # inside a tower, they are the projector
POOLS = ("head", "pooler", "attn_pool")  # what a tower does with its last layer goes with its norm
CROSS = "cross_attn"  # a decoder layer that has this looks at the picture
CONTRASTIVE = re.compile(r"clip|siglip\d?")
TOWERS = re.compile(r"(clip|siglip\d?)_vision_model|dinov\d|.*_vision(_model)?")


class Stem(NamedTuple):
    """A module, by name, whose tensors are of one unit; `lead` is put before their names there."""

    name: str
    unit: str
    lead: str = ""


def is_tower(config: Any) -> bool:
    """Whether a model is an image encoder, alone or with the text tower that it was trained against."""
    if CONTRASTIVE.fullmatch(config.model_type):
        return True
    # `aya_vision` is a whole model, `mllama_vision_model` is not.
    whole = getattr(config, "text_config", None) is not None
    return not whole and TOWERS.fullmatch(config.model_type) is not None


def memory_roles(model: Any) -> dict[str, Role]:
    """In-memory tensor name -> role. Raises ModelError, naming the part that is not found."""
    if is_tower(model.config):
        return _tower_roles(model)
    names = {id(module): name for name, module in model.named_modules()}
    stems = _language(model, names)
    sees = getattr(model.config, "vision_config", None) is not None
    if sees:
        stems += _vision(model, names, decoder=next(s.name for s in stems if s.unit == "decoder"))
    stems = sorted((s for s in stems if s.unit != "decoder"), key=lambda stem: -len(stem.name))
    roles: dict[str, Role] = {}
    for name in model.state_dict():
        stem = next((s for s in stems if _within(name, s.name)), Stem("", "projector"))
        if stem.name == "" and not sees and stem.unit == "projector":
            raise ModelError(
                f"{name} is no part of a language model", "use a causal language model"
            )
        inner = name[len(stem.name) :].removeprefix(".")
        inner = inner.removeprefix("model.") if stem.name == "" else inner
        roles[name] = Role(stem.unit, stem.lead + inner)
    if len(set(roles.values())) < len(roles):
        raise ModelError(
            f"two tensors of a {model.config.model_type!r} model would play one role",
            "this architecture is not known well enough to be merged",
        )
    return roles


def _tower_roles(model: Any) -> dict[str, Role]:
    """The same for a tower. Its projection into the space that it shares with a text tower goes with
    its norm, behind the layers; text tower and temperature are `REST`."""
    inner = getattr(model, "vision_model", model)
    names = {id(module): name for name, module in model.named_modules()}
    stems = sorted(_stems_of_tower(names, inner, "tower"), key=lambda stem: -len(stem.name))
    stems.insert(0, Stem("visual_projection", "vision.norm", "visual_projection."))
    roles = {}
    for name in model.state_dict():
        stem = next((s for s in stems if _within(name, s.name)), Stem("", REST))
        tail = name[len(stem.name) :].removeprefix(".")
        roles[name] = Role(stem.unit, stem.lead + tail)
    return roles


def _within(name: str, stem: str) -> bool:
    return stem == "" or name == stem or name.startswith(f"{stem}.")


def _language(model: Any, names: Mapping[int, str]) -> list[Stem]:
    """Embedding, head, layers and norm of the language model; "decoder" is where it lies."""
    kind = model.config.model_type
    if getattr(model.config.get_text_config(decoder=True), "is_encoder_decoder", False):
        raise ModelError(
            f"the language model of a {kind!r} model is an encoder and a decoder",
            "use a model whose language model is a decoder alone",
        )
    embed, head = model.get_input_embeddings(), model.get_output_embeddings()
    for part, module in (("embedding", embed), ("head", head)):
        if module is None or id(module) not in names:
            raise ModelError(f"no {part} is found in a {kind!r} model", "use a model that speaks")
    decoder = decoder_of(model)
    if names.get(id(decoder), "") == "":
        raise ModelError(
            f"no language model is found in a {kind!r} model",
            "its layers must lie in one module that transformers' get_decoder() returns",
        )
    stack = _stack(decoder, "language", kind)
    stems = [Stem(names[id(decoder)], "decoder")]
    crossed = 0
    for i, layer in enumerate(stack):
        if hasattr(layer, CROSS):
            # It is how the picture enters, and no plain language model has one. The others are
            # counted without it, as in the language model that this one was made of.
            stems.append(Stem(names[id(layer)], "projector", f"cross_layers.{i}."))
            crossed += 1
        else:
            stems.append(Stem(names[id(layer)], f"language.layers.{i - crossed}"))
    stems += [Stem(names[id(embed)], "language.embed"), Stem(names[id(head)], "language.head")]
    return stems + _around(names, decoder, stack, "language")


def decoder_of(model: Any) -> Any:
    """The module whose layers speak; some families wrap it twice."""
    embed, head = model.get_input_embeddings(), model.get_output_embeddings()
    decoder = model.get_decoder()
    while hasattr(decoder, "get_decoder") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    if any(module is head for module in decoder.modules()):  # it stopped at the head's own model
        name = next(name for name, module in model.named_modules() if module is embed)
        decoder = model.get_submodule(name.rpartition(".")[0])
    return decoder


def tower_of(model: Any) -> Any:
    """The module whose layers see; None for a blind model."""
    if getattr(model.config, "vision_config", None) is None:
        return None
    return model.get_encoder(modality="image")


def list_in(module: nn.Module) -> nn.ModuleList | None:
    """The one list of layers of a decoder or a tower; None where there are several, or none."""
    lists = [found for found in _lists(module) if len(found) > 0]
    if not lists:
        return None
    longest = max(lists, key=len)
    alike = [m for m in lists if isinstance(m[0], type(longest[0]))]
    crossed = any(hasattr(layer, CROSS) for layer in longest)
    return longest if len(alike) == 1 and not crossed else None


def _vision(model: Any, names: Mapping[int, str], decoder: str) -> list[Stem]:
    kind = model.config.model_type
    tower = model.get_encoder(modality="image")
    name = names.get(id(tower), "")
    if tower is None or name == "" or _within(decoder, name):
        raise ModelError(
            f"no vision tower is found in a {kind!r} model",
            "its layers must lie in one module that transformers' get_encoder() returns",
        )
    if _within(name, decoder):
        raise ModelError(
            f"the vision tower of a {kind!r} model lies inside its language model",
            "use a model whose two parts stand side by side",
        )
    return _stems_of_tower(names, tower, kind)


def _stems_of_tower(names: Mapping[int, str], tower: nn.Module, kind: str) -> list[Stem]:
    stack = _stack(tower, "vision", kind)
    layers = [Stem(names[id(layer)], f"vision.layers.{i}") for i, layer in enumerate(stack)]
    return layers + _around(names, tower, stack, "vision")


def _stack(module: nn.Module, part: str, kind: str) -> list[nn.Module]:
    """The layers of a part: its longest list of modules, and every other list of the same kind.

    A tower may walk two lists one behind the other, as mllama's local and global layers.
    """
    lists = [found for found in _lists(module) if len(found) > 0]
    if not lists:
        raise ModelError(
            f"no stack of layers is found in the {part} part of a {kind!r} model",
            "use a model whose layers are a list",
        )
    longest = max(lists, key=len)
    alike = [m for m in lists if m is longest or isinstance(m[0], type(longest[0]))]
    alike.sort(key=lambda m: m is not longest)
    return [layer for found in alike for layer in found]


def _lists(module: nn.Module) -> Iterator[nn.ModuleList]:
    """Every list of modules that lies in no other list and in no bridge."""
    for name, child in module.named_children():
        if any(word in name for word in BRIDGES):
            continue
        if isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _lists(child)


def _around(
    names: Mapping[int, str], root: nn.Module, stack: list[nn.Module], part: str
) -> list[Stem]:
    """What stands before and behind the layers: the embedding (all else), the norm, bridges."""
    start = names[id(root)]
    stems, norms = [Stem(start, f"{part}.embed")], []
    for module in _holders(names, root, stack):
        for name, child in module.named_children():
            full, word = names[id(child)], name.lower()
            if any(bridge in word for bridge in BRIDGES):
                stems.append(Stem(full, "projector", f"{full.removeprefix('model.')}."))
            elif part == "vision" and word in POOLS:
                stems.append(Stem(full, "vision.norm", f"{name}."))
            elif "norm" in type(child).__name__.lower() and "pre" not in word and "emb" not in word:
                norms.append(Stem(full, f"{part}.norm", f"{name}."))
    if len(norms) == 1:  # alone, it is called the same in every model
        norms = [norms[0]._replace(lead="")]
    return stems + norms


def _holders(names: Mapping[int, str], root: nn.Module, stack: list[nn.Module]) -> list[nn.Module]:
    """The modules that have a list of layers inside them, from the root down."""
    start = names[id(root)]
    found = {"": root}
    for layer in stack:
        inner = names[id(layer)].removeprefix(f"{start}.").split(".")
        for depth in range(1, len(inner) - 1):  # without the list and the number
            path = ".".join(inner[:depth])
            found.setdefault(path, root.get_submodule(path))
    return list(found.values())
