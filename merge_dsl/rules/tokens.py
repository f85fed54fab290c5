"""V: whether the result can be shown a picture: its image token, and the template it is asked by."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.files import TOKENIZER, bytes_of
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine, KeepLine, Merge, Model
from merge_dsl.meaning.stages import host_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import origins_of
from merge_dsl.text.diagnostics import Diagnostic, finding

TOKENS = (b'"<image>"', b'"<|image_pad|>"', b'"<image_soft_token>"', b'"<IMG_CONTEXT>"', b'"[IMG]"')
FILES = ("tokenizer.json", "added_tokens.json", "tokenizer_config.json")


def image_tokens(checked: Checked) -> Iterator[Diagnostic]:
    """V502: the embedding has a row for the token that stands for a picture."""
    for merge in checked.recipe.merges.values():
        host = checked.recipe.source(_projector(merge) or "")
        if host is None or host.facts is None or not host.facts.sees:
            continue
        for line in merge.lines:
            if not isinstance(line, KeepLine) or line.origin.model == host.name:
                continue
            named = [p for p in line.parts if "language.embed" in leaves(p)]
            model = checked.recipe.source(line.origin.model)
            if named and model is not None and _lacks(host, model):
                message = (
                    f"`{named[0].text}` comes from `{model.name}`, which has no `<image>` token"
                )
                help = f"keep `embed` and `head` from {host.name}"
                yield finding("V502", line.origin.span, message, help)


def _projector(merge: Merge) -> str | None:
    for line in reversed(merge.lines):
        if isinstance(line, KeepLine) and any("projector" in leaves(p) for p in line.parts):
            return line.origin.model
    return None


def _lacks(host: Model, model: Model) -> bool:
    """Whether a model has no image token: it has fewer rows than the host's, or no such word."""
    if model.facts is None or model.facts.sees or host.facts is None:
        return False
    token, rows = host.facts.image_token, model.facts.vocab
    if token is not None and rows is not None and token >= rows:
        return True
    words = _image_words(model)
    return words is not None and not words


def _image_words(model: Model) -> set[bytes] | None:
    """The image tokens that a tokenizer has; None where there is none to read."""
    texts = [_bytes(model.folder / name) for name in FILES] if model.folder else []
    known = [text for text in texts if text is not None]
    return {token for token in TOKENS if any(token in text for text in known)} if known else None


def _bytes(path: Path) -> bytes | None:
    try:
        return bytes_of(path, TOKENIZER)
    except OSError:
        return None


def outside(checked: Checked) -> Iterator[Diagnostic]:
    """V506: a model whose image token lies behind the end of its vocabulary."""
    for model in checked.recipe.models.values():
        facts = model.facts
        if facts is None or facts.image_token is None or facts.vocab is None or model.imported:
            continue
        if facts.cross_layers:
            continue  # mllama: its embedding has eight rows behind what its config calls vocabulary
        if facts.image_token >= facts.vocab:
            message = f"the image token of `{model.name}` is {facts.image_token}, and its last "
            message += f"token is {facts.vocab - 1}"
            help = "the first picture would stop the run; save the model with a larger embedding"
            yield finding("V506", model.address_span, message, help)


def templates(checked: Checked) -> Iterator[Diagnostic]:
    """V505: models that are blended were taught to be asked in different forms."""
    if checked.depth is Depth.TEXT:
        return
    template_of_model = cache(template_of)  # one model may be taken many times
    for merge in checked.recipe.merges.values():
        host = host_of(merge)
        if host is None:
            continue
        found: dict[bytes, str] = {}
        for line in merge.lines:
            if not isinstance(line, BlendLine):
                continue
            if not any("language.layers" in leaves(part) for part in line.parts):
                continue
            for take in (origin for origin in origins_of(line) if origin != line.base):
                model = checked.recipe.models.get(take.model)
                template = template_of_model(model) if model else None
                if template is None:
                    continue
                if found and template not in found:
                    other = next(iter(found.values()))
                    message = f"two chat templates, of `{other}` and `{take.model}`"
                    help = f"`{merge.name}` will use that of `{host}`"
                    yield finding("V505", take.span, message, help)
                found.setdefault(template, take.model)


def template_of(model: Model) -> bytes | None:
    """A model's chat template, blanks at the ends of lines aside; None without one."""
    if model.folder is None:
        return None
    text = _bytes(model.folder / "chat_template.jinja")
    if text is None:
        text = _named(model.folder / "chat_template.json")
    if text is None:
        text = _named(model.folder / "tokenizer_config.json")
    if text is None:
        return None
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return b"\n".join(lines)


def _named(path: Path) -> bytes | None:
    content = _bytes(path)
    if content is None or b'"chat_template"' not in content:
        return None
    try:
        found = json.loads(content)["chat_template"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found.encode("utf-8", "replace") if isinstance(found, str) else None
