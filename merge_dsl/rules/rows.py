"""D: what the rows of data say, in number and in content."""

from collections.abc import Iterator
from pathlib import Path

from merge_dsl.meaning.contents import Contents, contents_of
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.recipe import Data, Search, Term
from merge_dsl.meaning.rows import Row, RowsError, count_of, digest_of, rows_of
from merge_dsl.rules.checked import Checked
from merge_dsl.space.measured import measured
from merge_dsl.text.diagnostics import Diagnostic, Fix, Severity, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import counted, nearest, quoted

COARSEST = 10.0  # points by which one answer may move a score
CAPTIONS = 50  # pictures under which CIDEr's document frequencies mean little
REFERENCES = ("answer", "answers", "caption", "captions", "reference", "references")


def there(checked: Checked) -> Iterator[Diagnostic]:
    """N101, K204: a split, and rows, that a local table does not have."""
    known: dict[Path, Contents | None] = {}  # several names often share a file
    for data in checked.recipe.data.values() if checked.depth is not Depth.TEXT else ():
        if data.path is None or data.imported or not (data.split or data.rows):
            continue
        if data.path not in known:
            known[data.path] = contents_of(data.path, checked.depth is Depth.DEEP)
        contents = known[data.path]
        if contents is None:
            continue
        splits = contents.splits
        if data.split is not None and splits is not None and data.split not in splits:
            yield _no_split(checked, data, data.split, list(splits))
        else:
            yield from _beyond(checked, data, contents)


def _no_split(checked: Checked, data: Data, split: str, known: list[str]) -> Diagnostic:
    value = _value(checked, data, "split")
    if not known:
        message = f"`{data.place}` has no column `split`, so no split `{split}`"
        help = "leave it out, or choose rows with `rows = 0..99`"
        return finding("N101", value, message, help)
    close = nearest(split, known)
    meant = f"; did you mean `{close}`?" if close else ""
    fix = Fix(value, f'"{close}"', safe=False) if close else None
    help = f"its splits are {quoted(sorted(known))}"
    return finding("N101", value, f"`{data.place}` has no split `{split}`{meant}", help, fix)


def _beyond(checked: Checked, data: Data, contents: Contents) -> Iterator[Diagnostic]:
    count, what = contents.rows, f"`{data.place}` has"
    own = contents.splits.get(data.split) if contents.splits and data.split else None
    if own is not None:
        count, what = own, f"split `{data.split}` has"
    last = max((high for _, high in data.rows or ()), default=0)
    if last >= count:
        message = f"row {last} is asked for, and {what} {counted(count, 'row')}"
        help = f"rows are counted from 0, so the last is {count - 1}"
        yield finding("K204", _value(checked, data, "rows"), message, help)


def _value(checked: Checked, data: Data, name: str) -> Span:
    """Where a setting of a data block stands."""
    for setting in checked.recipe.written:
        inside = data.span.start <= setting.span.start < data.span.end
        if inside and (setting.owner, setting.name) == ("data", name):
            return setting.value.span
    return data.name_span


def few(checked: Checked) -> Iterator[Diagnostic]:
    """D705, D708: so few rows that one answer, or one rare word, decides."""
    seen: set[str] = set()
    for _, term in _searched(checked):
        data = checked.recipe.data.get(term.data)
        count = _count(checked, data) if data else None
        if data is None or not count:
            continue
        moved = 100 / count
        if moved > COARSEST and term.data not in seen and term.metric in METRICS:
            seen.add(term.data)
            message = f"{counted(count, 'row')}: one answer moves the score by {moved:.3g} points"
            yield finding("D705", term.span, message, "search on a hundred rows or more")
        if term.metric == "cider" and count < CAPTIONS:
            message = f"CIDEr weighs words by how rare they are, and {count} pictures cannot tell"
            help = f"search on {CAPTIONS} pictures or more, or by `rouge_l`"
            yield finding("D708", term.span, message, help)


def _count(checked: Checked, data: Data) -> int | None:
    if checked.depth is Depth.TEXT:
        return sum(high - low + 1 for low, high in data.rows) if data.rows else None
    return count_of(data)


def _searched(checked: Checked) -> list[tuple[Search, Term]]:
    searches = checked.recipe.searches
    return [(s, term) for s in searches for o in s.objectives for term in o.terms]


def shared(checked: Checked) -> Iterator[Diagnostic]:
    """D702, with `--deep`: the same row under two names."""
    if checked.depth is not Depth.DEEP:
        return
    digests: dict[str, set[str]] = {}
    unread: set[str] = set()
    reported = {term.data for report in checked.recipe.reports for term in report.terms}
    done: set[str] = set()
    looks = [(term.data, term.span) for _, term in _searched(checked)]
    looks += [(m.data, m.span) for m in measured(checked.recipe)]
    for seen, span in looks:
        if seen in done:
            continue
        done.add(seen)
        for name in (seen, *sorted(reported)):
            data = checked.recipe.data.get(name)
            if data is None or name in digests or name in unread:
                continue
            try:
                digests[name] = {digest_of(row) for row in rows_of(data)}
            except RowsError as error:
                unread.add(name)
                message = f"the rows of `{name}` were not compared: {error}"
                yield finding("D702", data.address_span, message, severity=Severity.NOTE)
        for name in sorted(reported - {seen}):
            both = digests.get(seen, set()) & digests.get(name, set())
            if both:
                of = len(digests[seen])
                rows = "row is" if of == 1 else "rows are"
                message = f"{len(both)} of {of} {rows} also in `{name}`, which is reported"
                help = f"take them out of `{seen}`, or search on other rows"
                yield finding("D702", span, message, help)


def languages(checked: Checked) -> Iterator[Diagnostic]:
    """D709, with `--deep`: an answer must be in Japanese, and no reference is."""
    if checked.depth is not Depth.DEEP:
        return
    terms = [term for _, term in _searched(checked)]
    terms += [term for report in checked.recipe.reports for term in report.terms]
    for term in terms:
        data = checked.recipe.data.get(term.data)
        if data is None or term.settings.get("language") != "ja":
            continue
        try:
            texts = [text for row in rows_of(data) for text in _references(row)]
        except RowsError:
            continue
        if texts and not any(map(is_japanese, texts)):
            message = f"only Japanese answers count, and no reference of `{data.name}` is Japanese"
            yield finding("D709", term.span, message, "write `language = any`, or leave it out")


def _references(row: Row) -> Iterator[str]:
    for name in REFERENCES:
        value = row.get(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield item


def is_japanese(text: str) -> bool:
    """Whether a text has kana or kanji."""
    return any("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in text)
