"""L: licences that clash, weights that can run code, and models that are not pinned."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.lineage import lineage_of
from merge_dsl.meaning.recipe import Model
from merge_dsl.meaning.settings import text_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.fill import models_of
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
NO_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")
# What a licence asks of a work that is made from others. Each class holds parts of slugs.
CLASSES: dict[str, tuple[str, ...]] = {
    "closed": ("-nd", "noderiv", "proprietary", "all-rights"),
    "research": ("-nc", "non-commercial", "noncommercial", "research", "msrl"),
    "alike": ("-sa", "gpl"),
    "named": ("llama", "gemma", "qwen-license", "tongyi", "falcon", "deepseek-license"),
    "free": ("apache", "mit", "bsd", "cc-by", "cc0", "unlicense", "wtfpl", "openrail", "isc"),
}


def clash(checked: Checked) -> Iterator[Diagnostic]:
    """L801: parents whose licences cannot be kept at once, or not under what the result claims."""
    claims = _claims(checked)
    targets = [*checked.recipe.merges, *checked.recipe.routes]
    told: set[tuple[str, str]] = set()
    for target in targets:
        known = [(m, s) for m in _parents(checked, target) if (s := licence_of(m))]
        for model, licence in known:
            kind = class_of(licence)
            if kind == "closed" and (model.name, "") not in told:
                told.add((model.name, ""))
                message = (
                    f"{licence} of `{model.name}` does not allow to publish what is made from it"
                )
                yield finding("L801", model.name_span, message, "choose another parent")
            claim = claims.get(target)
            if claim is not None and not may_become(licence, claim[0]):
                message = f"`{model.name}` is under {licence}; the result cannot be {claim[0]}"
                yield finding("L801", claim[1], message, f'write `licence = "{licence}"`')
        yield from _pairs(known, told)


def _pairs(known: list[tuple[Model, str]], told: set[tuple[str, str]]) -> Iterator[Diagnostic]:
    for number, (model, licence) in enumerate(known):
        for other, earlier in known[:number]:
            kinds = {class_of(licence), class_of(earlier)}
            strict = "alike" in kinds and kinds & {"research", "named"}
            both = kinds == {"alike"} and _stem(licence) != _stem(earlier)
            pair = (other.name, model.name)
            if (strict or both) and pair not in told:
                told.add(pair)
                message = f"{licence} (`{model.name}`) and {earlier} (`{other.name}`) cannot both "
                help = "one asks that the result be under it alone; choose another parent"
                yield finding("L801", model.name_span, f"{message}be kept", help)


def slug(licence: str) -> str:
    """`Microsoft Research License` -> microsoft-research-license."""
    return re.sub(r"[^a-z0-9.+]+", "-", licence.lower()).strip("-")


def class_of(licence: str) -> str | None:
    """What a licence asks; None where nobody knows."""
    text = f"-{slug(licence)}"
    return next((k for k, marks in CLASSES.items() if any(m in text for m in marks)), None)


def may_become(licence: str, result: str) -> bool:
    """Whether a work from a parent under `licence` may be given as `result`."""
    own, wanted = class_of(licence), class_of(result)
    if own in (None, "free") or wanted is None or slug(licence) == slug(result):
        return True
    if own == "research":
        return wanted == "research"
    return _stem(licence) == _stem(result)


def _stem(licence: str) -> str:
    return re.sub(r"[-\d.]+$", "", slug(licence).replace("-license", "").replace("-licence", ""))


def licence_of(model: Model) -> str | None:
    """As the recipe says, else the card, else the table. `other` says nothing."""
    if model.licence is not None:
        return model.licence
    lineage = lineage_of(model)
    found = lineage.licence if lineage else None
    return None if found in (None, "other", "unknown") else found


def _claims(checked: Checked) -> dict[str, tuple[str, Span]]:
    """The licence that each `write` gives its result, and where that stands."""
    found: dict[str, tuple[str, Span]] = {}
    for written in checked.recipe.written:
        if written.owner == "write" and written.name in ("licence", "license"):
            text = text_of(written.value)
            for write in checked.recipe.writes:
                if text and write.span.start <= written.span.start < write.span.end:
                    found[write.target] = (text, written.span)
    return found


def _parents(checked: Checked, target: str) -> list[Model]:
    return [checked.recipe.models[name] for name in models_of(checked.recipe, target)]


# ---- files ------------------------------------------------------------------


def pickles(checked: Checked) -> Iterator[Diagnostic]:
    """L802: weights that are Python objects, and no others beside them."""
    for model in checked.recipe.models.values():
        if model.folder is None or model.imported or checked.depth is Depth.TEXT:
            continue
        if model.reads_pickles:
            continue
        try:
            safe = any(model.folder.glob("*.safetensors"))
            files = [f.name for kind in PICKLES for f in sorted(model.folder.glob(kind))]
        except OSError:
            continue
        files = [name for name in files if name not in NO_WEIGHTS]
        if files and not safe:
            message = f"`{files[0]}` of `{model.name}` can run code when it is opened"
            help = "save it again as safetensors, or write `{ pickle = read }` behind the model"
            yield finding("L802", model.address_span, message, help)


def locked(checked: Checked) -> Iterator[Diagnostic]:
    """L803: a lock file stands beside the recipe, and a model from the hub is not in it."""
    path = Path(checked.source.path).with_suffix(".lock")
    models = [
        m for m in checked.recipe.models.values() if m.place.scheme == "hf" and not m.imported
    ]
    if checked.depth is Depth.TEXT or not models or not path.suffix:
        return
    table = read_lock(path)
    for model in models if table is not None else ():
        entry = (table or {}).get(str(model.place))
        if entry is None:
            message = f"`{model.name}` is not in `{path.name}`"
            yield finding("L803", model.address_span, message, "run `awase lock`")
        elif model.place.revision and _differ(model.place.revision, entry):
            message = f"`{model.name}` has revision {model.place.revision} here and "
            message += f"{entry.get('revision')} in `{path.name}`"
            yield finding("L803", model.address_span, message, "run `awase lock`")


def _differ(revision: str, entry: Mapping[str, Any]) -> bool:
    """Whether a commit is another one than the locked; a branch may stand for any."""
    locked = entry.get("revision")
    commit = re.fullmatch(r"[0-9a-f]{7,40}", revision)
    return isinstance(locked, str) and bool(commit) and not locked.startswith(revision)


def read_lock(path: Path) -> dict[str, Mapping[str, Any]] | None:
    """Source -> entry of a lock file; None without one that can be read."""
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        entries = models.values() if isinstance(models, dict) else models
        return {entry["source"]: entry for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
