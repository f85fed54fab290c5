"""M: differences are of relatives. What is known of ancestors comes from cards and a bundled table."""

from collections.abc import Iterator, Mapping

from merge_dsl.meaning.lineage import ancestors, identity
from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.parts import STACKS, leaves
from merge_dsl.meaning.recipe import BlendLine, KeepLine, Merge, Model, OriginRef, Recipe
from merge_dsl.meaning.stages import made_in
from merge_dsl.rules.checked import Checked, blends
from merge_dsl.space.layout import origins_of
from merge_dsl.text.diagnostics import Diagnostic, finding


def strangers(checked: Checked) -> Iterator[Diagnostic]:
    """M404: an ingredient that does not descend from the base, or shares no ancestor with another."""
    made = {stack: _made_of(checked.recipe, stack) for stack in STACKS}
    for _, _, line in blends(checked.recipe):
        stack = next((s for s in STACKS if _touches(line, s)), None)
        if stack is None:
            continue
        known = [METHODS[m.name] for m in line.methods if m.name in METHODS]
        end = bool(known) and all(m.blends == "models" and m.base == "required" for m in known)
        if line.base is not None and not end:
            yield from _from_base(checked, line, line.base, stack, made[stack])
        elif len(known) == len(line.methods) and all(m.blends == "models" for m in known):
            yield from _of_one_family(checked, line, stack)


def _touches(line: KeepLine | BlendLine, stack: str) -> bool:
    return any(leaf.startswith(f"{stack}.") for part in line.parts for leaf in leaves(part))


def _from_base(
    checked: Checked,
    line: BlendLine,
    base: OriginRef,
    stack: str,
    made: Mapping[str, frozenset[str]],
) -> Iterator[Diagnostic]:
    ancestor = checked.recipe.models.get(base.model)
    for take in line.takes:
        names = made.get(take.origin.model, {take.origin.model})
        for model in (checked.recipe.models.get(name) for name in sorted(names)):
            if model is None or ancestor is None or model.name == ancestor.name or model.difference:
                continue
            if not _strange(model, ancestor, stack):
                continue
            message = f"`{model.name}` does not descend from `{ancestor.name}`"
            help = "differences between strangers are noise; name the model that it was tuned from"
            yield finding("M404", take.origin.span, message, help)
            break


def _made_of(recipe: Recipe, stack: str) -> dict[str, frozenset[str]]:
    """Of each merge and route, the models that it makes a stack from, by way of earlier ones too."""
    found: dict[str, frozenset[str]] = {}
    for item in made_in(recipe):
        if isinstance(item, Merge):
            lines = [line for line in item.lines if _touches(line, stack)]
            named = {origin.model for line in lines for origin in origins_of(line)}
        else:
            named = {origin.model for origin in item.origins}
        behind = (found.get(name, frozenset()) for name in named)
        found[item.name] = frozenset(named & recipe.models.keys()).union(*behind)
    return found


def _strange(model: Model, base: Model, stack: str) -> bool:
    name = identity(base)
    family, complete = ancestors(model, stack)
    if name is not None and name in family:
        return False
    if name is not None and complete:
        return True
    if stack != "language" or model.facts is None or base.facts is None:
        return False
    kinds = (model.facts.text_type, base.facts.text_type)
    return None not in kinds and kinds[0] != kinds[1]


def _of_one_family(checked: Checked, line: BlendLine, stack: str) -> Iterator[Diagnostic]:
    known: list[tuple[OriginRef, frozenset[str]]] = []
    for origin in (*line.bases[-1:], *(take.origin for take in line.takes)):
        model = checked.recipe.models.get(origin.model)
        if model is None:
            continue
        family, complete = ancestors(model, stack)
        if not complete or not family:
            continue
        if known and not any(family & other for _, other in known):
            message = f"`{origin.model}` and `{known[0][0].model}` have no common ancestor"
            help = "the mean of strangers is worse than each of them"
            yield finding("M404", origin.span, message, help)
        known.append((origin, family))
