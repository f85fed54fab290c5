"""V: towers that do not fit each other, or the projector that reads them."""

import json
from collections.abc import Iterator
from pathlib import Path

from merge_dsl.meaning.clip import problem_of
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.files import bytes_of
from merge_dsl.meaning.lineage import ancestors
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine, KeepLine, Merge, OriginRef
from merge_dsl.meaning.stages import host_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import origins_of
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding

CLIP_MEAN, CLIP_STD = (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)  # open_clip's own
PIXELS = ("preprocessor_config.json", "processor_config.json")


def addresses(checked: Checked) -> Iterator[Diagnostic]:
    """N108 for `open_clip:` towers: an architecture and a tag that open_clip has."""
    for model in checked.recipe.models.values():
        if model.place.scheme != "open_clip" or model.imported or checked.depth is Depth.TEXT:
            continue
        problem = problem_of(model.place.address)
        if problem is not None:
            yield finding("N108", model.address_span, *problem)


def widths(checked: Checked) -> Iterator[Diagnostic]:
    """V503: as many numbers leave the tower as the projector reads, and so on to the language."""
    for merge in checked.recipe.merges.values():
        host, facts = _projector(checked, merge)
        if host is None or facts is None:
            continue
        for origin, tower in _origins(checked, merge, "vision.layers"):
            reads, gives = _reads(facts), tower.vision_hidden
            if reads is not None and gives is not None and reads != gives:
                message = (
                    f"the projector of `{host}` reads {reads} features; `{origin.model}` gives"
                )
                help = f"keep `projector` from a model with a tower of width {gives}"
                yield finding("V503", origin.span, f"{message} {gives}", help)
        for origin, language in _origins(checked, merge, "language.layers"):
            gives = facts.projector_out or facts.hidden
            if gives is not None and language.hidden is not None and gives != language.hidden:
                message = (
                    f"the projector of `{host}` gives {gives} features; `{origin.model}` reads"
                )
                help = f"keep `projector` from a model of hidden size {language.hidden}"
                yield finding("V503", origin.span, f"{message} {language.hidden}", help)


def _reads(facts: Facts) -> int | None:
    """Features of one tower layer. A projector that reads several layers has a multiple of them."""
    own, width = facts.vision_hidden, facts.projector_in
    return own if width is None or (own and width % own == 0) else width


def against_host(checked: Checked) -> Iterator[Diagnostic]:
    """M413, V504, V508, V509, V510: towers that are mixed see pictures of one kind in one way."""
    for merge in checked.recipe.merges.values():
        lines = {
            origin.span.start: line
            for line in merge.lines
            if _names(line, "vision.embed")
            for origin in origins_of(line)
        }
        towers = _origins(checked, merge, "vision.layers")
        host = host_of(merge)
        own = checked.recipe.source(host) if host else None
        if own is not None and own.facts is not None and own.facts.sees:
            towers.insert(0, (OriginRef(own.name, None, True, own.span), own.facts))
        for origin, facts in towers[1:]:
            if origin.model != towers[0][0].model:
                line = lines.get(origin.span.start)
                yield from _pair(checked, towers[0], (origin, facts), line)


Known = tuple[OriginRef, Facts]


def _pair(
    checked: Checked, first: Known, second: Known, line: KeepLine | BlendLine | None
) -> Iterator[Diagnostic]:
    """`line` is the one that takes the second's embedding, where its positions are."""
    (one, facts), (origin, other) = first, second
    yield from _grids(first, second, line)
    left_keys, right_keys = facts.vision_keys, other.vision_keys
    unlike = left_keys ^ right_keys if left_keys and right_keys and line is not None else None
    if unlike:
        lone = min(unlike)
        has, lacks = (one, origin) if lone in (left_keys or ()) else (origin, one)
        message = f"the tower of `{has.model}` has `{lone}`; that of `{lacks.model}` has no such"
        help = "these towers are built differently: keep `projector` from the model that the tower came with"
        yield finding("M413", origin.span, f"{message} tensor", help)
    if facts.layer_scale is False and other.layer_scale:
        message = (
            f"`{origin.model}` scales what its layers add; `{one.model}` has no place for that"
        )
        yield finding("V508", origin.span, message, "take a tower without layer scale")
    if facts.vision_act and other.vision_act and facts.vision_act != other.vision_act:
        message = f"{facts.vision_act} (`{one.model}`) against {other.vision_act} "
        help = "weights tuned for one activation mean something else under the other"
        quick = "quick_gelu" in (facts.vision_act, other.vision_act)
        level = Severity.ERROR if quick else None  # the two kinds of GELU differ by 1e-4
        yield finding("V509", origin.span, f"{message}(`{origin.model}`)", help, severity=level)
    left, right = _pixels(checked, one.model), _pixels(checked, origin.model)
    if line is not None and left and right and left != right:
        message = f"`{one.model}` and `{origin.model}` normalise pictures differently"
        help = f"mean and deviation {_shown(left)} against {_shown(right)}; they are folded into "
        yield finding("V510", origin.span, message, f"{help}the patch embedding of the second")


