"""M: differences are of relatives. What is known of ancestors comes from cards and a bundled table."""

from collections.abc import Iterator

from merge_dsl.meaning.lineage import ancestors, identity
from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.parts import STACKS, leaves
from merge_dsl.meaning.recipe import BlendLine, Model, OriginRef
from merge_dsl.rules.checked import Checked, blends
from merge_dsl.text.diagnostics import Diagnostic, finding


def strangers(checked: Checked) -> Iterator[Diagnostic]:
    """M404: an ingredient that does not descend from the base, or shares no ancestor with another."""
    for _, _, line in blends(checked.recipe):
        stack = next((s for s in STACKS if _touches(line, s)), None)
        if stack is None:
            continue
        known = [METHODS[m.name] for m in line.methods if m.name in METHODS]
        end = bool(known) and all(m.blends == "models" and m.base == "required" for m in known)
        if line.base is not None and not end:
            yield from _from_base(checked, line, line.base, stack)
        elif len(known) == len(line.methods) and all(m.blends == "models" for m in known):
            yield from _of_one_family(checked, line, stack)


def _touches(line: BlendLine, stack: str) -> bool:
    return any(leaf.startswith(f"{stack}.") for part in line.parts for leaf in leaves(part))


def _from_base(
    checked: Checked, line: BlendLine, base: OriginRef, stack: str
) -> Iterator[Diagnostic]:
    ancestor = checked.recipe.models.get(base.model)
    for take in line.takes:
        model = checked.recipe.models.get(take.origin.model)
        if model is None or ancestor is None or model.name == ancestor.name or model.difference:
            continue
        if _strange(model, ancestor, stack):
            message = f"`{model.name}` does not descend from `{ancestor.name}`"
            help = "differences between strangers are noise; name the model that it was tuned from"
            yield finding("M404", take.origin.span, message, help)


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
