"""V: a result that can see, speak, and has every part once."""

from collections.abc import Iterator

from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.parts import KINDS, ORDER, kind_of, layer_of, leaf_of, leaves
from merge_dsl.meaning.recipe import Merge
from merge_dsl.meaning.stages import host_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import Layout, layout_of
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.words import quoted

LANGUAGE = ("language.embed", "language.layers", "language.norm", "language.head")
VISION = ("vision.embed", "vision.layers")  # not every tower ends with a norm
SPOKEN = {"language.embed": "embed", "language.head": "head"}


def origins(checked: Checked) -> Iterator[Diagnostic]:
    """V501: every part of the result has an origin."""
    for merge in checked.recipe.merges.values():
        if not merge.lines:
            yield finding(
                "V501", merge.name_span, f"`{merge.name}` is empty", "add `keep … from …`"
            )
            continue
        named = {leaf for line in merge.lines for part in line.parts for leaf in leaves(part)}
        missing = [leaf for leaf in required(checked, merge) if leaf not in named]
        layout = layout_of(checked.recipe, merge)
        for name in _spoken(missing) + _holes_in_stacks(layout, missing):
            host = host_of(merge)
            help = f"add `keep {name} from {host}`" if host else f"add `keep {name} from …`"
            message = f"nothing says where {quoted([name])} comes from"
            yield finding("V501", merge.name_span, message, help)


def required(checked: Checked, merge: Merge) -> tuple[str, ...]:
    """The leaves that the result must have: those of the model whose projector, else embed, it has."""
    facts = _host_facts(checked, merge)
    named = {leaf for line in merge.lines for part in line.parts for leaf in leaves(part)}
    if facts is None:
        sees = bool(named & {"projector", "vision.embed", "vision.layers"})
        facts = Facts(sees=sees)
    wanted: list[str] = []
    if facts.sees:
        wanted += VISION
    if facts.sees and facts.speaks:
        wanted.append("projector")
    if facts.speaks:
        wanted += [leaf for leaf in LANGUAGE if leaf != "language.head" or not facts.tied]
    return tuple(leaf for leaf in ORDER if leaf in wanted)


def _host_facts(checked: Checked, merge: Merge) -> Facts | None:
    host = host_of(merge)
    model = checked.recipe.source(host) if host else None
    return model.facts if model else None


def _spoken(missing: list[str]) -> list[str]:
    names = []
    if set(VISION) <= set(missing):
        names.append("vision")
        missing = [leaf for leaf in missing if leaf not in VISION]
    if "language.head" in missing:
        missing = [leaf for leaf in missing if leaf != "language.norm"]
    return names + [SPOKEN.get(leaf, leaf) for leaf in missing]


def _holes_in_stacks(layout: Layout, missing: list[str]) -> list[str]:
    names = []
    for stack, height in layout.counts.items():
        leaf = f"{stack}.layers"
        covered = [unit for unit in layout.covered if leaf_of(unit) == leaf]
        if not covered or leaf in missing:
            continue
        kinds = KINDS if any(map(kind_of, covered)) else ("",)
        for kind in kinds:
            numbers = {n[1] for u in covered if kind_of(u) == kind and (n := layer_of(u))}
            left = sorted(set(range(height)) - numbers)
            name = f"{leaf}.{kind}" if kind else leaf
            if left:
                names.append(f"{name}[{', '.join(_runs(left))}]" if numbers else name)
    return names


def _runs(numbers: list[int]) -> list[str]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
