"""What a merge or a route makes, as something that later lines can take from.

In: a recipe, and the name of a merge or route in it. Out: a `Model` without a folder, whose facts are
those that its result will have: the config of its host, and layers counted from the lines themselves.
So each rule about models is a rule about stages, too.
"""

from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine, KeepLine, Merge, Model, OriginRef, Recipe, Route
from merge_dsl.meaning.values import Word
from merge_dsl.space.candidate import STAGE, Place
from merge_dsl.space.layout import counts_of, origins_of


def add_stages(recipe: Recipe) -> None:
    """Note the parents of each merge and route, and the facts of those that something takes from.

    In the order of the text, so that each is looked at once, however long the chain.
    """
    taken = {ref.name for ref in recipe.references if ref.noun in ("model", "walked")}
    for item in made_in(recipe):
        named = {origin.model for origin in sources_in(recipe, item.name)}
        behind = (recipe.parents.get(name, frozenset()) for name in named)
        recipe.parents[item.name] = frozenset(named & recipe.models.keys()).union(*behind)
        if item.name in taken and item.name not in recipe.models:
            facts = _merged(recipe, item) if isinstance(item, Merge) else _walked(recipe, item)
            recipe.stages[item.name] = Model(
                name=item.name,
                place=Place(STAGE, item.name),
                folder=None,
                facts=facts,
                span=item.span,
                name_span=item.name_span,
                address_span=item.name_span,
            )


def made_in(recipe: Recipe) -> list[Merge | Route]:
    """All merges and routes, in the order of the text."""
    made: list[Merge | Route] = [*recipe.merges.values(), *recipe.routes.values()]
    return sorted(made, key=lambda item: item.span.start)


def sources_in(recipe: Recipe, target: str) -> tuple[OriginRef, ...]:
    """Everything that a merge takes from or a route walks, in the order of the text."""
    if target in recipe.merges:
        return tuple(o for line in recipe.merges[target].lines for o in origins_of(line))
    return recipe.routes[target].origins if target in recipe.routes else ()


def needed(recipe: Recipe, target: str) -> tuple[str, ...]:
    """The merges and routes that a target is made from, each after those that it is made from."""
    wanted = {target}
    for item in reversed(made_in(recipe)):
        if item.name in wanted:
            wanted |= {origin.model for origin in sources_in(recipe, item.name)}
    return tuple(name for name in recipe.stages if name in wanted and name != target)


def host_of(merge: Merge) -> str | None:
    """The model whose config and processor the result has: the projector's, else the embedding's."""
    for leaf in ("projector", "language.embed", "vision.embed"):
        for line in reversed(merge.lines):
            if any(leaf in leaves(part) for part in line.parts):
                return _first_model(line)
    return _first_model(merge.lines[0]) if merge.lines else None


def _first_model(line: KeepLine | BlendLine) -> str | None:
    if isinstance(line, KeepLine):
        return line.origin.model
    if line.base is not None:
        return line.base.model
    return line.takes[0].origin.model if line.takes else None


def _merged(recipe: Recipe, merge: Merge) -> Facts:
    """The facts of a merge's result; what its host does not say is unknown."""
    host = recipe.source(host_of(merge) or "")
    facts = host.facts if host is not None and host.facts is not None else Facts()
    counts = counts_of(recipe, merge)
    named = {leaf for line in merge.lines for part in line.parts for leaf in leaves(part)}
    shared = [a for line in merge.lines if isinstance(line, BlendLine) for a in line.shared]
    words = {a.value.text for a in shared if a.name == "vocabulary" and isinstance(a.value, Word)}
    return facts._replace(
        vocab=None if words & {"whole", "union"} else facts.vocab,
        image_token=None if "whole" in words else facts.image_token,
        sees=bool(named & {"projector", "vision.embed", "vision.layers"}),
        speaks=any(leaf.startswith("language.") for leaf in named),
        layers=counts.get("language"),
        vision_layers=counts.get("vision"),
        difference=False,
    )


def _walked(recipe: Recipe, route: Route) -> Facts | None:
    """The facts of a road's result: those of the model that it begins with. Its length, if fixed."""
    from merge_dsl.space.lengths import lengths_of
    from merge_dsl.space.resolve import SpaceError
    from merge_dsl.space.road import road_of, stack_of

    host = recipe.source(route.begins[-1].model) if route.begins else None
    if host is None or host.facts is None:
        return None
    try:
        lengths = lengths_of(recipe, route, road_of(recipe, route)) or {}
    except SpaceError:
        lengths = {}
    length = next(iter(lengths)) if len(lengths) == 1 else None
    walked = [o for o in route.origins if o not in route.begins and o not in route.ends]
    facts = host.facts._replace(parameters=None, weight_bytes=None)
    if walked and stack_of(recipe, walked[0]) == "vision":
        return facts._replace(vision_layers=length)
    return facts._replace(layers=length)
