"""The merge equations, one file a family: tensors and scalar settings in, blended numbers out.

Their signatures (settings, domains, defaults) stand in `merge_dsl/meaning/methods.py`; a test holds
the two tables equal. An equation is loaded when it is asked for: those that are computed piece by
piece need no torch, and torch takes longer to load than a small model to merge.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vlm.methods.masks import Draw

if TYPE_CHECKING:
    from vlm.methods.kernel import Kernel

HOMES = {  # method -> the file with its equation
    "linear": "linear",
    "soup": "linear",
    "passthrough": "linear",
    "slerp": "slerp",
    "nuslerp": "nuslerp",
    "multislerp": "karcher",
    "karcher": "karcher",
    "nearswap": "nearswap",
    "arcee_fusion": "fusion",
    "fisher": "fisher",
    "regmean": "regmean",
    "wise_ft": "linear",
    "task_arithmetic": "task_arithmetic",
    "ties": "ties",
    "dare_linear": "dare",
    "dare_ties": "dare",
    "breadcrumbs": "breadcrumbs",
    "breadcrumbs_ties": "breadcrumbs",
    "della": "della",
    "della_linear": "della",
    "sce": "sce",
    "model_stock": "model_stock",
    "ram": "ram",
    "ramplus_tl": "ram",
    "consensus": "consensus",
    "emr": "consensus",
    "tsv": "subspace",
    "iso_c": "subspace",
}


def kernel_of(method: str) -> "Kernel":
    """The equation of a method, over whole tensors; its `walk`, where it has one, goes by pieces."""
    kernel: Kernel = getattr(import_module(f"vlm.methods.{HOMES[method]}"), method)
    return kernel


HIDES = {"nearswap"}  # goes no further than `t`, however far a parent is away


def shows_unsound(method: str) -> bool:
    """Whether what is no number in a tensor of a parent is none in the result, wherever it stands: then
    it is enough to look there. Held by a test for every equation that goes by pieces."""
    return method not in HIDES and hasattr(kernel_of(method), "walk")


__all__ = ["HIDES", "HOMES", "Draw", "kernel_of", "shows_unsound"]
