"""What mergekit 0.1.5 was asked for: method, tensors, parameters in its own words.

Read by `make.py`, which runs in mergekit's virtual environment, and by the test, which does not.
"""

from dataclasses import dataclass, field
from typing import Any

SEED = 20260701
SHAPES = {"matrix": (20, 32), "vector": (48,)}
SPREADS = {"far": 0.3, "near": 0.003}  # of differences; the base has a spread of 1


@dataclass(frozen=True)
class Case:
    """`own` holds a value for each of `models` ingredients; `base` says whether there is a base."""

    name: str
    method: str
    shared: dict[str, Any] = field(default_factory=dict)
    own: dict[str, list[float]] = field(default_factory=dict)
    models: int = 3
    base: bool = True
    tensors: str = "far"


W = {"weight": [0.5, 1.2, 0.3]}
SIGNED = {"weight": [0.5, 1.2, -0.4]}
D = {**W, "density": [0.3, 0.8, 0.5]}
G = {**D, "gamma": [0.01, 0.1, 0.4]}
E = {**W, "density": [0.3, 0.8, 0.5], "epsilon": [0.1, 0.15, 0.2]}
PAIR = {"weight": [0.2, 0.6]}
ON, OFF = True, False

CASES = (
    Case("linear", "linear", {}, W, base=False),
    Case("linear sum", "linear", {"normalize": OFF}, SIGNED, base=False),
    Case("slerp", "slerp", {"t": 0.3}, models=1),
    Case("slerp near", "slerp", {"t": 0.3}, models=1, tensors="near"),
    Case("nuslerp", "nuslerp", {}, PAIR, 2, base=False),
    Case("nuslerp near", "nuslerp", {}, PAIR, 2, base=False, tensors="near"),
    Case("nuslerp base", "nuslerp", {}, PAIR, 2),
    Case("nuslerp rows", "nuslerp", {"nuslerp_flatten": OFF}, PAIR, 2, base=False),
    Case(
        "nuslerp columns",
        "nuslerp",
        {"nuslerp_flatten": OFF, "nuslerp_row_wise": ON},
        PAIR,
        2,
    ),
    Case("multislerp", "multislerp", {}, W, base=False),
    Case("multislerp near", "multislerp", {}, W, base=False, tensors="near"),
    Case("multislerp base", "multislerp", {"normalize_weights": OFF}, W),
    Case("karcher", "karcher", {}, base=False),
    Case("karcher near", "karcher", {}, base=False, tensors="near"),
    Case("task_arithmetic", "task_arithmetic", {"lambda": 0.8}, SIGNED),
    Case("ties", "ties", {}, D),
    Case("ties sum", "ties", {"normalize": OFF, "lambda": 0.8}, {**D, **SIGNED}),
    Case("dare_linear", "dare_linear", {"lambda": 0.8}, D),
    Case("dare_linear mean", "dare_linear", {"normalize": ON, "rescale": OFF}, D),
    Case("dare_ties", "dare_ties", {}, D),
    Case("dare_ties mean", "dare_ties", {"normalize": ON}, {**D, **SIGNED}),
    Case("breadcrumbs", "breadcrumbs", {"lambda": 0.8}, G),
    Case("breadcrumbs_ties", "breadcrumbs_ties", {"normalize": ON}, G),
    Case("della", "della", {"lambda": 0.8}, E),
    Case("della_linear", "della_linear", {"rescale": OFF}, E),
    Case("della_linear rescaled", "della_linear", {"normalize": ON}, E),
    Case("sce", "sce", {"select_topk": 0.4}),
    Case("sce all", "sce", {}),
    Case("sce near", "sce", {"select_topk": 0.4}, tensors="near"),
    Case("model_stock", "model_stock", {}),
    Case("model_stock rows", "model_stock", {"filter_wise": ON}),
    Case("nearswap", "nearswap", {"t": 0.05}, models=1),
    Case("arcee_fusion", "arcee_fusion", {}, models=1),
    Case("ram", "ram", {"epsilon": 0.2}),
    Case("ramplus_tl", "ramplus_tl", {"epsilon": 0.2, "r": 0.3, "alpha": 0.9}),
    Case("passthrough", "passthrough", {}, {"scale": [1.5]}, 1, base=False),
    Case("ties of opposites", "ties", {}, {"weight": [1.0, -1.0], "density": [0.8, 0.5]}, 2),
)
