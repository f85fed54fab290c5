"""Every tensor of a model by its role, read off the model that transformers builds without weights.

In: a config and the tensor names of a checkpoint. Out: an `Anatomy`: for each name in the file, the
unit it belongs to ("language.layers.3", "vision.embed", "projector"; see `merge_dsl.space.candidate`)
and its name inside that unit, which is the same in a VLM and in a plain LLM of one decoder.

Files of one model differ in spelling between transformers 4 and 5. Names are therefore resolved
through transformers' own conversion rules, never compared as they stand. The rules are semi-private
(`transformers.core_model_loading`); this file is the only one that touches them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from vlm.anatomy.body import REST, Anatomy, Role
from vlm.compat import ensure_torchvision
from vlm.errors import ModelError

ensure_torchvision()

import transformers  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PretrainedConfig,
)
from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: E402
from transformers.core_model_loading import (  # noqa: E402
    WeightConverter,
    WeightRenaming,
    rename_source_key,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: E402

CONTRASTIVE = re.compile(r"clip|siglip\d?")
TOWERS = re.compile(r"(clip|siglip\d?)_vision_model|dinov\d|.*_vision(_model)?")


def is_tower(config: Any) -> bool:
    """Whether a model is an image encoder, alone or with the text tower that it was trained against."""
    if CONTRASTIVE.fullmatch(config.model_type):
        return True
    # `aya_vision` is a whole model, `mllama_vision_model` is not.
    whole = getattr(config, "text_config", None) is not None
    return not whole and TOWERS.fullmatch(config.model_type) is not None


def skeleton(config: Any, trusted: bool = False) -> nn.Module:
    """The model of a config, without weights. Raises ModelError for an unknown architecture.

    `trusted` lets it be built by code that the model brings.
    """
    sees = getattr(config, "vision_config", None) is not None
    factory = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    try:
        if is_tower(config):
            with torch.device("meta"):
                named = (getattr(config, "architectures", None) or [""])[0]
                if named.endswith("VisionModelWithProjection"):
                    return getattr(transformers, named)(config)  # type: ignore[no-any-return]
                return AutoModel.from_config(config)  # type: ignore[no-any-return]
        with torch.device("meta"):
            return factory.from_config(config, trust_remote_code=trusted)  # type: ignore[no-any-return]
    except (ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"transformers cannot build a {config.model_type!r} model: {error}",
            "use a vision-language or causal language model that this transformers knows",
        ) from error


def anatomy(config: Any, names: Iterable[str], trusted: bool = False) -> Anatomy:
    """Take a model apart.

    `names` are the tensor names of its checkpoint. Raises ModelError when a name belongs to no part
    of the architecture, or when loading it would compute on it (fused experts).
    """
    model = skeleton(config, trusted)
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
    tower = is_tower(config)
    sees = tower or getattr(config, "vision_config", None) is not None
    return Anatomy(roles, shapes, sees=sees, speaks=not tower)


def read_config(folder: str, trusted: bool = False) -> Any:
    """`config.json` of a local folder, as transformers reads it.

    Code in the folder is run only where `trusted`; a model that cannot be read without is refused.
    """
    try:
        if not trusted:
            table, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
            if "auto_map" in table and table.get("model_type") not in CONFIG_MAPPING:
                raise ModelError(
                    f"{folder} brings code of its own, which is not run",
                    "read it; then allow it by name: `{ remote_code = run }` behind its `model`",
                )
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trusted)
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
    if is_tower(model.config):
        return tower_roles(model)
    decoder = model.get_decoder()  # type: ignore[operator]
    while hasattr(decoder, "get_decoder") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    names = {id(module): name for name, module in model.named_modules()}
    stems: list[tuple[str, str]] = []  # (module name, unit), most specific wins
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore
    stems.append((names[id(embeddings)], "language.embed"))
    if head is not None:
        stems.append((names[id(head)], "language.head"))
    stems += _layered(names, decoder, "language")
    if getattr(model.config, "vision_config", None) is not None:
        tower = model.get_encoder(modality="image")  # type: ignore[operator]
        stems += _layered(names, tower, "vision")
    stems.sort(key=lambda stem: -len(stem[0]))
    roles = {}
    for name in model.state_dict():
        stem, unit = next(
            ((s, u) for s, u in stems if s == "" or name.startswith(s + ".")), ("", "projector")
        )
        roles[name] = Role(unit, name[len(stem) :].lstrip("."))
    return roles


def tower_roles(model: nn.Module) -> dict[str, Role]:
    """The same for a tower. Its projection into the space that it shares with a text tower goes with
    its norm, behind the layers; text tower and temperature are `REST`."""
    inner = getattr(model, "vision_model", model)
    names = {id(module): name for name, module in model.named_modules()}
    stems = sorted(_layered(names, inner, "vision"), key=lambda stem: -len(stem[0]))
    roles = {}
    for name in model.state_dict():
        if name.startswith("visual_projection."):
            roles[name] = Role("vision.norm", name)
            continue
        stem, unit = next(
            ((s, u) for s, u in stems if s == "" or name.startswith(s + ".")), ("", REST)
        )
        roles[name] = Role(unit, name[len(stem) :].lstrip("."))
    return roles


def _layered(names: Mapping[int, str], module: nn.Module, part: str) -> list[tuple[str, str]]:
    """The stems of a stack: its layers one by one, its last norm, and its embedding (all else)."""
    stack = next((m for m in module.modules() if isinstance(m, nn.ModuleList) and len(m) > 0), None)
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
        elif last_seen and "norm" in name.rsplit(".", 1)[-1] and _is_over(full, first):
            stems.append((full, f"{part}.norm"))
    return [*stems, (names[id(module)], f"{part}.embed")]


def _is_over(norm: str, stack: str) -> bool:
    """Whether a norm stands beside a stack or further out: not inside it, nor in a head behind it."""
    parent = norm.rpartition(".")[0]
    return parent == "" or f"{stack}.".startswith(f"{parent}.")


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
