"""One value for each group of layers -> one slice for each group.

In: a blend, some settings of which are `[…] per 8 layers`. Out: blends of 8 layers each. mergekit has no
groups, but it has slices, and that is how mergekit-evolve writes them.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from merge_dsl.text import tree
from merge_dsl.tools.mergekit.plan import (
    Blend,
    Curve,
    Hole,
    Input,
    Regions,
    Settings,
    Steps,
    Value,
    canonical,
)
from merge_dsl.tools.mergekit.tree_values import Reader

HIGH = 10_000
Span = tuple[int, int]
Change = Callable[[Value], Value]


def without_steps(blend: Blend, item: tree.Merge, reader: Reader) -> tuple[Blend, ...]:
    """The blend in pieces, none of which has a value by groups."""
    steps = list(_steps(blend))
    if not steps:
        return (blend,)
    size, count = steps[0].per, len(steps[0].values)
    low, high = blend.span or (0, size * count - 1)
    height = high - low + 1
    if height > HIGH:
        reader.lose(item.name.span, f"{height} layers are more than any model has")
        return ()
    uneven = [s for s in steps if -(-height // s.per) != len(s.values)]
    if uneven:
        what = f"{len(uneven[0].values)} groups of {uneven[0].per} are not {height} layers"
        reader.lose(item.name.span, f"{what}: mergekit must be told how many there are")
        return ()
    if all(step.per == 1 for step in steps):  # as many points as layers: a gradient hits each
        return (mapped(blend, _as_curve),)
    cuts = sorted({at for step in steps for at in range(0, height, step.per)} | {height})
    pieces = []
    for start, stop in itertools.pairwise(cuts):
        inner = (start, stop - 1)
        piece = mapped(blend, partial(_piece, inner=inner, height=height))
        pieces.append(
            replace(
                piece,
                span=(low + start, low + stop - 1),
                first=blend.first and start == 0,
                last=blend.last and stop == height,
            )
        )
    return tuple(_trimmed(piece) for piece in pieces)


def _steps(blend: Blend) -> Iterator[Steps]:
    for settings in (blend.shared, *(inner.settings for inner in blend.inputs)):
        for _, regions in settings:
            yield from (value for value in regions.values if isinstance(value, Steps))


def _as_curve(value: Value) -> Value:
    return Curve(value.values) if isinstance(value, Steps) else value


def _piece(value: Value, inner: Span, height: int) -> Value:
    """A value over some layers of a blend."""
    if isinstance(value, Steps):
        return value.values[inner[0] // value.per]
    if not isinstance(value, Curve) or any(isinstance(point, Hole) for point in value.points):
        return value
    points = [_height_at(value, layer, height) for layer in range(inner[0], inner[1] + 1)]
    return points[0] if len(set(points)) == 1 else Curve(tuple(points))


def _height_at(curve: Curve, layer: int, height: int) -> float:
    points = [float(point) for point in curve.points if not isinstance(point, Hole)]
    at = layer / max(height - 1, 1) * (len(points) - 1)
    before = min(int(at), len(points) - 1)
    after = min(before + 1, len(points) - 1)
    return points[before] + (at - before) * (points[after] - points[before])


def mapped(blend: Blend, change: Change) -> Blend:
    """The blend with every value changed."""
    inputs = tuple(Input(inner.model, _changed(inner.settings, change)) for inner in blend.inputs)
    return replace(blend, inputs=inputs, shared=_changed(blend.shared, change))


def _changed(settings: Settings, change: Change) -> Settings:
    return tuple((name, canonical(_regions(regions, change))) for name, regions in settings)


def _regions(regions: Regions, change: Change) -> Regions:
    def changed(value: Value | None) -> Value | None:
        return None if value is None else change(value)

    return Regions(
        changed(regions.rest),
        changed(regions.embed),
        changed(regions.norm),
        changed(regions.head),
        tuple((low, high, change(value)) for low, high, value in regions.layers),
        tuple((kind, change(value)) for kind, value in regions.kinds),
    )


def _trimmed(blend: Blend) -> Blend:
    """Without settings for what the piece does not make."""
    inputs = tuple(Input(inner.model, _kept(inner.settings, blend)) for inner in blend.inputs)
    return replace(blend, inputs=inputs, shared=_kept(blend.shared, blend))


def _kept(settings: Settings, blend: Blend) -> Settings:
    low, high = blend.span or (0, 10**9)
    found = []
    for name, regions in settings:
        layers = [
            (max(first, low), min(last, high), value)
            for first, last, value in regions.layers
            if first <= high and last >= low
        ]
        embed = regions.embed if blend.first else None
        norm, head = (regions.norm, regions.head) if blend.last else (None, None)
        found.append(
            (
                name,
                canonical(Regions(regions.rest, embed, norm, head, tuple(layers), regions.kinds)),
            )
        )
    return tuple(found)
