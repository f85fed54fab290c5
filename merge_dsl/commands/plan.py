"""`awase plan RECIPE`: what a search of this recipe would be, before it begins."""

import argparse
import json

from merge_dsl.commands.common import DONE, loaded_recipe, target_of
from merge_dsl.meaning.recipe import Search
from merge_dsl.space.compile import Space
from merge_dsl.space.estimate import Estimate, estimate
from merge_dsl.space.genes import Gene
from merge_dsl.space.resolve import spoken
from merge_dsl.space.routes import RouteSpace, space_of


def run(args: argparse.Namespace) -> int:
    """Print the plan as text or as JSON."""
    _, recipe = loaded_recipe(args.recipe)
    target = target_of(recipe)
    space = space_of(recipe, target)
    cost = estimate(recipe, target, len(space.genes))
    if args.format == "json":
        print(json.dumps(as_json(space, cost), ensure_ascii=False, indent=2))
    else:
        print(as_text(space, cost, recipe.search_of(target)))
    return DONE


def as_json(space: Space | RouteSpace, cost: Estimate) -> dict[str, object]:
    """The contract: these keys, whatever the recipe."""
    return {
        "dimensions": len(space.genes),
        "genes": [
            {"name": g.name, "kind": g.kind, "low": g.low, "high": g.high, "start": g.start}
            for g in space.genes
        ],
        "trials": cost.trials,
        "generations": cost.generations,
        "memory_bytes": cost.memory_bytes,
        "disk_bytes": cost.disk_bytes,
    }


def as_text(space: Space | RouteSpace, cost: Estimate, search: Search | None) -> str:
    """The plan for people."""
    lines = [f"{space.recipe.name}: {space.target}, {len(space.genes)} dimensions"]
    width = max((len(gene.name) for gene in space.genes), default=0)
    lines += [f"  {gene.name:<{width}}  {_reach(gene)}" for gene in space.genes]
    if search is not None:
        trials = "as many trials as the time allows" if cost.trials is None else ""
        if cost.trials is not None:
            trials = f"{cost.trials} trials in {cost.generations} generations"
        if search.budget.seconds is not None:
            trials += f", at most {search.budget.seconds / 3600:g} h"
        lines.append(f"by {search.engine.name}: {trials}")
    lines.append(f"memory {_size(cost.memory_bytes)}, disk {_size(cost.disk_bytes)}")
    return "\n".join(lines)


def _reach(gene: Gene) -> str:
    if gene.options:
        return f"{' | '.join(map(spoken, gene.options))}, start {spoken(gene.start)}"
    log = "log " if gene.log else ""
    whole = "int " if gene.kind == "int" else ""
    step = f" step {gene.step:g}" if gene.step else ""
    return f"{log}{whole}{gene.low}..{gene.high}{step}, start {spoken(gene.start)}"


def _size(number: int | None) -> str:
    if number is None:
        return "unknown"
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
