"""M416: what `vocabulary = whole` needs: eyes to move, one tokenizer to take, and both ends of the model."""

from collections.abc import Iterator

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine, Merge
from merge_dsl.meaning.stages import host_of
from merge_dsl.rules.blends import word_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.layout import origins_of
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import quoted

ENDS = ("language.embed", "language.head")


def whole(checked: Checked) -> Iterator[Diagnostic]:
    """M416: another tokenizer is taken whole, by name, under the one model that sees."""
    for merge in checked.recipe.merges.values():
        lines = [
            line
            for line in merge.lines
            if isinstance(line, BlendLine) and word_of(line, "vocabulary") == "whole"
        ]
        name = host_of(merge)
        if not lines or name is None:
            continue
        span = next(a.span for a in lines[0].shared if a.name == "vocabulary")
        host = checked.recipe.source(name)
        if host is not None and host.facts is not None and not host.facts.sees:
            message = (
                f"image tokens are moved over, and `{name}`, whose config the result has, sees"
            )
            help = "keep `embed` and `head` from the model whose tokenizer the result shall have"
            yield finding("M416", span, f"{message} nothing", help)
            continue
        yield from _ends(checked, merge, lines, span)
        donors = dict.fromkeys(o.model for line in lines for o in origins_of(line))
        donors.pop(name, None)
        if len(donors) != 1:
            there = f"there are {quoted(list(donors))}" if donors else "there is none"
            message = f"the tokenizer is that of the one model beside `{name}` here, and {there}"
            yield finding("M416", span, message, "take one model beside it")
            continue
        if checked.depth is not Depth.TEXT:
            yield from _tokenizers(checked, (name, *donors), span)


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
        model = checked.recipe.models.get(name)
        folder = model.folder if model is not None else None
        if folder is None or not folder.is_dir() or (folder / "tokenizer.json").is_file():
            continue
        message = f"`{name}` has no tokenizer.json, so nobody can say which row is which token"
        help = "save its tokenizer with transformers, which writes tokenizer.json"
        yield finding("M416", span, message, help)
