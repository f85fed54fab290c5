"""Every tensor of a model by its role, read off the model that transformers builds without weights.

In: a config and the tensor names of a checkpoint. Out: an `Anatomy`: for each name in the file, the
unit it belongs to ("language.layers.3", "vision.embed", "projector"; see `merge_dsl.space.candidate`)
and its name inside that unit, which is the same in a VLM and in a plain LLM of one decoder.

Files of one model differ in spelling between transformers 4 and 5. Names are therefore resolved
through transformers' own conversion rules, never compared as they stand. The rules are semi-private
(`transformers.core_model_loading`); this file is the only one that touches them.
"""

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from vlm.anatomy.body import REST, Anatomy, Role
from vlm.anatomy.roles import is_tower, memory_roles
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

__all__ = [
    "REST",
    "Anatomy",
    "Role",
    "anatomy",
    "is_tower",
    "memory_roles",
    "read_config",
    "skeleton",
]


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
    except Exception as error:  # a config may say anything; torch and a model's own code judge it
        raise ModelError(
            f"transformers cannot build a {config.model_type!r} model: {said(error)}",
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
        elif not _passed_over(model, name):
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
    except ModelError:
        raise
    except Exception as error:  # whatever the classes of a hundred families make of a wrong value
        raise ModelError(
            f"{folder}: config.json cannot be read: {said(error)}", "fetch the file anew"
        ) from error


def said(error: Exception) -> str:
    """What an exception says, on one line; validators write a page. Its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _wanted(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint must hold: parameters and persistent buffers, each shared tensor once."""
    tied = set(getattr(model, "all_tied_weights_keys", {}) or {})
    return {name: t for name, t in model.state_dict().items() if name not in tied}


def _passed_over(model: nn.Module, name: str) -> bool:
    """Whether loading leaves this tensor out: a buffer of 4.x, or what the model says it ignores."""
    ignored = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()
    strays = ("rotary_emb.inv_freq", "position_ids")
    return name.endswith(strays) or any(re.search(pattern, name) for pattern in ignored)


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
