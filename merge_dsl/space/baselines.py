"""What one would blend without a search, from the same parents: the rivals that a search must beat.

In: any candidate of the recipe, and the name of its host. Out: named candidates in which every blend
is replaced by one that needs no tuning. The *host* is the one model whose config and projector the
child has; the other ingredients are *guests*, who share a weight evenly. Blends that are named after
a share of the host are left out where some blend has no host, or nobody else.

Where nothing but a tower is blended, its rival is the mean of all ingredients, the uniform soup (Wortsman et
al. 2022, arXiv:2203.05482), and each guest is asked in the place of the host's tower: alone it cannot be.
"""

from merge_dsl.meaning.methods import BLEND, METHODS
from merge_dsl.space.candidate import Blend, Candidate, Hop, Ingredient, Value, Walk
from merge_dsl.space.road import Layer
from merge_dsl.space.routes import RouteSpace

SEED = 0  # of the masks of the unsearched dare_ties


def baselines(candidate: Candidate, host: str) -> dict[str, Candidate]:
    """Name -> candidate, in the order in which a report shows them. `host` is a model's name."""
    table = {}
    shared = all(_guests(b, host) not in (0, len(b.ingredients)) for b in candidate.blends)
    least = 3 if shared else 2  # of the host and one guest it is `linear 1/2`
    if _is_of_towers(candidate) and all(len(b.ingredients) >= least for b in candidate.blends):
        table["uniform soup"] = _with(candidate, host, "soup", None)
    if shared:
        table["graft"] = _with(candidate, host, "linear", (0.0, 1.0))
        table["linear 1/2"] = _with(candidate, host, "linear", (0.5, 0.5))
        table["linear 3/4"] = _with(candidate, host, "linear", (0.25, 0.75))
    if all(blend.base is not None for blend in candidate.blends):
        table["task arithmetic"] = _with(candidate, host, "task_arithmetic", None)
        table["ties"] = _with(candidate, host, "ties", None)
        table["dare_ties"] = _with(candidate, host, "dare_ties", None)
    return table


def seated(candidate: Candidate, host: str) -> dict[str, Candidate]:
    """Guest -> the host with the guest's tower instead of its own, as far as the blends reach.

    Of candidates that blend a tower and nothing else, and of guests that each of their blends takes.
    """
    if not _is_of_towers(candidate):
        return {}
    return {guest: _only(candidate, host, guest) for guest in _in_all(candidate, host)}


def _is_of_towers(candidate: Candidate) -> bool:
    units = [unit for blend in candidate.blends for unit in blend.units]
    return bool(units) and all(unit.startswith("vision.") for unit in units)


def _in_all(candidate: Candidate, host: str) -> list[str]:
    """The guests that every blend takes, in the order of the first."""
    taken = [dict.fromkeys(i.origin.model for i in b.ingredients) for b in candidate.blends]
    return [name for name in taken[0] if name != host and all(name in some for some in taken)]


def _only(candidate: Candidate, host: str, guest: str) -> Candidate:
    blends = tuple(
        blend._replace(
            ingredients=tuple(i for i in blend.ingredients if i.origin.model == guest)[:1]
        )
        for blend in candidate.blends
    )
    return _with(candidate._replace(blends=blends), host, "linear", (0.0, 1.0))


def baselines_of_route(space: RouteSpace, start: Walk) -> dict[str, Walk]:
    """The road at the start of its holes, unscaled, and a frankenmerge: all layers, model by model.

    One that is a parent as it stands, or empty, is left out: parents are reported anyway.
    """
    layers: dict[Layer, None] = dict.fromkeys(
        [*space.road.first, *(place.layer for place in space.road.places)]
    )
    for some in space.road.layers.values():
        layers |= dict.fromkeys(some)
    layers |= dict.fromkeys(space.road.last)
    models = sorted({layer.model for layer in layers}, key=lambda model: model != start.begin)
    ordered = [
        Hop(layer.model, layer.number)
        for model in models
        for layer in sorted(layers, key=lambda layer: layer.number)
        if layer.model == model
    ]
    sources = {**space.recipe.models, **space.recipe.stages}
    places = {name: model.place for name, model in sources.items()}
    used = {start.begin, start.end, *models}
    found = {
        "road at its start": start._replace(
            hops=tuple(hop._replace(scale=1.0) for hop in start.hops)
        ),
        "frankenmerge": start._replace(
            hops=tuple(ordered), models={n: p for n, p in places.items() if n in used}
        ),
    }
    return {name: walk for name, walk in found.items() if len({h.model for h in walk.hops}) > 1}


def _guests(blend: Blend, host: str) -> int:
    return sum(item.origin.model != host for item in blend.ingredients)


def _with(
    candidate: Candidate, host: str, method: str, weights: tuple[float, float] | None
) -> Candidate:
    """Every blend by `method`; `weights` are totals of host and guests, None the method's defaults."""
    blends = tuple(_blend(blend, host, method, weights) for blend in candidate.blends)
    return candidate._replace(blends=blends)


def _blend(blend: Blend, host: str, method: str, weights: tuple[float, float] | None) -> Blend:
    signature = METHODS[method]
    width = len(blend.units)
    guests = _guests(blend, host)

    def settings(item: Ingredient) -> dict[str, tuple[Value, ...]]:
        values = {
            name: setting.default
            for name, setting in signature.settings.items()
            if setting.scope == "ingredient" and setting.default is not None
        }
        if weights is not None:
            is_guest = item.origin.model != host
            count = guests if is_guest else len(blend.ingredients) - guests
            values["weight"] = weights[is_guest] / count
        return {name: (value,) * width for name, value in values.items()}

    shared = {
        name: (setting.default,) * width
        for name, setting in signature.settings.items()
        if setting.scope == "shared" and setting.default is not None
    }
    shared |= {name: blend.settings[name] for name in BLEND if name in blend.settings}
    return blend._replace(
        method=method,
        base=blend.base if signature.base != "refused" else None,
        ingredients=tuple(Ingredient(item.origin, settings(item)) for item in blend.ingredients),
        settings=shared,
        seed=SEED if signature.random else None,
    )
