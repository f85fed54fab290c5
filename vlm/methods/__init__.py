"""The merge equations, one file a family: tensors and scalar settings in, one blended tensor out.

Their signatures (settings, domains, defaults) stand in `merge_dsl/meaning/methods.py`; a test holds
the two tables equal.
"""

from vlm.methods.dare import dare_ties
from vlm.methods.kernel import Kernel
from vlm.methods.linear import linear
from vlm.methods.masks import Draw
from vlm.methods.task_arithmetic import task_arithmetic
from vlm.methods.ties import ties

KERNELS: dict[str, Kernel] = {
    "linear": linear,
    "task_arithmetic": task_arithmetic,
    "ties": ties,
    "dare_ties": dare_ties,
}

__all__ = ["KERNELS", "Draw", "Kernel"]
