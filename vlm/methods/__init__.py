"""The merge equations, one file a family: tensors and scalar settings in, one blended tensor out.

Their signatures (settings, domains, defaults) stand in `merge_dsl/meaning/methods.py`; a test holds
the two tables equal.
"""

from vlm.methods.breadcrumbs import breadcrumbs, breadcrumbs_ties
from vlm.methods.consensus import consensus, emr
from vlm.methods.dare import dare_linear, dare_ties
from vlm.methods.della import della, della_linear
from vlm.methods.fusion import arcee_fusion, nearswap
from vlm.methods.karcher import karcher, multislerp
from vlm.methods.kernel import Kernel
from vlm.methods.linear import linear, passthrough, soup, wise_ft
from vlm.methods.masks import Draw
from vlm.methods.model_stock import model_stock
from vlm.methods.ram import ram, ramplus_tl
from vlm.methods.sce import sce
from vlm.methods.slerp import nuslerp, slerp
from vlm.methods.subspace import iso_c, tsv
from vlm.methods.task_arithmetic import task_arithmetic
from vlm.methods.ties import ties

KERNELS: dict[str, Kernel] = {
    "linear": linear,
    "soup": soup,
    "passthrough": passthrough,
    "slerp": slerp,
    "nuslerp": nuslerp,
    "multislerp": multislerp,
    "karcher": karcher,
    "nearswap": nearswap,
    "arcee_fusion": arcee_fusion,
    "wise_ft": wise_ft,
    "task_arithmetic": task_arithmetic,
    "ties": ties,
    "dare_linear": dare_linear,
    "dare_ties": dare_ties,
    "breadcrumbs": breadcrumbs,
    "breadcrumbs_ties": breadcrumbs_ties,
    "della": della,
    "della_linear": della_linear,
    "sce": sce,
    "model_stock": model_stock,
    "ram": ram,
    "ramplus_tl": ramplus_tl,
    "consensus": consensus,
    "emr": emr,
    "tsv": tsv,
    "iso_c": iso_c,
}

__all__ = ["KERNELS", "Draw", "Kernel"]
