"""Spherical interpolation of two tensors: along the arc between their directions.

Shoemake 1985, "Animating rotation with quaternion curves", doi:10.1145/325334.325242, as it is used
on weights: the arc is that between the directions, and each tensor keeps its own length.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from vlm.methods.arrays import Array, inners
from vlm.methods.given import Settings, Shared, no_base
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, add_up, piecewise

STRAIGHT = 0.9995  # mergekit's: above it, its slerp is a straight line
Doubles = Any  # one number, or a numpy array of them, in double precision


@piecewise
def slerp(pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None) -> Iterator[Array]:
    """From the base to the ingredient; reads `t` and `compat` of the blend.

        cos φ = ⟨b, x⟩ / ‖b‖ ‖x‖
        θ = sin((1−t)φ)/sin φ · b  +  sin(tφ)/sin φ · x

    Where sin φ = 0 (one direction, opposite directions, or a tensor of zeros) there is no arc, and
    θ = (1−t) b + t x. "mergekit" takes that line from |cos φ| > 0.9995 on: tuned models of one base
    mostly lie beyond. `settings` and `draw` are not read. Raises MergeError without a base.
    """
    if pieces.base is None:
        raise no_base()
    squares = [0.0, 0.0, 0.0]
    for _, base, (tensor,) in pieces.walk():
        for i, found in enumerate(inners(base, tensor)):
            squares[i] += found
    one, other, product = squares
    left, right = shares(one, other, product, shared["t"], shared["compat"])
    for _, base, (tensor,) in pieces.walk():
        yield add_up([base, tensor], [float(left), float(right)])


def shares(
    one: Doubles, other: Doubles, product: Doubles, t: float, compat: str = "paper"
) -> tuple[Doubles, Doubles]:
    """How much of each end goes in, from ⟨x, x⟩, ⟨y, y⟩ and ⟨x, y⟩; any shape, one share a number."""
    lengths = np.sqrt(np.multiply(one, other))
    cosine = np.clip(product / np.where(lengths == 0, 1.0, lengths), -1.0, 1.0)
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    # Below 1e-7 the arc and its chord differ by less than a double can hold.
    straight = (sine < 1e-7) | (lengths == 0)
    if compat == "mergekit":
        straight = abs(cosine) > STRAIGHT
    angle = np.arctan2(sine, cosine)
    sine = np.where(straight, 1.0, sine)
    left = np.where(straight, 1 - t, np.sin((1 - t) * angle) / sine)
    return left, np.where(straight, t, np.sin(t * angle) / sine)
