"""What a recipe and a mergekit configuration can both say: models, blends, walks, stages, a search.

Ranges of layers have both ends, as in recipes. A setting is a value for each region of a blend, with
mergekit's meaning: what is not named is as `rest`, and a curve is at its first point there.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Model:
    """Where a model comes from, as a recipe writes it; `stage:NAME` is the result of a stage."""

    address: str
    revision: str | None = None

    @property
    def stage(self) -> str | None:
        """The name of the stage that this is, if it is one."""
        return self.address[6:] if self.address.startswith("stage:") else None


@dataclass(frozen=True)
class Hole:
    """A value left to the search, one for each group of `per` layers; None is one for all."""

    low: float
    high: float
    start: float | None
    per: int | None = None


@dataclass(frozen=True)
class Curve:
    """Points along the depth of a blend, joined by straight lines."""

    points: tuple[float | Hole, ...]


@dataclass(frozen=True)
class Steps:
    """One value for each group of `per` layers."""

    values: tuple[float, ...]
    per: int


Value = float | int | bool | Curve | Hole | Steps


@dataclass(frozen=True)
class Regions:
    """One setting. None is as `rest`; of `layers`, the earlier range wins, and any of them over `kinds`."""

    rest: Value | None = None
    embed: Value | None = None
    norm: Value | None = None
    head: Value | None = None
    layers: tuple[tuple[int, int, Value], ...] = ()
    kinds: tuple[tuple[str, Value], ...] = ()  # of tensors in a layer: attention, mlp

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value that is written."""
        found = (
            self.rest,
            self.embed,
            self.norm,
            self.head,
            *(value for _, _, value in self.layers),
            *(value for _, value in self.kinds),
        )
        return tuple(value for value in found if value is not None)


Settings = tuple[tuple[str, Regions], ...]


@dataclass(frozen=True)
class Input:
    model: Model
    settings: Settings = ()


@dataclass(frozen=True)
class Blend:
    """Some layers of a part; `first` brings what stands before the layers, `last` what stands after."""

    part: str  # "language", "vision", "projector"
    method: str
    inputs: tuple[Input, ...]
    base: Model | None = None
    shared: Settings = ()
    span: tuple[int, int] | None = None  # None: the whole part
    first: bool = True
    last: bool = True
    union: bool = False  # embed and head have the tokens of all models


@dataclass(frozen=True)
class Hop:
    model: Model
    low: int
    high: int


@dataclass(frozen=True)
class Walk:
    begin: Model
    hops: tuple[Hop, ...]
    end: Model


@dataclass(frozen=True)
class Stage:
    """One merge or one route. The last stage of a plan is what is built."""

    name: str
    body: tuple[Blend, ...] | Walk


@dataclass(frozen=True)
class Task:
    """What a search is scored on."""

    name: str
    metric: str  # as a recipe names it
    weight: float = 1.0


@dataclass(frozen=True)
class Search:
    tasks: tuple[Task, ...]
    limit: int | None = None
    trials: int = 100
    sigma: float | None = None


@dataclass(frozen=True)
class Plan:
    stages: tuple[Stage, ...]
    dtype: str | None = None  # bf16, fp16, fp32
    search: Search | None = None


def models_of(stage: Stage) -> tuple[Model, ...]:
    """The models of a stage, the base first, each once."""
    if isinstance(stage.body, Walk):
        walk = stage.body
        return tuple(dict.fromkeys((walk.begin, *(hop.model for hop in walk.hops), walk.end)))
    bases = [blend.base for blend in stage.body if blend.base is not None]
    taken = [inner.model for blend in stage.body for inner in blend.inputs]
    return tuple(dict.fromkeys((*bases, *taken)))


def canonical(regions: Regions) -> Regions:
    """The same setting without what says nothing: so that two ways to write it become one."""
    quiet = regions.rest.points[0] if isinstance(regions.rest, Curve) else regions.rest
    runs: list[tuple[int, int, Value]] = []
    for low, high, value in sorted(_apart(regions.layers), key=lambda run: run[0]):
        if value == regions.rest:
            continue
        if runs and runs[-1][1] == low - 1 and runs[-1][2] == value:
            low = runs.pop()[0]
        runs.append((low, high, value))
    return replace(
        regions,
        embed=None if regions.embed == quiet else regions.embed,
        norm=None if regions.norm == quiet else regions.norm,
        head=None if regions.head == quiet else regions.head,
        layers=tuple(runs),
        kinds=tuple(sorted(pair for pair in regions.kinds if pair[1] != regions.rest)),
    )


def _apart(
    layers: tuple[tuple[int, int, Value], ...],
) -> list[tuple[int, int, Value]]:
    """Ranges that do not overlap; where two did, the earlier one has the layer."""
    found: list[tuple[int, int, Value]] = []
    for low, high, value in layers:
        pieces = [(low, high)]
        for a, b, _ in found:
            cut: list[tuple[int, int]] = []
            for x, y in pieces:
                cut += [(x, min(y, a - 1)), (max(x, b + 1), y)]
            pieces = [(x, y) for x, y in cut if x <= y]
        found += [(x, y, value) for x, y in pieces]
    return found
