"""Scales that depend on where the signal comes from: the matrix W, and the network in its place.

Akiba et al. 2024 (arXiv:2403.13187), section 3.2: W_ij scales what enters layer j when it arrives from
layer i. Where the layers are many, W_ij = π_θ(i, j, t), a small feed-forward network, and only its weights
θ are evolved.

In: a pool laid out. Out: `Pairs`, which numbers the pairs that a walk may go; and the scale of a network at
a pair and a slot. What the paper leaves open is decided here:
  * layers are counted over the road, as `Road` lays them out: those that `begin` pins, the pool, those
    that `end` pins, each once. A hop from a layer that `begin` pins into the pool, and one out of the pool
    into a layer that `end` pins, are pairs like any other;
  * the first hop arrives from no layer: it is not scaled;
  * t is the slot, not the hop: the place in the pool laid out `repeat` times.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from merge_dsl.meaning.values import Draw, Network
from merge_dsl.space.genes import decimals
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.road import Layer, Road

MOST = 250_000  # genes of one matrix; more is a slip of the pen, and must not fill the memory
REACH = 2.0  # a weight lies between -REACH and REACH, and starts at 0


class Pairs(NamedTuple):
    """The rows and columns of W, each layer with its number."""

    rows: dict[Layer, int]
    columns: dict[Layer, int]

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return len(self.rows) * len(self.columns)

    def number(self, one: Layer, other: Layer) -> int | None:
        """Which pair a hop from `one` to `other` is, row by row; None where both are pinned alike."""
        row, column = self.rows.get(one), self.columns.get(other)
        return None if row is None or column is None else row * len(self.columns) + column

    def labels(self) -> list[tuple[int, str]]:
        """Every pair: its number, and a name such as `jp.3->math.5`."""
        names = [
            f"{one.model}.{one.number}->{other.model}.{other.number}"
            for one in self.rows
            for other in self.columns
        ]
        return list(enumerate(names))


def pairs_of(road: Road) -> Pairs:
    """The pairs of a pool. Raises SpaceError for more than anybody means."""
    rows, columns = sides_of(road)
    if len(rows) * len(columns) > MOST:
        raise SpaceError(f"{len(rows)} times {len(columns)} pairs of layers are more than {MOST}")
    numbered = [{layer: n for n, layer in enumerate(found)} for found in (rows, columns)]
    return Pairs(*numbered)


def sides_of(road: Road) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The layers from which a hop may come, and those to which one may lead, each once."""
    pool = [place.layer for place in road.places if place.lap == 1]
    rows, columns = [*road.first[-1:], *pool], [*pool, *road.last[:1]]
    return tuple(dict.fromkeys(rows)), tuple(dict.fromkeys(columns))


def heights_of(road: Road) -> dict[Layer, float]:
    """Where each layer of a road stands: -1 for the first, 1 for the last, evenly between."""
    layers = dict.fromkeys([*road.first, *(place.layer for place in road.places), *road.last])
    return {layer: spread(n, len(layers)) for n, layer in enumerate(layers)}


def spread(number: int, count: int) -> float:
    """The numbers 0 to count - 1 between -1 and 1; a single one at 0."""
    return 2.0 * number / (count - 1) - 1.0 if count > 1 else 0.0


def start_of(reach: Draw) -> float:
    """What every scale of a network is while its weights are 0."""
    if reach.start is not None:
        return reach.start
    return math.sqrt(reach.low * reach.high) if reach.log else (reach.low + reach.high) / 2


def scale_at(network: Network, weights: Sequence[float], at: tuple[float, float, float]) -> float:
    """π_θ(i, j, t). `at` is where the layers i and j and the slot t stand, each between -1 and 1.

    hₖ = tanh(aₖ·i + bₖ·j + cₖ·t + dₖ),  y = tanh(Σₖ vₖ·hₖ + e),  and the scale is `start`, moved by the
    share |y| of the way to the upper end where y > 0, to the lower one where y < 0; of a `log` range all
    that on logarithms. θ is aₖ bₖ cₖ dₖ unit by unit, then the vₖ, then e. A scale lands on the same grid
    as a drawn one, so that a last bit of `tanh`, which machines round differently, makes no other walk.
    """
    reach, units = network.reach, network.hidden
    total = weights[5 * units]
    for unit in range(units):
        a, b, c, d = weights[4 * unit : 4 * unit + 4]
        total += weights[4 * units + unit] * math.tanh(a * at[0] + b * at[1] + c * at[2] + d)
    y = math.tanh(total)
    start = start_of(reach)
    if y == 0.0:
        return start
    if reach.log:
        end = math.log(reach.high if y > 0 else reach.low)
        found = float(f"{math.exp(math.log(start) + abs(y) * (end - math.log(start))):.5g}")
    else:
        end = reach.high if y > 0 else reach.low
        found = round(start + abs(y) * (end - start), decimals(reach.low, reach.high))
    return min(max(found, reach.low), reach.high)


def weight_names(units: int) -> list[str]:
    """What the weights of a network are called, in the order of θ."""
    inner = [f"{n}.{of}" for n in range(1, units + 1) for of in ("from", "to", "slot", "bias")]
    return [*inner, *(f"out.{n}" for n in range(1, units + 1)), "out.bias"]
