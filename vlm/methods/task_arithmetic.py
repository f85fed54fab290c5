"""Task arithmetic: weighted differences from the base are added to the base.

Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import Settings, Shared, add_up, differences, needed, weights_of
from vlm.methods.masks import Draw


def task_arithmetic(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Base plus weighted differences; reads `weight`, and `scale` of the blend.

        θ = b + λ Σ_i w_i δ_i,        δ_i = x_i − b

    `draw` is not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    mixed = add_up(differences(base, tensors), weights_of(settings))
    return torch.add(base, mixed, alpha=shared["scale"])
