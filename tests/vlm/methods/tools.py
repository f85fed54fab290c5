"""What every test of a kernel needs: tensors, a draw, and a kernel called by its name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merge_dsl.meaning.methods import METHODS
from vlm.methods import Draw, kernel_of

torch.set_num_threads(1)

SHAPE = (13, 17)
DRAW = Draw(7, "language.layers.3.mlp.up", ("llava", "shisa", "math"))
Array = np.ndarray


def tensors(
    count: int = 3, seed: int = 0, shape: tuple[int, ...] = SHAPE, spread: float = 0.1
) -> tuple[Tensor, list[Tensor]]:
    """A base and models around it."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(shape, generator=generator)
    return base, [base + spread * torch.randn(shape, generator=generator) for _ in range(count)]


def taken(method: str, wanted: int = 3) -> int:
    """How many ingredients to give a method: `wanted`, or as many as it takes."""
    low, high = METHODS[method].takes
    return max(low, wanted if high is None else min(wanted, high))


def defaults(method: str, scope: str) -> dict[str, Any]:
    """The settings of a signature at their defaults, as a kernel is given them."""
    found = METHODS[method].settings.items()
    found = [pair for pair in found if pair[1].kind != "data"]  # which no equation reads
    given = {name: setting.default for name, setting in found if setting.scope == scope}
    return {n: value if isinstance(value, str) else float(value or 0) for n, value in given.items()}


def told(method: str, models: Sequence[Tensor]) -> list[Tensor | None]:
    """What data might say of each model's tensor, made of that tensor alone; see `Method.reads`."""
    if METHODS[method].reads == "fisher":
        return [model.square() + 0.01 for model in models]
    grams = [m.dim() == 2 and m.numel() > 0 for m in models]
    return [
        m.T @ m + 0.1 * torch.eye(m.shape[1]) if g else None
        for m, g in zip(models, grams, strict=True)
    ]


def run(
    method: str,
    base: Tensor | None,
    models: Sequence[Tensor],
    each: Sequence[Mapping[str, float]] = (),
    draw: Draw = DRAW,
    measured: Sequence[Tensor | None] | None = None,
    **shared: Any,
) -> Array:
    """A kernel's result as float64; what is not given is at its default."""
    of_each = defaults(method, "ingredient")
    settings = [of_each | dict(one) for one in each or [{}] * len(models)]
    base = None if METHODS[method].base == "refused" else base
    measured = told(method, models) if measured is None else measured
    more = {"measured": measured} if METHODS[method].reads else {}
    given = defaults(method, "shared") | shared
    result = kernel_of(method)(base, models, settings, given, draw, **more)
    assert result.dtype == torch.float32 and result.shape == models[0].shape
    assert result.isfinite().all()
    return result.double().numpy()


def doubles(base: Tensor, models: Sequence[Tensor]) -> tuple[Array, list[Array]]:
    """The base, and the differences from it, in double precision."""
    b = base.double().numpy()
    return b, [model.double().numpy() - b for model in models]


def close(found: Array, expected: Array, tolerance: float = 1e-6) -> None:
    """Equal to a part in a million of the largest number."""
    scale = max(1e-30, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def reference_trim(delta: Array, density: float) -> Array:
    """The largest elements; of equal ones the earlier."""
    keep = max(1, int(density * delta.size))
    flat = delta.ravel()
    order = sorted(range(flat.size), key=lambda i: (-abs(flat[i]), i))
    kept = np.zeros_like(flat)
    kept[order[:keep]] = flat[order[:keep]]
    return kept.reshape(delta.shape)


def reference_merge(
    deltas: Sequence[Array], weights: Sequence[float], normalize: bool, compat: str = "paper"
) -> Array:
    """TIES' election and merge, one position after the other."""
    result = np.zeros_like(deltas[0])
    for at in np.ndindex(result.shape):
        votes = [
            d[at] * (w if compat == "mergekit" else 1) for d, w in zip(deltas, weights, strict=True)
        ]
        sign = np.sign(sum(votes)) or (1 if compat == "mergekit" else 0)
        agreeing = [i for i, vote in enumerate(votes) if sign != 0 and np.sign(vote) == sign]
        total = sum(weights[i] * deltas[i][at] for i in agreeing)
        share = sum(weights[i] for i in agreeing) if normalize else 1.0
        result[at] = total / (share or 1.0) if agreeing else 0.0
    return result
