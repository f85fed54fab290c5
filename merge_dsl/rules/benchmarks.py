"""D: benchmarks that are searched, and models that have seen what they are scored on."""

from collections.abc import Iterator

from merge_dsl.meaning.benchmarks import TRAINING, benchmark_of, same_data, slug, words
from merge_dsl.meaning.lineage import lineage_of
from merge_dsl.meaning.recipe import Data, Model
from merge_dsl.rules.checked import Checked
from merge_dsl.space.fill import models_of
from merge_dsl.space.measured import measured
from merge_dsl.text.diagnostics import Diagnostic, Severity, finding


def searched(checked: Checked) -> Iterator[Diagnostic]:
    """D703: a public benchmark that a search looks at, or that a parent is measured on."""
    recipe = checked.recipe
    terms = (t for s in recipe.searches for o in s.objectives for t in o.terms)
    looks = [(term.data, term.span, "searched directly", "search") for term in terms]
    looks += [
        (m.data, m.span, f"and decides the weights of `{m.merge}`", "measure")
        for m in measured(recipe)
    ]
    told: set[str] = set()
    for name, span, how, verb in looks:
        data = recipe.data.get(name)
        if data is None or name in told or not _is_test(data):
            continue
        told.add(name)
        split = f" {data.split}" if data.split else ""
        message = f"`{data.place.address.rpartition('/')[2]}`{split} is a public benchmark, {how}"
        help = f"{verb} on its training rows, or on data of your own"
        yield finding("D703", span, message, help)


def _is_test(data: Data) -> bool:
    """Whether these are the test rows of a benchmark. A file must say `test` itself."""
    if data.place.scheme == "hf":
        public = benchmark_of(data.place.address) is not None
        return public and not (data.split and set(words(data.split)) & set(TRAINING))
    if data.place.scheme != "file" or data.split in TRAINING:
        return False
    name = data.place.address.replace("\\", "/").rpartition("/")[2]
    return benchmark_of(name) is not None and "test" in words(name)


def seen(checked: Checked) -> Iterator[Diagnostic]:
    """D704: a score on rows that a parent was trained on says nothing.

    An error where the recipe says so itself; what cards and the table say is no more than a warning.
    """
    told: set[tuple[str, str]] = set()
    for report in checked.recipe.reports:
        models = [checked.recipe.models[n] for n in _models(checked, report.target)]
        for term in report.terms:
            data = checked.recipe.data.get(term.data)
            for model in models if data else ():
                found = _overlap(model, data) if data else None
                if data is None or found is None or (model.name, data.name) in told:
                    continue
                told.add((model.name, data.name))
                name, certain = found
                message = f"`{model.name}` was trained on {name}; its score there says nothing"
                help = "report on data that no parent has seen"
                level = None if certain else Severity.WARNING
                yield finding("D704", term.span, message, help, severity=level)


def _models(checked: Checked, target: str) -> tuple[str, ...]:
    known = target in checked.recipe.merges or target in checked.recipe.routes
    return models_of(checked.recipe, target) if known else ()


def _overlap(model: Model, data: Data) -> tuple[str, bool] | None:
    lineage = None if model.trained_on else lineage_of(model)
    for name in model.trained_on or (lineage.trained_on if lineage else ()):
        same = same_data(name, data.place.address.removesuffix(".jsonl"))
        own = slug(name) == slug(data.name.rpartition(".")[2])
        if same or own:
            return name, bool(model.trained_on)
    return None
