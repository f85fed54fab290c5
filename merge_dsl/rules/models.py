"""M: what configs and headers say about whether these models can be blended."""

from collections.abc import Iterator

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.parts import STACKS, PartRef, layer_of, leaves
from merge_dsl.meaning.recipe import BlendLine, Merge, OriginRef, Per
from merge_dsl.meaning.stages import host_of
from merge_dsl.rules.blends import word_of
from merge_dsl.rules.checked import Checked, blends
from merge_dsl.space.layout import origins_of
from merge_dsl.space.resolve import assignments_of
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import quoted

SHAPES = {
    "language": ("hidden", "intermediate", "heads", "head_dim", "layers"),
    "vision": ("vision_hidden", "vision_intermediate", "vision_heads", "vision_layers"),
}
POSITIONS = ("kv_heads", "rope_theta", "sliding_window")
SPOKEN = {
    "hidden": "hidden size {}",
    "intermediate": "intermediate size {}",
    "heads": "{} attention heads",
    "head_dim": "heads of width {}",
    "layers": "{} layers",
}


def shapes(checked: Checked) -> Iterator[Diagnostic]:
    """M401, M407, M408, M415: what is blended has one shape and one notion of position."""
    for _, _, line in blends(checked.recipe):
        touched = {leaf.partition(".")[0] for part in line.parts for leaf in leaves(part)}
        for stack in STACKS:
            if stack in touched:
                yield from _against_first(checked, line, stack)


def _against_first(checked: Checked, line: BlendLine, stack: str) -> Iterator[Diagnostic]:
    first: dict[str, tuple[str, float]] = {}  # field -> (model, value)
    layered = any(f"{stack}.layers" in leaves(part) for part in line.parts)
    for origin, facts in _known(checked, origins_of(line)):
        for field in (*SHAPES[stack], *(POSITIONS if stack == "language" else ())):
            if field not in SHAPES[stack][:1] and not layered:
                continue  # an embedding has a width, and nothing else of a layer
            value = getattr(facts, field)
            if value is None:
                continue
            other, expected = first.setdefault(field, (origin.model, value))
            if value == expected:
                continue
            yield _differs(field, (other, expected), (origin.model, value), origin.span)
            break


def _differs(
    field: str, first: tuple[str, float], second: tuple[str, float], span: Span
) -> Diagnostic:
    if field == "kv_heads":
        message = f"{first[1]} key-value heads (`{first[0]}`) against {second[1]} (`{second[0]}`)"
        return finding("M407", span, message, "these layers cannot be blended")
    if field == "rope_theta":
        message = (
            f"rope_theta {first[1]:.0f} (`{first[0]}`) against {second[1]:.0f} (`{second[0]}`)"
        )
        help = "the same tensors mean different positions; the result has the host's"
        return finding("M408", span, message, help)
    if field == "sliding_window":
        message = f"{_window(first[1])} (`{first[0]}`) against {_window(second[1])} (`{second[0]}`)"
        help = "these layers learnt to look back differently far; the result does as the host"
        return finding("M415", span, message, help)
    spoken = SPOKEN[field.removeprefix("vision_")].format(first[1])
    message = f"{spoken} (`{first[0]}`) against {second[1]} (`{second[0]}`)"
    return finding("M401", span, f"{message}: these parts cannot be blended")


def _window(tokens: float) -> str:
    return f"a window of {tokens:.0f} tokens" if tokens else "no sliding window"


