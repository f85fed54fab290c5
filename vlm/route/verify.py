"""Whether a written checkpoint computes what the walk computes: both are asked, logits are compared.

In: the model that walks, the folder. Out: the largest difference. In fp32 it must be below 1e-4; in half
precision folded weights are rounded anew, so there it is held to a share of how far logits spread.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm.errors import MergeError, VlmError
from vlm.reader import open_reader
from vlm.resident import load_model
from vlm.weights.source import Source

TOLERANCE = 1e-4  # of logits, in fp32
ROUNDING = {"fp16": 0.05, "bf16": 0.25}  # of the spread of logits, in half precision
ROWS, LENGTH = 2, 24  # of the words that are drawn


@dataclass(frozen=True)
class Difference:
    """The largest difference of two logits, the spread of all, and what was allowed."""

    largest: float
    spread: float
    allowed: float


def check_same(
    walking: Any,
    folder: Path,
    host: Source,
    dtype: str,
    inputs: Sequence[Mapping[str, Any]] | None = None,
) -> Difference:
    """Reopen `folder` as users will and compare. Raises MergeError above the tolerance."""
    asked = list(inputs) if inputs is not None else probes(host, walking)
    told = [_logits(walking, one) for one in asked]
    again = load_model(folder, host.anatomy.sees)
    heard = [_logits(again, one) for one in asked]
    largest = max(float((a - b).abs().max()) for a, b in zip(told, heard, strict=True))
    spread = max(float(a.std()) for a in told)
    allowed = TOLERANCE if dtype == "fp32" else max(TOLERANCE, ROUNDING[dtype] * spread)
    if not largest <= allowed:  # NaN is no agreement either
        raise MergeError(
            f"the checkpoint of this walk, reopened, differs from the walk: logits by {largest:.2g},"
            f" where {allowed:.2g} is allowed",
            "write it as fp32, or keep scales away from 0 and the first hop unscaled",
        )
    return Difference(largest, spread, allowed)


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
        found += _seen(host)
    return found


def _seen(host: Source) -> list[dict[str, Any]]:
    """A question about one picture of noise."""
    from PIL import Image

    try:
        reader = open_reader(host.folder, True)
    except VlmError:
        return []
    noise = random.Random(0).randbytes(64 * 64 * 3)
    picture = Image.frombytes("RGB", (64, 64), noise)
    text = reader.prompt("これは何？")
    return [dict(reader.processor(text=[text], images=[picture], return_tensors="pt"))]
