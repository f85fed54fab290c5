"""A model is a tree of parts. Names of parts, and the units that they stand for.

In: a part as a recipe names it, and how many layers there are. Out: units, the grain at which a value
may differ (see `merge_dsl.space.candidate`), always in one canonical order. Layers are units, or, in a merge
that names the kinds of tensors in them (`language.layers.attention`), each kind of each layer is one.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from merge_dsl.text.source import Span

SHORT = {"embed": "language.embed", "head": "language.head"}
STACKS = ("vision", "language")
KINDS = ("attention", "mlp", "norms")  # of tensors in a layer; `norms` is all that is neither
TREE: dict[str, tuple[str, ...]] = {
    "vision": ("vision.embed", "vision.layers", "vision.norm"),
    "vision.embed": ("vision.embed",),
    "vision.layers": ("vision.layers",),
    "vision.norm": ("vision.norm",),
    "projector": ("projector",),
    "language": ("language.embed", "language.layers", "language.norm", "language.head"),
    "language.embed": ("language.embed",),
    "language.layers": ("language.layers",),
    "language.norm": ("language.norm",),
    "language.head": ("language.norm", "language.head"),  # the final norm goes with the head
}
TREE |= {f"{stack}.layers.{kind}": (f"{stack}.layers",) for stack in STACKS for kind in KINDS}
ORDER = (
    "vision.embed",
    "vision.layers",
    "vision.norm",
    "projector",
    "language.embed",
    "language.layers",
    "language.norm",
    "language.head",
)
RANK = {leaf: number for number, leaf in enumerate(ORDER)}
IMPLIED = {  # leaves that a part brings along, and yields to a line that names them
    "vision": ("vision.embed", "vision.norm"),
    "language.head": ("language.norm",),
}
Counts = Mapping[str, int]  # stack -> number of layers


class PartRef(NamedTuple):
    """A part as written: `language.layers[0..7]`. `name` is None where there is no such part."""

    name: str | None
    text: str
    slices: tuple[tuple[int, int], ...] | None  # both ends count; None is all of it
    span: Span
    slice_spans: tuple[Span, ...] = ()

    @property
    def kind(self) -> str:
        """Which tensors of its layers, where it does not stand for all of them."""
        last = self.text.rpartition(".")[2]
        return last if last in KINDS else ""

    @property
    def is_relative(self) -> bool:
        """`layers` and `layers.mlp` of an `at`: of whichever stack is blended."""
        return self.text == "layers" or (
            self.text.startswith("layers.") and self.text.count(".") == 1 and bool(self.kind)
        )


def canonical(text: str) -> str | None:
    """`embed` -> `language.embed`; None for what is no part."""
    name = SHORT.get(text, text)
    return name if name in TREE else None


def leaves(part: PartRef) -> tuple[str, ...]:
    """The leaves of the tree under a part, in order."""
    return TREE[part.name] if part.name else ()


def units_of(part: PartRef, counts: Counts, split: Container[str] = ()) -> tuple[str, ...]:
    """Every unit of a part. A stack of unknown height has none; those in `split` are cut by kind."""
    found: list[str] = []
    for leaf in leaves(part):
        stack, _, kind = leaf.partition(".")
        if kind != "layers":
            found.append(leaf)
            continue
        height = counts.get(stack, 0)
        numbers = range(height) if part.slices is None else _numbers(part.slices, height)
        kinds = [f".{part.kind}"] if part.kind else [f".{k}" for k in KINDS]
        for number in numbers:
            layer = f"{leaf}.{number}"
            found += [layer + kind for kind in kinds] if stack in split else [layer]
    return tuple(found)


def _numbers(slices: Sequence[tuple[int, int]], height: int) -> list[int]:
    chosen = {n for low, high in slices for n in range(max(low, 0), min(high + 1, height))}
    return sorted(chosen)


def is_implied(part: PartRef, unit: str) -> bool:
    """Whether a part brings this unit along without naming it."""
    return unit in IMPLIED.get(part.name or "", ())


def layer_of(unit: str) -> tuple[str, int] | None:
    """`language.layers.3` -> ("language", 3), whatever its kind; None for a unit that is no layer."""
    stack, _, rest = unit.partition(".layers.")
    return (stack, int(rest.partition(".")[0])) if rest else None


def kind_of(unit: str) -> str:
    """`language.layers.3.mlp` -> `mlp`; "" for a unit that is not cut by kind."""
    last = unit.rpartition(".")[2]
    return last if last in KINDS else ""


def leaf_of(unit: str) -> str:
    """`language.layers.3` -> `language.layers`; other units are their own leaf."""
    layer = layer_of(unit)
    return f"{layer[0]}.layers" if layer else unit


def in_order(units: set[str]) -> tuple[str, ...]:
    """Units in the canonical order."""
    return tuple(sorted(units, key=_place))


def _place(unit: str) -> tuple[int, int, str]:
    stack, _, rest = unit.partition(".layers.")
    if not rest:
        return RANK[unit], 0, ""
    number, _, kind = rest.partition(".")  # kinds in the order of the alphabet, that of `KINDS`
    return RANK[f"{stack}.layers"], int(number), kind


def part_of(unit: str) -> str:
    """The part, in the sense of `per part`, that a unit belongs to."""
    stack, _, kind = unit.partition(".")
    if stack == "vision" or unit == "projector":
        return stack
    kind = kind.partition(".")[0]
    return "head" if kind == "norm" else kind


def selected(part: PartRef, units: Sequence[str], counts: Counts) -> set[str]:
    """The units that an `at` clause picks; `layers` there is any layer of the blend."""
    if part.name is not None:
        split = {unit.partition(".")[0] for unit in units if kind_of(unit)}
        return set(units_of(part, counts, split)) & set(units)
    layers = {unit: layer_of(unit) for unit in units}
    chosen = {unit for unit, layer in layers.items() if layer is not None}
    if part.kind:
        chosen = {unit for unit in chosen if kind_of(unit) == part.kind}
    if part.slices is None:
        return chosen
    heights = max((layer[1] for layer in layers.values() if layer), default=-1) + 1
    numbers = set(_numbers(part.slices, heights))
    return {unit for unit in chosen if (layers[unit] or ("", -1))[1] in numbers}
