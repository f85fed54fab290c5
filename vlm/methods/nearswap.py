"""NearSwap gives a base what another model has where both are near.

It has no paper: it is alchemonaut's (QuartetAnemoi, 2024), described by mergekit's documentation.
"""

from collections.abc import Iterator

from vlm.methods.arrays import Array
from vlm.methods.given import Settings, Shared
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, piecewise


@piecewise
def nearswap(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """The ingredient where it is near, the base moved towards it elsewhere; reads `t` of the blend.

        θ = (1 − w) b + w x,   w = min(1, t / |x − b|)
          = b + min(max(x − b, −t), t)

    `settings` and `draw` are not read. Raises MergeError without a base.
    """
    t = shared["t"]
    for _, base, (delta,) in pieces.differences():
        yield base + delta.clip(-t, t)
