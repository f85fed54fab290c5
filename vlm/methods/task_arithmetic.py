"""Task arithmetic: weighted differences from the base are added to the base.

Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv:2212.04089.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array
from vlm.methods.given import Settings, Shared, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, add_up, onto, piecewise


@piecewise
def task_arithmetic(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """Base plus weighted differences; reads `weight`, and `scale` of the blend.

        θ = b + λ Σ_i w_i δ_i,        δ_i = x_i − b

    `draw` is not read. Raises MergeError without a base.
    """
    weights = weights_of(settings)
    for _, base, deltas in pieces.differences():
        yield onto(base, add_up(deltas, weights), shared["scale"])
