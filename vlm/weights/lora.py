"""A LoRA adapter as a difference: what it adds to each weight, computed when it is asked for.

In: a folder with adapter_config.json and adapter_model.safetensors. Out: `Adapter`, whose tensors are

    ΔW = (α / r) B A,    or (α / √r) B A where `use_rslora` says so

after Hu et al. 2021, arXiv:2106.09685, and Kalajdzievski 2023, arXiv:2312.03732; of an embedding its
transpose. α and r may differ from module to module. No copy of a model with
the adapter merged in is ever written. What is not plain LoRA (DoRA, trained biases, whole modules saved
beside it, a base that was changed by initialising) is refused by the setting that says so.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vlm.errors import ModelError
from vlm.weights.checkpoint import Checkpoint, Entry, open_files
from vlm.weights.raw import Raw, of_tensor

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
FACTOR = re.compile(r"(?P<module>.+)\.lora_((?P<side>[AB])\.weight|embedding_(?P<embedding>[AB]))")
# What an adapter may set that makes it more than B A, and why that cannot be added as a difference.
NOT_PLAIN = {
    "use_dora": "DoRA rescales the rows of the whole weight",
    "lora_bias": "it has biases of its own",
    "modules_to_save": "it replaces whole modules",
    "layer_replication": "it repeats layers",
    "megatron_config": "its weights are split over machines",
    "trainable_token_indices": "it replaces rows of the embedding",
    "target_parameters": "it changes parameters that are no module's weight",
    "use_qalora": "its input is pooled first",
    "arrow_config": "it is chosen anew for each token",
}
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")  # ways to initialise


class Factors(NamedTuple):
    """Where the two factors of a difference lie, and what it is of them."""

    a: str
    b: str
    scale: float
    turned: bool  # the weight lies as in by out


@dataclass(frozen=True)
class Adapter:
    """The differences of one adapter, by the names of the weights that they are added to."""

    inner: Checkpoint
    entries: Mapping[str, Entry]
    factors: Mapping[str, Factors]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.inner.folder

    @property
    def dtype(self) -> str:
        """Differences are computed in fp32."""
        return "F32"

    def tensor(self, name: str) -> "Tensor":
        """ΔW of one weight: fp32, of the weight's shape."""
        of = self.factors[name]
        a, b = self.inner.tensor(of.a).float(), self.inner.tensor(of.b).float()
        delta = (b @ a).mul_(of.scale)
        return delta.T if of.turned else delta

    def raw(self, name: str) -> Raw:
        """The same as numbers."""
        return of_tensor(self.tensor(name))


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def open_adapter(folder: Path) -> Adapter:
    """Read config and headers. Raises ModelError for what is damaged or no plain LoRA."""
    config = _config(folder)
    _refuse(folder, config)
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} holds no {WEIGHTS}", "save the adapter as safetensors")
    inner = open_files(folder, [folder / WEIGHTS])
    entries, factors = {}, {}
    for module, sides in _pairs(folder, inner).items():
        rank, alpha = (_said(folder, config, name, module) for name in ("r", "lora_alpha"))
        a, b = (inner.entries[sides[side]].shape for side in "AB")
        if a[0] != rank or b[1] != rank:
            raise ModelError(
                f"{folder}: {module} has no two factors of rank {rank:g}", "fetch the adapter anew"
            )
        scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        turned = (
            config.get("fan_in_fan_out") is True or "embedding" in sides["A"].rpartition(".")[2]
        )
        shape = (a[1], b[0]) if turned else (b[0], a[1])
        name = f"{module.removeprefix(PREFIX)}.weight"
        entries[name] = Entry(inner.entries[sides["A"]].file, "F32", shape)
        factors[name] = Factors(sides["A"], sides["B"], scale, turned)
    if not entries:
        raise ModelError(f"{folder} changes nothing", "fetch the adapter anew")
    return Adapter(inner, entries, factors)


def _said(folder: Path, config: Mapping[str, Any], name: str, module: str) -> float:
    """`r` or `lora_alpha` of a module: of the first pattern that its name ends with, else of all."""
    patterns = config.get("rank_pattern" if name == "r" else "alpha_pattern") or {}
    said: Any = config.get(name)
    if isinstance(patterns, dict):
        own = module.removeprefix(PREFIX)
        found = (v for k, v in patterns.items() if _ends(own, str(k)))
        said = next(found, said)
    right = isinstance(said, int | float) and not isinstance(said, bool)
    if not right or (name == "r" and (said != int(said) or said < 1)):
        raise ModelError(f"{folder / CONFIG} has no `r` and `lora_alpha`", "fetch the file anew")
    return float(said)


def _ends(module: str, pattern: str) -> bool:
    """Whether peft takes a pattern to mean a module: by its whole name, or by what follows a dot."""
    try:
        return re.match(rf"(.*\.)?({pattern})$", module) is not None
    except re.error:
        return False


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", "fetch the file anew") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is no table", "fetch the file anew")
    return found


def _refuse(folder: Path, config: Mapping[str, Any]) -> None:
    def no(why: str) -> ModelError:
        return ModelError(
            f"{folder} is no plain LoRA adapter: {why}",
            "merge it into its base with peft, and take the result as a model",
        )

    if config.get("peft_type") != "LORA":
        raise no(f"its `peft_type` is {config.get('peft_type')}")
    if config.get("bias", "none") != "none":
        raise no(f"it trains biases (`bias = {config['bias']}`)")
    for name, why in NOT_PLAIN.items():
        if config.get(name):
            raise no(f"{why} (`{name}`)")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(CHANGES_BASE):
        raise no(f"it was initialised by {start}, which changes the base as well")


def _pairs(folder: Path, inner: Checkpoint) -> dict[str, dict[str, str]]:
    """Module -> side -> the name of that factor. Every tensor is of one pair."""
    sides: dict[str, dict[str, str]] = {}
    for name, entry in inner.entries.items():
        found = FACTOR.fullmatch(name)
        if found is None or not name.startswith(PREFIX) or len(entry.shape) != 2:
            raise ModelError(
                f"{folder}: {name} is no factor of a matrix",
                "merge the adapter into its base with peft, and take the result as a model",
            )
        sides.setdefault(found["module"], {})[found["side"] or found["embedding"]] = name
    for module, pair in sides.items():
        if pair.keys() != {"A", "B"}:
            raise ModelError(f"{folder}: {module} lacks a factor", "fetch the adapter anew")
    return sides