def layers(checked: Checked) -> Iterator[Diagnostic]:
    """M402: a layer that a recipe names must exist; both ends of a range count."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            for part in line.parts:
                yield from _past_end(part, _known(checked, origins_of(line)))
        for part, line, origins in _at_parts(merge):
            known = _known(checked, origins) or _known(checked, origins_of(line))
            yield from _past_end(part, known, line)
    for route in checked.recipe.routes.values():
        for origin, facts in _known(checked, route.origins):
            if origin.part is not None:
                yield from _past_end(origin.part, [(origin, facts)])


def _at_parts(merge: Merge) -> Iterator[tuple[PartRef, BlendLine, tuple[OriginRef, ...]]]:
    """What stands behind an `at`, and the models that it is about."""
    for line in merge.lines:
        if not isinstance(line, BlendLine):
            continue
        of_one = {id(a): (take.origin,) for take in line.takes for a in take.settings}
        for assignment in assignments_of(line):
            for part in assignment.at or ():
                yield part, line, of_one.get(id(assignment), origins_of(line))


def _past_end(
    part: PartRef, known: list[tuple[OriginRef, Facts]], line: BlendLine | None = None
) -> Iterator[Diagnostic]:
    """One finding for each range, whichever of the models it is too long for."""
    named = leaves(part)
    if part.is_relative and line is not None:
        named = tuple(leaf for p in line.parts for leaf in leaves(p))
    for stack in STACKS:
        heights = {o.model: h for o, f in known if (h := f.height(stack)) is not None}
        if f"{stack}.layers" not in named or not heights or part.slices is None:
            continue
        height = min(heights.values())
        shortest = [name for name, own in heights.items() if own == height]
        for (low, high), span in zip(part.slices, part.slice_spans, strict=True):
            if low > high:
                message = "this range of layers runs backwards"
                yield finding("X301", span, message, None, Fix(span, f"{high}..{low}"))
            elif high >= height:
                has = f"{quoted(shortest)} {'has' if len(shortest) == 1 else 'have'}"
                message = f"{has} layers 0..{height - 1}; there is no layer {high}"
                last = f"{low}..{height - 1}" if low < height - 1 else f"{height - 1}"
                fix = Fix(span, last, safe=False)
                yield finding("M402", span, message, "both ends count", fix)


def groups(checked: Checked) -> Iterator[Diagnostic]:
    """M403: groups that do not come out even."""
    for merge in checked.recipe.merges.values():
        frame = checked.frame(merge)
        lines: list[tuple[Per | None, int]] = [
            (a.per, a.span.start)
            for line in merge.lines
            if isinstance(line, BlendLine)
            for a in assignments_of(line)
        ]
        lines += [(let.per, let.span.start) for let in checked.recipe.lets.values()]
        for per, start in lines:
            grouping = frame.groupings.get(start)
            if per is None or per.unit != "layers" or per.size < 2 or grouping is None:
                continue
            for stack in STACKS:
                found = (layer_of(unit) for unit in grouping.group)
                members = {layer for layer in found if layer and layer[0] == stack}
                left = len(members) % per.size
                if left == len(members) and left:
                    message = f"there are {left} layers, fewer than one group of {per.size}"
                    help = "leave `per` out for one draw for all layers, or make groups smaller"
                    yield finding("M403", per.span, message, help)
                elif left:
                    message = f"{len(members)} layers in groups of {per.size}"
                    yield finding("M403", per.span, f"{message}: the last group has {left}")


def vocabularies(checked: Checked) -> Iterator[Diagnostic]:
    """M405, M406: embeddings and heads are blended only where they are of one kind."""
    for merge, _, line in blends(checked.recipe):
        named = {leaf for part in line.parts for leaf in leaves(part)}
        if not named & {"language.embed", "language.head"}:
            continue
        known = _known(checked, origins_of(line))
        by_token = word_of(line, "vocabulary") is not None
        for field, code, spoken in (("vocab", "M405", "tokens"), ("tied", "M406", "")):
            if field == "vocab" and by_token:
                continue
            values = [(o, v) for o, f in known if (v := getattr(f, field)) is not None]
            for origin, value in values[1:]:
                if value == values[0][1]:
                    continue
                first = values[0][0].model
                if code == "M405":
                    message = (
                        f"{values[0][1]} {spoken} (`{first}`) against {value} (`{origin.model}`)"
                    )
                    help = f"{_ways(checked, merge)}, or keep `embed` and `head` from one of them"
                else:
                    ties, unties = (first, origin.model) if not value else (origin.model, first)
                    message = f"`{ties}` ties head to embed, `{unties}` does not"
                    help = "keep `embed` and `head` from one of them"
                yield finding(code, origin.span, message, help)
                break


def _ways(checked: Checked, merge: Merge) -> str:
    host = checked.recipe.source(host_of(merge) or "")
    sees = host is not None and host.facts is not None and host.facts.sees is True
    return "write `vocabulary = union`" + (", `shared` or `whole`" if sees else " or `shared`")


def tensors(checked: Checked) -> Iterator[Diagnostic]:
    """M413: layers that are blended hold the same tensors."""
    for _, _, line in blends(checked.recipe):
        if not any("language.layers" in leaves(part) for part in line.parts):
            continue
        known = [(o, f.layer_keys) for o, f in _known(checked, origins_of(line)) if f.layer_keys]
        for origin, keys in known[1:]:
            first, expected = known[0]
            left = sorted(expected ^ keys)
            if left:
                has, lacks = (first, origin) if left[0] in expected else (origin, first)
                more = f" and {len(left) - 1} more" if len(left) > 1 else ""
                message = f"the layers of `{has.model}` have `{left[0]}`{more}; `{lacks.model}`"
                help = "these layers are built differently and cannot be blended"
                yield finding("M413", origin.span, f"{message} has no such tensor", help)
                break


def unknown_blocks(checked: Checked) -> Iterator[Diagnostic]:
    """M414: weights in which no language layers are found."""
    taken = {
        origin.model
        for merge in checked.recipe.merges.values()
        for line in merge.lines
        if any(leaf.startswith("language.") for part in line.parts for leaf in leaves(part))
        for origin in origins_of(line)
    }
    taken |= {origin.model for r in checked.recipe.routes.values() for origin in r.origins}
    for model in checked.recipe.models.values():
        if model.name in taken and model.facts is not None and model.facts.readable is False:
            message = f"no language layers are found in the weights of `{model.name}`"
            help = "awase looks for `embed_tokens.weight`, and `layers.0` beside it"
            yield finding("M414", model.address_span, message, help)


def whole(checked: Checked) -> Iterator[Diagnostic]:
    """M401, M405, M406 between lines: embedding, layers and head of one result fit each other."""
    for merge in checked.recipe.merges.values():
        for field, needed in (("hidden", SPEAKING), ("vocab", ENDS), ("tied", ENDS)):
            first: tuple[OriginRef, object] | None = None
            for line in merge.lines:
                named = {leaf for part in line.parts for leaf in leaves(part)}
                if not named & set(needed):
                    continue
                if field == "vocab" and word_of(line, "vocabulary") is not None:
                    continue  # it has as many rows as the host, whoever is taken
                # What is inside one blend is compared by the other rules.
                for origin, facts in _known(checked, origins_of(line))[:1]:
                    value = getattr(facts, field)
                    if value is None:
                        continue
                    if first is None:
                        first = (origin, value)
                    elif value != first[1]:
                        yield _unlike(field, first, (origin, value))


SPEAKING = ("language.embed", "language.layers", "language.norm", "language.head")
ENDS = ("language.embed", "language.head")


def _unlike(
    field: str, first: tuple[OriginRef, object], second: tuple[OriginRef, object]
) -> Diagnostic:
    (one, left), (other, right) = first, second
    if field == "hidden":
        message = f"hidden size {left} (`{one.model}`) against {right} (`{other.model}`)"
        return finding("M401", other.span, f"{message}: these parts do not fit together")
    help = "keep `embed` and `head` from one of them"
    if field == "vocab":
        message = f"{left} tokens (`{one.model}`) against {right} (`{other.model}`)"
        return finding("M405", other.span, message, help)
    ties, unties = (one, other) if left else (other, one)
    message = f"`{ties.model}` ties head to embed, `{unties.model}` does not"
    return finding("M406", other.span, message, help)


def base_again(checked: Checked) -> Iterator[Diagnostic]:
    """M409: the difference of a model to itself is zero."""
    for _, _, line in blends(checked.recipe):
        for take in line.takes:
            if line.base is not None and take.origin.model == line.base.model:
                message = f"`{take.origin.model}` is base and ingredient"
                help = "its difference to itself is zero"
                yield finding("M409", take.origin.span, message, help)


def missing_parts(checked: Checked) -> Iterator[Diagnostic]:
    """M412: a model cannot give a part that it does not have."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            tops = dict.fromkeys(leaf.partition(".")[0] for p in line.parts for leaf in leaves(p))
            for origin, facts in _known(checked, origins_of(line)):
                for top in tops:
                    if not facts.has(top):
                        article = "projector" if top == "projector" else f"{top} part"
                        message = f"`{origin.model}` has no {article}"
                        yield finding("M412", origin.span, message)


def unknown_models(checked: Checked) -> Iterator[Diagnostic]:
    """M410: a model that is neither here nor in the table; most checks are silent about it."""
    if checked.depth is Depth.TEXT:
        return  # nothing was looked for
    used = {ref.name for ref in checked.recipe.references}
    for model in checked.recipe.models.values():
        if model.facts is None and model.problem is None and model.name in used:
            message = f"nothing is known of `{model.place}` until it is downloaded"
            yield finding("M410", model.address_span, message)


def _known(checked: Checked, origins: tuple[OriginRef, ...]) -> list[tuple[OriginRef, Facts]]:
    found = []
    for origin in origins:
        model = checked.recipe.source(origin.model)
        if model is not None and model.facts is not None:
            found.append((origin, model.facts))
    return found
