"""K: settings outside blends: of models, data, writes, searches, engines and metrics."""

import math
from collections.abc import Iterator

from merge_dsl.meaning import engines
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.settings import (
    budget_of,
    budget_options,
    number_of,
    rows_of,
    size_of,
    text_of,
)
from merge_dsl.rules.checked import Checked
from merge_dsl.text import tree
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.words import nearest, quoted

KINDS = {
    "real": "a number",
    "int": "a whole number",
    "text": "a text",
    "list": 'a list of texts, such as ["chartqa"]',
    "size": "a size, such as 4GiB",
    "rows": "rows, such as 0..199",
    "engine": "an engine, such as cma_es(sigma = 0.2)",
    "word": "a word",
}


def settings(checked: Checked) -> Iterator[Diagnostic]:
    """K203, K204, K205: settings of model, data, write, search and engines."""
    owners = {"model": engines.MODEL, "data": engines.DATA, "write": engines.WRITE}
    for written in checked.recipe.written:
        if written.owner.startswith("engine "):
            table = engines.ENGINES.get(written.owner.removeprefix("engine "), {})
        else:
            table = owners.get(written.owner, engines.SEARCH)
        option = table.get(written.name)
        if option is None:
            continue
        if option.kind == "budget":
            yield from _budget(written.value)
        else:
            yield from _option(written.name, option, written.value)


def _option(name: str, option: engines.Option, value: tree.Value) -> Iterator[Diagnostic]:
    number = number_of(value)
    text = text_of(value)
    right = {
        "real": number is not None,
        "int": isinstance(number, int),
        "text": text is not None,
        "word": text is not None,
        "list": isinstance(value, tree.Series) or text is not None,
        "size": size_of(value) is not None,
        "rows": rows_of(value) is not None,
        "engine": isinstance(value, tree.Call),
    }
    if not right[option.kind]:
        message = f"`{name}` is {KINDS[option.kind]}"
        if option.words:
            message = f"`{name}` is one of {quoted(option.words, 'or')}"
        yield finding("K205", value.span, message)
    elif option.words and text not in option.words:
        close = engines.ALSO_CALLED.get(text or "") or nearest(text or "", option.words)
        message = f"`{name}` is one of {quoted(option.words, 'or')}"
        yield finding("K205", value.span, message, f"did you mean `{close}`?" if close else None)
    elif number is not None and option.kind in ("real", "int"):
        below = option.low is not None and number < option.low
        above = option.high is not None and number > option.high
        if below or above:
            end = f"at least {option.low:g}" if below else f"at most {option.high:g}"
            yield finding("K204", value.span, f"`{name}` is {end}; {number:g} is outside")


def _budget(value: tree.Value) -> Iterator[Diagnostic]:
    wanted = "a budget is trials, generations or time"
    for option in budget_options(value):
        if budget_of(option) is not None:
            continue
        if isinstance(option, tree.Quantity):
            shown = f"{option.amount:g}{option.unit}"
            kind = "a size" if option.unit in engines.BYTES else "no limit"
            help = "write `200 trials` or `2h`"
            yield finding("K203", option.span, f"{wanted}; `{shown}` is {kind}", help)
        elif isinstance(option, tree.Number):
            message = f"{wanted}; `{option.text}` of what?"
            yield finding("K203", option.span, message, f"write `{option.text} trials`")
        else:
            yield finding("K203", option.span, wanted, "write `200 trials`, or `200 trials or 8h`")
    if all(budget_of(option) for option in budget_options(value)) and budget_of(value) is None:
        yield finding("K203", value.span, "the same limit is written twice", "keep one of them")


def metric_settings(checked: Checked) -> Iterator[Diagnostic]:
    """K205: a metric's setting is one of its words."""
    recipe = checked.recipe
    terms = [t for s in recipe.searches for o in s.objectives for t in o.terms]
    for term in terms + [t for report in recipe.reports for t in report.terms]:
        known = METRICS[term.metric].settings if term.metric in METRICS else {}
        for name, value, span in term.arguments:
            words = known.get(name or "")
            if words and text_of(value) not in words:
                message = f"`{name}` of `{term.metric}` is one of {quoted(words, 'or')}"
                yield finding("K205", span, message)
        if not math.isfinite(term.factor):
            yield finding("K204", term.span, "this weight is too large")
