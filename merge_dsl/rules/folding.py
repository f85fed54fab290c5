"""R: roads that cannot be stored as an ordinary checkpoint, or whose signal dies on the way.

A scale before a layer folds into that layer's last matrices, because each layer begins with a norm that
takes no notice of the scale of what it reads. It does not fold where layers disagree about positions or
norms, or where it is zero; at the first hop of a tied model it folds by untying it.
"""

from collections.abc import Iterator

from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.recipe import OriginRef, Recipe, Route
from merge_dsl.meaning.values import Expr, Network
from merge_dsl.rules.checked import Checked
from merge_dsl.rules.numbers import interval
from merge_dsl.space.lengths import lengths_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.road import every_hop, layers_of, stack_of
from merge_dsl.space.routes import is_of_pairs
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span

AGREE = {
    "rope_theta": "rope_theta {:.0f}",
    "sliding_window": "a sliding window of {}",
    "norm_eps": "a norm epsilon of {:g}",
}
SMALLEST = 0.01  # a scale below it leaves nothing of what came before


def exportable(checked: Checked) -> Iterator[Diagnostic]:
    """R605: a stock checkpoint has one notion of position and one epsilon for all its layers."""
    for route in checked.recipe.routes.values():
        first: dict[str, tuple[str, float]] = {}
        for origin in route.origins:
            facts = facts_of_walked(checked.recipe, origin.model)
            if facts is None or stack_of(checked.recipe, origin) != "language":
                continue
            for field, spoken in AGREE.items():
                value = getattr(facts, field)
                if value is None:
                    continue
                other, expected = first.setdefault(field, (origin.model, value))
                if value != expected:
                    one, another = _said(field, spoken, expected), _said(field, spoken, value)
                    message = f"{one} (`{other}`) against {another} (`{origin.model}`) on one road"
                    help = "no ordinary checkpoint can hold this walk: it is written with code of its own, "
                    help += "and opens with `trust_remote_code=True` alone"
                    yield finding("R605", origin.span, message, help)
                    break
            else:
                continue
            break


def _said(field: str, spoken: str, value: float) -> str:
    return "no sliding window" if (field, value) == ("sliding_window", 0) else spoken.format(value)


def facts_of_walked(recipe: Recipe, name: str) -> Facts | None:
    """Facts of a model, or of what a merge makes."""
    model = recipe.source(name)
    return model.facts if model else None


def first_hops(checked: Checked) -> Iterator[Diagnostic]:
    """R606: what enters the first hop is the embedding, which a tied model also speaks with."""
    for route in checked.recipe.routes.values():
        if not route.begins:
            continue
        facts = facts_of_walked(checked.recipe, route.begins[-1].model)
        scale = _first_scale(route)
        if facts is None or not facts.tied or scale is None:
            continue
        if any((low, high) != (1.0, 1.0) for _, low, high in interval(checked.recipe, scale)):
            message = f"the first hop is scaled, and `{route.begins[-1].model}` ties head to embed"
            help = "it is stored in the embedding, so the result gets a head of its own; or scale a later hop"
            yield finding("R606", scale.span, message, help)


def _first_scale(route: Route) -> Expr | None:
    begin = route.begins[-1].part if route.begins else None
    if begin is not None and begin.slices is not None:
        return None  # the first hop is one that `begin` pins, which has no scale
    if route.pool:
        line = route.setting("scale")
        if line is None or is_of_pairs(line) or isinstance(line.value, Network):
            return None  # the first hop arrives from no layer, and is not scaled
        return line.value
    hops = route.hops
    while hops:
        if hops[0].scale is not None:
            return hops[0].scale
        hops = hops[0].hops
    return None


def vanishing(checked: Checked) -> Iterator[Diagnostic]:
    """R607: a scale of nothing, or one that turns the signal around."""
    for route in checked.recipe.routes.values():
        values = [hop.scale for hop in every_hop(route.hops) if hop.scale is not None]
        line = route.setting("scale")
        for value in [*values, *([line.value] if line else [])]:
            for span, low, _ in interval(checked.recipe, value):
                if low < 0:
                    message = f"a scale of {low:g} turns the signal around"
                    yield finding("R607", span, message, "start it above zero, such as 0.5")
                elif low < SMALLEST:
                    message = f"a scale of {low:g} leaves nothing of what came before"
                    yield finding("R607", span, message, "start it higher, such as at 0.5")


def cross_attention(checked: Checked) -> Iterator[Diagnostic]:
    """V507: a layer that looks at the picture is told where it stands."""
    for route in checked.recipe.routes.values():
        for span, origin, place in _placed(checked, route):
            facts = facts_of_walked(checked.recipe, origin.model)
            if facts is None or not facts.cross_layers:
                continue
            behind = {n - before for before, n in enumerate(facts.cross_layers)}
            moved = [n for n, at in place if n in behind and at != n]
            if moved:
                message = f"layer {moved[0]} of `{origin.model}` stands behind one that looks at "
                help = "such a layer keeps its place: walk the layers before it once, in order"
                yield finding("V507", span, f"{message}the picture, and is moved", help)
                break


Placed = tuple[Span, OriginRef, list[tuple[int, int | None]]]


def _placed(checked: Checked, route: Route) -> Iterator[Placed]:
    """Each origin with its layers and where they stand; None where that is drawn."""
    try:
        recipe, road = checked.recipe, checked.road(route)
        if route.pool:
            for origin in route.pool:
                yield origin.span, origin, [(x.number, None) for x in layers_of(recipe, origin)]
            return
    except SpaceError:
        return
    at: int | None = 0
    for hop in route.hops:
        fixed = not hop.maybe and hop.repeat is None and hop.origin is not None
        for inner in every_hop((hop,)):
            if inner.origin is None:
                continue
            numbers = [layer.number for layer in road.layers[inner.span.start]]
            places = [None if at is None or not fixed else at + n for n in range(len(numbers))]
            yield inner.span, inner.origin, list(zip(numbers, places, strict=True))
        at = at + len(road.layers[hop.span.start]) if at is not None and fixed else None


def feature_layers(checked: Checked) -> Iterator[Diagnostic]:
    """V512: the projector reads a layer that is counted from the end; a longer tower moves it."""
    for route in checked.recipe.routes.values():
        walked = [o for o in route.origins if stack_of(checked.recipe, o) == "vision"]
        if not walked or not route.begins:
            continue
        facts = facts_of_walked(checked.recipe, route.begins[-1].model)
        if facts is None or facts.feature_layer is None or facts.vision_layers is None:
            continue
        try:
            lengths = lengths_of(checked.recipe, route, checked.road(route))
        except SpaceError:
            continue
        if not lengths or set(lengths) == {facts.vision_layers}:
            continue
        where = facts.feature_layer
        message = f"the projector reads layer {where} of {facts.vision_layers}; on this road "
        message += "that is another one"
        help = "what it reads then depends on the length of the walk, not on its layers"
        yield finding("V512", route.name_span, message, help)
