"""Whether a written checkpoint computes what the walk computes: both are asked, logits are compared.

In: the model that walks, the folder. Out: the largest difference. In fp32 it must be below 1e-4; in half
precision folded weights are rounded anew, so there it is held to a share of how far logits spread.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vlm.device import DTYPES, is_full
from vlm.errors import MergeError, VlmError
from vlm.reader import open_reader
from vlm.resident import load_model
from vlm.weights.source import Source

TOLERANCE = 1e-4  # of logits, in fp32
ROUNDING = {"fp16": 0.05, "bf16": 0.25}  # of the spread of logits, in half precision
LOUD = 1e-3  # share of a mean square from which an epsilon is heard
ROWS, LENGTH = 2, 24  # of the words that are drawn


@dataclass(frozen=True)
class Difference:
    """The largest difference of two logits, the spread of all, and what was allowed.

    `code` says why the folder has code of its own; None of an ordinary one.
    """

    largest: float
    spread: float
    allowed: float
    code: str | None = None


class Differs(MergeError):
    """What was written does not compute the walk."""


def check_same(
    walking: Any,
    folder: Path,
    host: Source,
    dtype: str,
    inputs: Sequence[Mapping[str, Any]] | None = None,
) -> Difference:
    """Reopen `folder` as users will and compare. Raises MergeError above the tolerance."""
    asked = list(inputs) if inputs is not None else probes(host, walking)
    with _in_full(walking):
        told = [_logits(walking, one) for one in asked]
    again = load_model(folder, host.anatomy.sees, trusted=host.trusted)
    heard = [_logits(again, one) for one in asked]
    largest = max(float((a - b).abs().max()) for a, b in zip(told, heard, strict=True))
    spread = max(float(a.std()) for a in told)
    shares = [ROUNDING.get(one, 0.0) for one in (dtype, _spelt(walking))]
    allowed = max(TOLERANCE, *(share * spread for share in shares))
    if not largest <= allowed:  # NaN is no agreement either
        why = _small_stream(walking, asked)
        raise Differs(
            f"the checkpoint of this walk, reopened, differs from it: logits by {largest:.2g}, where"
            f" {allowed:.2g} is allowed" + (f"; {why}" if why else ""),
            "scale later hops, or none: the walk itself runs as it is",
        )
    return Difference(largest, spread, allowed)


def _spelt(walking: Any) -> str:
    """In what the weights are held that walk: a parent's may have been rounded for that."""
    return next((spelt for spelt, dtype in DTYPES.items() if dtype == walking.dtype), "fp32")


@contextmanager
def _in_full(model: nn.Module) -> Iterator[None]:
    """The model in fp32 on the CPU for a while: the checkpoint is compared with the walk, not with its
    rounding, and beside what walks a device has no room for two more."""
    tables: list[dict[str, Any]] = [
        table for module in model.modules() for table in (module._parameters, module._buffers)
    ]
    before = [dict(table) for table in tables]
    full: dict[int, torch.Tensor] = {}  # a layer that is walked twice is there once
    try:
        for table in tables:
            for name, tensor in table.items():
                if tensor is not None:
                    table[name] = full.setdefault(id(tensor), _full(tensor))
        yield
    finally:
        for table, held in zip(tables, before, strict=True):
            table.update(held)


def _full(tensor: torch.Tensor) -> torch.Tensor:
    near = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else None)
    return nn.Parameter(near, False) if isinstance(tensor, nn.Parameter) else near


def _small_stream(walking: Any, asked: Sequence[Mapping[str, Any]]) -> str:
    """The usual reason: a stream so small that the epsilon of a norm counts, which no scale folds into.

    A norm divides by sqrt(m + e), m being the mean square of what it reads. Folded, it reads the stream
    divided by S, and divides by what amounts to sqrt(m + S² e).
    """
    seen: list[tuple[float, str]] = []
    hooks = []
    for name, module in walking.named_modules():
        epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        if epsilon is None or "norm" not in name.rsplit(".", 1)[-1] or ".layers." not in name:
            continue

        def hear(inner: Any, args: Any, name: str = name, epsilon: float = epsilon) -> None:
            seen.append((epsilon / float(args[0].float().pow(2).mean(-1).median()), name))

        hooks.append(module.register_forward_pre_hook(hear))
    for one in asked:
        _logits(walking, one)
    for hook in hooks:
        hook.remove()
    share, name = max(seen, default=(0.0, ""))
    if share < LOUD:
        return ""
    return f"at {name} the stream is so small that the norm's epsilon is {share:.1%} of its square"


@torch.inference_mode()
def _logits(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    placed = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in inputs.items()
    }
    return model(**placed, use_cache=False).logits.float().cpu()  # type: ignore[no-any-return]


def probes(host: Source, model: Any) -> list[dict[str, Any]]:
    """Words drawn at random, and a picture where the model sees and its processor can be read."""
    draw = torch.Generator().manual_seed(0)
    count = int(model.get_input_embeddings().weight.shape[0])
    ids = torch.randint(0, count, (ROWS, LENGTH), generator=draw)
    for name in ("image_token_id", "image_token_index", "video_token_id"):
        special = getattr(model.config, name, None)
        if special is not None:
            ids[ids == special] = 0
    found: list[dict[str, Any]] = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]
    if host.anatomy.sees:
        found += [one for one in _seen(host) if _is_heard(model, one)]
    return found


def _is_heard(model: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether what the processor gives is what the model takes: some want more than one question."""
    try:
        _logits(model, inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        if is_full(error):
            raise
        return False
    return True


def _seen(host: Source) -> list[dict[str, Any]]:
    """A question about one picture of noise."""
    from PIL import Image

    try:
        reader = open_reader(host.folder, True, host.trusted)
    except VlmError:
        return []
    noise = random.Random(0).randbytes(64 * 64 * 3)
    picture = Image.frombytes("RGB", (64, 64), noise)
    text = reader.prompt("これは何？")
    return [dict(reader.processor(text=[text], images=[picture], return_tensors="pt"))]
