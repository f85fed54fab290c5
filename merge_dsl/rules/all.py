"""Every rule, in one list that can be read.

In: a recipe, right or wrong, and its text. Out: what is wrong with it, by place.
"""

from collections.abc import Callable, Iterator

from merge_dsl.rules import (
    benchmarks,
    blends,
    cost,
    data,
    della,
    folding,
    hops,
    kinds,
    licence,
    lineage,
    measuring,
    models,
    names,
    not_yet,
    options,
    parts,
    requires,
    routes,
    rows,
    sequence,
    space,
    style,
    tokens,
    towers,
    vision,
    waste,
    words,
)
from merge_dsl.rules.checked import Checked
from merge_dsl.text.diagnostics import Diagnostic, in_order, is_error

Rule = Callable[[Checked], Iterator[Diagnostic]]

FIRST: tuple[Rule, ...] = (
    names.unknown_names,
    names.unknown_parts,
    names.loose_words,
    names.defined_twice,
    names.methods,
    names.metrics,
    names.settings,
    names.blend_settings,
    names.files,
    names.imports,
    names.writes,
    kinds.bases,
    kinds.blend_values,
    options.settings,
    options.metric_settings,
    parts.parts_of_origins,
    parts.parts_of_roads,
    space.ranges,
    models.shapes,
    models.layers,
    models.vocabularies,
    models.base_again,
    models.missing_parts,
    models.unknown_models,
    vision.origins,
    data.disjoint,
    data.reported,
    data.subsets,
    cost.seeds,
    cost.budgets,
    not_yet.later,
    kinds.differences,
    della.densities,
    requires.requires,
    sequence.directions,
    sequence.weights,
    sequence.picks,
    sequence.aims,
    sequence.engines,
    waste.ignored,
    hops.values,
    hops.pairs,
    routes.complete,
    routes.endless,
    routes.empty,
    routes.never_walked,
    routes.turned_away,
    routes.walked_again,
    routes.layers_of_merges,
    folding.vanishing,
    folding.exportable,
    folding.first_hops,
    folding.cross_attention,
    folding.feature_layers,
    models.tensors,
    models.unknown_blocks,
    models.whole,
    lineage.strangers,
    tokens.image_tokens,
    tokens.outside,
    tokens.templates,
    words.changed,
    towers.addresses,
    towers.widths,
    towers.against_host,
    towers.activations,
    blends.options,
    blends.words,
    towers.without_projector,
    rows.there,
    rows.few,
    rows.shared,
    rows.languages,
    benchmarks.searched,
    benchmarks.seen,
    licence.clash,
    licence.pickles,
    licence.locked,
    style.snake_case,
)
# Each later stage needs what the one before it has checked: names and kinds, then groups.
STAGES: tuple[tuple[Rule, ...], ...] = (
    FIRST,
    (models.groups, space.lists, measuring.measured),
    (
        names.unused_models,
        space.searches,
        sequence.holes_left,
        waste.scales,
        waste.covered,
        cost.memory,
        requires.never_met,
        cost.hours,
    ),
)


# What must hold of the `let`s of a recipe before another one can use them.
OF_LETS: tuple[Rule, ...] = (names.unknown_names, kinds.blend_values, space.ranges)


def wrong_let(checked: Checked) -> Diagnostic | None:
    """The first error inside a `let` of a recipe that is imported."""
    spans = [let.span for let in checked.recipe.lets.values() if not let.imported]
    for found in (found for rule in OF_LETS for found in rule(checked)) if spans else ():
        inside = any(s.start <= found.span.start and found.span.end <= s.end for s in spans)
        if inside and is_error(found):
            return found
    return None


def run_rules(
    checked: Checked, stops: Callable[[Diagnostic], bool] = is_error
) -> tuple[Diagnostic, ...]:
    """Run every rule that this recipe is sound enough for; what `stops` says ends it."""
    found: list[Diagnostic] = []
    for stage in STAGES:
        found += [diagnostic for rule in stage for diagnostic in rule(checked)]
        if any(map(stops, found)):
            break
    return in_order(found)
