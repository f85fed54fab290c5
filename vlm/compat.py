"""Makes `import torchvision` work beside a CPU build of torch; does nothing where it already does.

PyPI's torchvision is linked against CUDA. Beside a CPU torch its library cannot be loaded, its ops
`nms` and `qnms` are never declared, and `import torchvision` raises "operator torchvision::nms does
not exist" (pytorch/vision#9085), which takes open_clip, timm and every image class of transformers
down with it. Declaring the two schemas is enough: detection ops stay unusable, transforms work.

Call `ensure_torchvision()` before the first import of transformers or open_clip.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

_declared: list[Any] = []  # a torch Library withdraws its schemas when it is collected


def ensure_torchvision() -> bool:
    """Declare torchvision's detection ops when its own library cannot. False if it is not installed."""
    if "torchvision" in sys.modules or _declared:
        return True
    spec = importlib.util.find_spec("torchvision")  # finds, does not import
    if spec is None or not spec.submodule_search_locations:
        return False
    import torch

    calls: Any = torch  # which of these are typed changes from one torch to the next
    for library in Path(spec.submodule_search_locations[0]).glob("_C*.so"):
        try:
            calls.ops.load_library(str(library))
            return True  # a healthy install declares its own ops
        except OSError:
            continue
    fragment = calls.library.Library("torchvision", "FRAGMENT")
    for op in ("nms", "qnms"):
        fragment.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(fragment)
    return True
