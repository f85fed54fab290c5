"""Every tensor of a model by its role, read off the model that transformers builds without weights.

In: a config and the tensor names of a checkpoint. Out: an `Anatomy`: for each name in the file, the
unit it belongs to ("language.layers.3", "vision.embed", "projector"; see `merge_dsl.space.candidate`)
and its name inside that unit, which is the same in a VLM and in a plain LLM of one decoder.

Files of one model differ in spelling between transformers 4 and 5. Names are therefore resolved
through transformers' own conversion rules, never compared as they stand. The rules are semi-private
(`transformers.core_model_loading`); this file is the only one that touches them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vlm.compat import ensure_torchvision
from vlm.errors import ModelError

ensure_torchvision()

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText  # noqa: E402
from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: E402
from transformers.core_model_loading import (  # noqa: E402
    WeightConverter,
    WeightRenaming,
    rename_source_key,
)


@dataclass(frozen=True)
class Role:
    """What one tensor is: the unit it belongs to and its name inside that unit."""

    unit: str
    tail: str


@dataclass(frozen=True)
class Anatomy:
    """A model taken apart. `roles` is keyed by the names in the file, in the file's order."""

    roles: Mapping[str, Role]
    shapes: Mapping[Role, tuple[int, ...]]  # what the architecture wants, tied twins left out
    sees: bool  # has a vision tower

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit, in the architecture's order."""
        return tuple(dict.fromkeys(role.unit for role in self.shapes))


def skeleton(config: Any) -> nn.Module:
    """The model of a config, without weights. Raises ModelError for an unknown architecture."""
    sees = getattr(config, "vision_config", None) is not None
    factory = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    try:
        with torch.device("meta"):
            return factory.from_config(config)  # type: ignore[no-any-return]
    except (ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"transformers cannot build a {config.model_type!r} model: {error}",
            "use a vision-language or causal language model that this transformers knows",
        ) from error


def anatomy(config: Any, names: Iterable[str]) -> Anatomy:
    """Take a model apart.

    `names` are the tensor names of its checkpoint. Raises ModelError when a name belongs to no part
    of the architecture, or when loading it would compute on it (fused experts).
    """
    model = skeleton(config)
    roles_in_memory = memory_roles(model)
    shapes = {roles_in_memory[name]: tuple(t.shape) for name, t in _wanted(model).items()}
    resolve = _resolver(model)
    roles: dict[str, Role] = {}
    for name in names:
        resolved = resolve(name)
        if resolved in roles_in_memory:
            roles[name] = roles_in_memory[resolved]
        elif not name.endswith(("rotary_emb.inv_freq", "position_ids")):  # stray 4.x buffers
            raise ModelError(
                f"tensor {name!r} is no part of a {config.model_type} model",
                "check that config.json and the weights are of one model",
            )
    return Anatomy(roles, shapes, sees=getattr(config, "vision_config", None) is not None)


def read_config(folder: str) -> Any:
    """`config.json` of a local folder, as transformers reads it; never runs code from the folder."""
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder}: config.json cannot be read: {error}", "check the folder"
        ) from error


def _wanted(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint must hold: parameters and persistent buffers, each shared tensor once."""
    tied = set(getattr(model, "all_tied_weights_keys", {}) or {})
    return {name: t for name, t in model.state_dict().items() if name not in tied}


def memory_roles(model: nn.Module) -> dict[str, Role]:
    """In-memory tensor name -> role, from the modules that play each part."""
    decoder = decoder_of(model)
    names = {id(module): name for name, module in model.named_modules()}
    stems: list[tuple[str, str]] = []  # (module name, unit), most specific wins
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore
    stems.append((names[id(embeddings)], "language.embed"))
    if head is not None:
        stems.append((names[id(head)], "language.head"))
    stems += _layered(names, decoder, "language")
    tower = tower_of(model)
    if tower is not None:
        stems += _layered(names, tower, "vision")
    stems.sort(key=lambda stem: -len(stem[0]))
    roles = {}
    for name in model.state_dict():
        stem, unit = next(
            ((s, u) for s, u in stems if s == "" or name.startswith(s + ".")), ("", "projector")
        )
        roles[name] = Role(unit, name[len(stem) :].lstrip("."))
    return roles


def decoder_of(model: nn.Module) -> nn.Module:
    """The module whose layers speak; some families wrap it twice."""
    decoder: Any = model.get_decoder()  # type: ignore[operator]
    while hasattr(decoder, "get_decoder") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    return decoder  # type: ignore[no-any-return]


def tower_of(model: nn.Module) -> nn.Module | None:
    """The module whose layers see; None for a blind model."""
    if getattr(model.config, "vision_config", None) is None:
        return None
    return model.get_encoder(modality="image")  # type: ignore[no-any-return, operator]


def layers_in(module: nn.Module) -> nn.ModuleList | None:
    """The stack of layers of a decoder or of a tower."""
    stacks = (m for m in module.modules() if isinstance(m, nn.ModuleList) and len(m) > 0)
    return next(stacks, None)


def _layered(names: Mapping[int, str], module: nn.Module, part: str) -> list[tuple[str, str]]:
    """The stems of a stack: its layers one by one, its last norm, and its embedding (all else)."""
    stack = layers_in(module)
    if stack is None:
        raise ModelError(
            f"no stack of layers in the {part} model", "this architecture is not known"
        )
    first, last_seen = names[id(stack)], False
    stems = [(names[id(layer)], f"{part}.layers.{i}") for i, layer in enumerate(stack)]
    for name, child in module.named_modules():
        full = names[id(child)]
        if full == first:
            last_seen = True
        elif last_seen and "norm" in name.rsplit(".", 1)[-1] and _beside(full, first):
            stems.append((full, f"{part}.norm"))
    return [*stems, (names[id(module)], f"{part}.embed")]


def _beside(norm: str, layers: str) -> bool:
    """Whether a norm stands beside the layers, or around them.

    Towers have heads (SigLIP) and projectors (Qwen3-VL) with norms of their own, which would all be
    tensors of one role.
    """
    parent = norm.rpartition(".")[0]
    return not parent or layers.startswith(f"{parent}.")


def _resolver(model: nn.Module) -> Any:
    """File name -> in-memory name, by transformers' rules for this very model."""
    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    state, prefix = model.state_dict(), getattr(model, "base_model_prefix", None)

    def resolve(name: str) -> str:
        found: str
        found, computed = rename_source_key(name, renamings, converters, prefix, state)
        if computed is not None:
            raise ModelError(
                f"tensor {name!r} must be recomputed when it is loaded (fused experts)",
                "such architectures cannot be merged yet",
            )
        return found

    return resolve
