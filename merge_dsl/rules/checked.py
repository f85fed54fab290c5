"""What a rule is given, and what several rules ask of it."""

from collections.abc import Iterator

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.recipe import Assignment, BlendLine, Merge, Recipe, Route
from merge_dsl.meaning.values import Draw, Network, draws
from merge_dsl.space.lengths import Lengths
from merge_dsl.space.resolve import Frame, assignments_of, frame_of
from merge_dsl.space.road import Road, every_hop, road_of
from merge_dsl.text.source import Source, Span


class Checked:
    """A recipe, which may be wrong, and its text. `depth` says what a rule may read beyond them."""

    def __init__(self, source: Source, recipe: Recipe, depth: Depth = Depth.FACTS) -> None:
        self.source, self.recipe, self.depth = source, recipe, depth
        self.frames: dict[str, Frame] = {}
        self.roads: dict[str, Road] = {}
        self.known: list[tuple[Route, Road, Lengths]] | None = None  # for the rules of routes

    def frame(self, merge: Merge) -> Frame:
        """A merge laid out: once, however many rules ask."""
        if merge.name not in self.frames:
            self.frames[merge.name] = frame_of(self.recipe, merge)
        return self.frames[merge.name]

    def road(self, route: Route) -> Road:
        """A route laid out, once too. Raises SpaceError."""
        if route.name not in self.roads:
            self.roads[route.name] = road_of(self.recipe, route)
        return self.roads[route.name]

    def line(self, span: Span) -> int:
        """The number of the line on which something stands."""
        return self.source.line_column(span.start)[0]


def blends(recipe: Recipe) -> Iterator[tuple[Merge, int, BlendLine]]:
    """Every blend of a recipe, with its merge and the number of its line there."""
    for merge in recipe.merges.values():
        for number, line in enumerate(merge.lines):
            if isinstance(line, BlendLine):
                yield merge, number, line


def assignments(recipe: Recipe) -> Iterator[tuple[BlendLine, Assignment]]:
    """Every line of settings of every blend."""
    for _, _, line in blends(recipe):
        for assignment in assignments_of(line):
            yield line, assignment


def all_draws(recipe: Recipe) -> Iterator[Draw]:
    """Every hole of every `let` of this file, every blend and every route."""
    for let in recipe.lets.values():
        yield from draws(let.value) if not let.imported else ()
    for _, assignment in assignments(recipe):
        yield from draws(assignment.value)
    for route in recipe.routes.values():
        for hop in (hop for path in route.paths for hop in every_hop(path)):
            for value in (hop.repeat, hop.scale):
                yield from draws(value) if value is not None else ()
        for line in route.settings:
            yield from draws(line.value)
            if isinstance(line.value, Network) and line.value.problem is None:
                yield line.value.reach
