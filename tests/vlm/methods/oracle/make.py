"""Ask mergekit 0.1.5 for every case, and keep what it says beside this file.

    python -m venv oracle-venv && oracle-venv/bin/pip install torch==2.13.0 mergekit==0.1.5
    OMP_NUM_THREADS=1 oracle-venv/bin/python tests/vlm/methods/oracle/make.py

mergekit is LGPL-3.0: it is run, as a tool of its own, and no part of awase. What is kept are its
inputs (drawn here), the random masks that it drew, and its results, all of fp32 inputs.
"""

from pathlib import Path
from typing import Any

import torch
from cases import CASES, SEED, SHAPES, SPREADS, Case
from mergekit.merge_methods.api import merge_tensors
from safetensors.torch import save_file
from torch import Tensor

OUT = Path(__file__).with_name("mergekit-0.1.5.safetensors")
CANCEL = (0.25, 0.5, 0.125, 1.0)  # differences that are exact, and cancel between two models


def inputs() -> dict[str, Tensor]:
    """Base and three models for each set and shape; a few differences cancel exactly."""
    generator = torch.Generator().manual_seed(SEED)
    found = {}
    for kind, spread in SPREADS.items():
        for name, shape in SHAPES.items():
            base = torch.randn(shape, generator=generator)
            models = [base + spread * torch.randn(shape, generator=generator) for _ in range(3)]
            if kind == "far":
                for at, step in enumerate(CANCEL):
                    base.view(-1)[at] = 0.5
                    for model, sign in zip(models, (1, -1, 0), strict=True):
                        model.view(-1)[at] = 0.5 + sign * step
            found |= {f"{kind}.{name}.{i}": tensor for i, tensor in enumerate((base, *models))}
    return found


def answer(case: Case, tensors: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """What mergekit makes of them, and the masks that it drew."""
    masks: list[Tensor] = []
    real = torch.bernoulli

    def recorded(*arguments: Any, **named: Any) -> Tensor:
        masks.append(real(*arguments, **named))
        return masks[-1]

    torch.manual_seed(SEED)
    torch.bernoulli = recorded
    try:
        result = merge_tensors(
            tensors,
            case.method,
            parameters={**case.shared, **case.own},
            base_index=0 if case.base else None,
        )
    finally:
        torch.bernoulli = real
    return result, masks


def main() -> None:
    given = inputs()
    kept = dict(given)
    for case in CASES:
        for name in SHAPES:
            first = 0 if case.base else 1
            tensors = [
                given[f"{case.tensors}.{name}.{i}"].clone() for i in range(first, case.models + 1)
            ]
            result, masks = answer(case, tensors)
            assert result.dtype == torch.float32 and result.isfinite().all(), case
            kept[f"{case.name}.{name}"] = result.contiguous()
            if masks:
                drawn = torch.stack([mask.reshape(result.shape) for mask in masks])
                kept[f"{case.name}.{name}.masks"] = drawn.to(torch.uint8)
    save_file(kept, OUT, {"made_by": "mergekit 0.1.5", "torch": torch.__version__})
    print(f"{OUT.name}: {len(CASES)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