def _grids(first: Known, second: Known, line: KeepLine | BlendLine | None) -> Iterator[Diagnostic]:
    (one, facts), (origin, other) = first, second
    for field, what in (("patch_size", "patch size"), ("image_size", "image size")):
        left, right = getattr(facts, field), getattr(other, field)
        if None in (left, right) or left == right:
            continue
        message = f"{what} {left} (`{one.model}`) against {right} (`{origin.model}`)"
        if line is None:  # its layers read the embedding of another
            help = "the same picture is cut into other patches"
            yield finding("V504", origin.span, message, help)
        elif field == "patch_size":
            help = f"keep `vision.embed` from `{one.model}`, which cuts other patches"
            yield finding("V504", origin.span, message, help, severity=Severity.ERROR)
        elif not isinstance(line, BlendLine) or not any(a.name == "resize" for a in line.shared):
            help = "write `resize = bicubic` in a blend: positions are of one grid"
            yield finding("V504", origin.span, message, help, severity=Severity.ERROR)
        return


def activations(checked: Checked) -> Iterator[Diagnostic]:
    """V509 for language models."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            if not isinstance(line, BlendLine) or not _names(line, "language.layers"):
                continue
            known = [(o, f.act) for o, f in _facts(checked, origins_of(line)) if f.act]
            for origin, act in known[1:]:
                if act != known[0][1]:
                    message = f"{known[0][1]} (`{known[0][0].model}`) against {act} "
                    help = "weights tuned for one activation mean something else under the other"
                    yield finding("V509", origin.span, f"{message}(`{origin.model}`)", help)
                    break


def _pixels(checked: Checked, name: str) -> tuple[tuple[float, ...], ...] | None:
    """Mean and deviation by which a model's pictures are normalised; None where nobody says."""
    model = checked.recipe.models.get(name)
    clip = _read(model.folder / "open_clip_config.json") if model and model.folder else {}
    cfg = clip.get("preprocess_cfg")
    if isinstance(cfg, dict):
        return _numbers(cfg.get("mean")) or CLIP_MEAN, _numbers(cfg.get("std")) or CLIP_STD
    for file in PIXELS if model and model.folder else ():
        found = _read(Path(model.folder, file)) if model and model.folder else {}
        inner = found.get("image_processor")
        table = inner if isinstance(inner, dict) else found
        mean, deviation = _numbers(table.get("image_mean")), _numbers(table.get("image_std"))
        if mean and deviation:
            return mean, deviation
    return None


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(x, int | float) for x in value):
        return ()
    return tuple(round(float(x), 4) for x in value)


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(bytes_of(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _shown(pixels: tuple[tuple[float, ...], ...]) -> str:
    return " / ".join(f"{values[0]:g}" for values in pixels if values)


def without_projector(checked: Checked) -> Iterator[Diagnostic]:
    """V511: a projector was tuned for one tower; another under it, unless a relative, speaks to nobody."""
    for merge in checked.recipe.merges.values():
        host, _ = _projector(checked, merge)
        for line in merge.lines:
            if host is None or not _names(line, "vision.layers"):
                continue
            models = {origin.model for origin in origins_of(line)}
            if host not in models and not _are_relatives(checked, host, models):
                message = f"the projector is `{host}`'s, and this tower is not"
                help = f"blend the tower with `{host}.vision`, or keep both from one model"
                yield finding("V511", line.span, message, help)


def _are_relatives(checked: Checked, host: str, models: set[str]) -> bool:
    """Whether each of these towers is known to have an ancestor in common with the host's."""
    families = []
    for name in (host, *sorted(models)):
        model = checked.recipe.models.get(name)
        families.append(ancestors(model, "vision")[0] if model is not None else frozenset())
    return all(families[0] & family for family in families[1:])


def _projector(checked: Checked, merge: Merge) -> tuple[str | None, Facts | None]:
    """The model that a projector is kept from."""
    for line in reversed(merge.lines):
        if isinstance(line, KeepLine) and _names(line, "projector"):
            model = checked.recipe.source(line.origin.model)
            return line.origin.model, model.facts if model else None
    return None, None


def _names(line: KeepLine | BlendLine, leaf: str) -> bool:
    return any(leaf in leaves(part) for part in line.parts)


def _origins(checked: Checked, merge: Merge, leaf: str) -> list[Known]:
    found = [o for line in merge.lines if _names(line, leaf) for o in origins_of(line)]
    return _facts(checked, tuple(found))


def _facts(checked: Checked, origins: tuple[OriginRef, ...]) -> list[Known]:
    found = [(o, checked.recipe.source(o.model)) for o in origins]
    return [(o, model.facts) for o, model in found if model is not None and model.facts]
