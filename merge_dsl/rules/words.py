"""M416: what `vocabulary = whole` and `union` need: tokenizers that can be taken or joined, and both ends of
the model; `whole` also eyes to move, and one tokenizer to take."""

from collections.abc import Iterator
from pathlib import Path

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine, Merge
from merge_dsl.meaning.stages import host_of
from merge_dsl.meaning.tokenizers import FILE, kind_in
from merge_dsl.rules.blends import word_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import origins_of
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import quoted

ENDS = ("language.embed", "language.head")


def changed(checked: Checked) -> Iterator[Diagnostic]:
    """M416: the result has another tokenizer than its host."""
    for merge in checked.recipe.merges.values():
        for word, check in (("whole", _whole), ("union", _union)):
            lines = [
                line
                for line in merge.lines
                if isinstance(line, BlendLine) and word_of(line, "vocabulary") == word
            ]
            name = host_of(merge)
            if lines and name is not None:
                span = next(a.span for a in lines[0].shared if a.name == "vocabulary")
                yield from check(checked, merge, lines, name, span)


def _whole(
    checked: Checked, merge: Merge, lines: list[BlendLine], name: str, span: Span
) -> Iterator[Diagnostic]:
    host = checked.recipe.source(name)
    if host is not None and host.facts is not None and not host.facts.sees:
        message = f"image tokens are moved over, and `{name}`, whose config the result has, sees"
        help = "write `vocabulary = union`, or keep `embed` and `head` from the model whose tokenizer the result shall have"
        yield finding("M416", span, f"{message} nothing", help)
        return
    yield from _ends(checked, merge, lines, span)
    donors = dict.fromkeys(o.model for line in lines for o in origins_of(line))
    donors.pop(name, None)
    if len(donors) != 1:
        there = f"there are {quoted(list(donors))}" if donors else "there is none"
        message = f"the tokenizer is that of the one model beside `{name}` here, and {there}"
        help = "take one model beside it" + (", or write `vocabulary = union`" if donors else "")
        yield finding("M416", span, message, help)
        return
    if checked.depth is not Depth.TEXT:
        yield from _tokenizers(checked, (name, *donors), span)


def _union(
    checked: Checked, merge: Merge, lines: list[BlendLine], name: str, span: Span
) -> Iterator[Diagnostic]:
    yield from _ends(checked, merge, lines, span)
    if checked.depth is Depth.TEXT:
        return
    names = tuple(dict.fromkeys((name, *(o.model for line in lines for o in origins_of(line)))))
    yield from _tokenizers(checked, names, span)
    first = None
    for model in names:
        folder = _folder(checked, model)
        kind = kind_in(folder) if folder is not None else None
        first = first or kind
        if kind != first and kind is not None:
            message = f"the tokenizer of `{model}` is {kind}, that of `{name}` {first}"
            host = checked.recipe.source(name)
            sees = host is not None and host.facts is not None and host.facts.sees
            help = "write `vocabulary = shared`" + (" or `whole`" if sees else "")
            yield finding("M416", span, f"{message}: they cannot be joined", help)
            return


def _ends(
    checked: Checked, merge: Merge, lines: list[BlendLine], span: Span
) -> Iterator[Diagnostic]:
    """Embedding and head have a row for each token, both of them."""
    host = checked.recipe.source(host_of(merge) or "")
    tied = host is not None and host.facts is not None and host.facts.tied is True
    named = {leaf for line in lines for part in line.parts for leaf in leaves(part)}
    for leaf in ENDS[: 1 if tied else 2]:
        if leaf not in named:
            message = f"`{leaf.partition('.')[2]}` would keep the rows of another vocabulary"
            yield finding("M416", span, message, "write one blend: `embed, head by …`")


def _tokenizers(checked: Checked, names: tuple[str, ...], span: Span) -> Iterator[Diagnostic]:
    for name in names:
        folder = _folder(checked, name)
        if folder is None or (folder / FILE).is_file():
            continue
        message = f"`{name}` has no tokenizer.json, so nobody can say which row is which token"
        help = "save its tokenizer with transformers, which writes tokenizer.json"
        yield finding("M416", span, message, help)


def _folder(checked: Checked, name: str) -> Path | None:
    model = checked.recipe.models.get(name)
    folder = model.folder if model is not None else None
    return folder if folder is not None and folder.is_dir() else None
