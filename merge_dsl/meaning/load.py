"""A path -> everything that is known about the recipe there.

In: a path, and what the caller says in place of the recipe's words. Out: `Loaded`: the text, the diagnostics by
place, and the recipe when none of them is an error.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from merge_dsl.meaning.check import check
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.recipe import Import, Recipe
from merge_dsl.rules.all import run_rules, wrong_let
from merge_dsl.rules.checked import Checked
from merge_dsl.text.allowances import allowances_of
from merge_dsl.text.codes import NEED_ROWS
from merge_dsl.text.diagnostics import Diagnostic, finding, has_errors, in_order, is_error
from merge_dsl.text.parse import parse
from merge_dsl.text.reading import read_source
from merge_dsl.text.source import Source, Span
from merge_dsl.text.tree import Tree, Use

NONE: Mapping[str, str] = {}
MANY = 1000  # names that one import may bring; imports of imports multiply them
Known = dict[Path, Recipe | Import]  # what was imported already, for a file is read once


class Loaded(NamedTuple):
    """A recipe as read. `recipe` is None where a diagnostic is an error."""

    source: Source
    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]


def load_recipe(
    path: Path,
    overrides: Mapping[str, str] = NONE,
    depth: Depth = Depth.FACTS,
    *,
    form: bool = False,
) -> Loaded:
    """Read, parse, bind and check a recipe. Never raises for what a user wrote."""
    source, found = read_source(Path(path))
    return load_source(source, overrides, found, depth, form=form)


def load_source(
    source: Source,
    overrides: Mapping[str, str] = NONE,
    found: list[Diagnostic] | None = None,
    depth: Depth = Depth.FACTS,
    *,
    form: bool = False,
) -> Loaded:
    """The same for a text that is already in memory. Its path says where addresses start.

    `form` also looks at the layout, which matters to whoever reads the text, not to who runs it.
    """
    diagnostics = list(found or [])
    if has_errors(diagnostics):
        return Loaded(source, None, in_order(diagnostics))
    parsed = parse(source)
    if parsed.tree is not None and overrides:
        from merge_dsl.meaning.instead import said_instead  # a lint does without

        source, problems = said_instead(source, parsed.tree, overrides)
        diagnostics += problems
        parsed = parse(source)
    diagnostics += parsed.diagnostics
    if parsed.tree is None or has_errors(diagnostics):
        return Loaded(source, None, in_order(diagnostics))
    if form:
        from merge_dsl.rules.form import formatted  # 2 ms that a run does not need

        diagnostics += formatted(source)
    allowed = allowances_of(source)

    def stops(diagnostic: Diagnostic) -> bool:
        return is_error(diagnostic) and not allowed.covers(diagnostic)

    try:
        recipe = _bind(parsed.tree, source, (Path(source.path).absolute(),), depth, {})
        diagnostics += run_rules(Checked(source, recipe, depth), stops)
    except RecursionError:
        message = "values are nested too deeply to be read"
        return Loaded(source, None, (finding("S001", Span(0, 0), message),))
    stopped = any(map(stops, diagnostics))

    def unseen(code: str) -> bool:
        return stopped or not _looked_for(code, recipe, depth)

    diagnostics = allowed.left(diagnostics, unseen)
    errors = has_errors(diagnostics)
    return Loaded(source, None if errors else recipe, in_order(diagnostics))


def _looked_for(code: str, recipe: Recipe, depth: Depth) -> bool:
    """Whether a rule could have found this: it needs rows for some codes, and facts for many."""
    if code in NEED_ROWS:
        return depth is Depth.DEEP
    known = depth is not Depth.TEXT and all(model.facts for model in recipe.models.values())
    return known or code.startswith(("S", "K", "F"))


def _bind(
    parsed: Tree, source: Source, above: tuple[Path, ...], depth: Depth, known: Known
) -> Recipe:
    imported: dict[str, Recipe | Import] = {}
    for item in parsed.items:
        if isinstance(item, Use):
            imported[item.address.value] = _import(item, source, above, depth, known)
    return check(parsed, source.folder, imported, depth)


def _import(
    item: Use, source: Source, above: tuple[Path, ...], depth: Depth, known: Known
) -> Recipe | Import:
    address = item.address.value

    def problem(code: str, message: str) -> Import:
        return Import("", address, item.span, item.address.span, (code, message))

    path = Path(source.folder, address.removeprefix("file:"))
    try:
        path = path.resolve()
    except (OSError, ValueError):
        return problem("N109", f"`{address}` is no path")
    if path in [other.resolve() for other in above]:
        through = " through ".join(f"`{other.name}`" for other in reversed(above[1:]))
        way = f" through {through}" if through else ""
        return problem("N105", f"`{path.name}` imports itself{way}")
    if path not in known:
        known[path] = _imported(path, address, above, depth, known, problem)
    found = known[path]
    if isinstance(found, Recipe) and len(found.models) + len(found.data) + len(found.lets) > MANY:
        return problem("N109", f"`{path.name}` brings more than {MANY} names")
    return found


def _imported(
    path: Path,
    address: str,
    above: tuple[Path, ...],
    depth: Depth,
    known: Known,
    problem: Callable[[str, str], Import],
) -> Recipe | Import:
    inner, found = read_source(path)
    if has_errors(found):
        return problem("N109", found[0].message)
    parsed = parse(inner)
    if parsed.tree is None:
        line, _ = inner.line_column(parsed.diagnostics[0].span.start)
        return problem("N109", f"{address} has a mistake on line {line}; lint it first")
    recipe = _bind(parsed.tree, inner, (*above, path), depth, known)
    for nested in recipe.imports:
        if nested.problem is not None:
            return problem(*nested.problem)
    wrong = wrong_let(Checked(inner, recipe, depth))
    if wrong is not None:
        line, _ = inner.line_column(wrong.span.start)
        return problem("N109", f"{address} has a mistake on line {line}: {wrong.message}")
    return recipe
