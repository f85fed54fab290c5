"""N and K: what a `require` line compares."""

from collections.abc import Iterator

from merge_dsl.meaning.engines import BYTES
from merge_dsl.meaning.recipe import Recipe, Require
from merge_dsl.meaning.requires import QUANTITIES, SIZES, holds, names_in
from merge_dsl.rules.checked import Checked
from merge_dsl.space.required import quantities_of_merge, requires_of
from merge_dsl.text import tree
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.words import nearest, quoted


def requires(checked: Checked) -> Iterator[Diagnostic]:
    """N101, K205: a requirement compares quantities that there are, and of one kind."""
    for owner, require in every_require(checked.recipe):
        yield from _names(checked.recipe, owner, require)
        yield from _kinds(checked.recipe, require)


def never_met(checked: Checked) -> Iterator[Diagnostic]:
    """K213: the candidates of a merge are of one size, which a requirement allows or not."""
    recipe = checked.recipe
    for name in recipe.merges:
        known = quantities_of_merge(recipe, name)
        for require in requires_of(recipe, name):
            if holds(require, known) is not False:
                continue
            named = [call.path.dotted for call in names_in(require.left) + names_in(require.right)]
            size = known.get(next((n for n in named if n in SIZES), ""))
            shown = f", which takes {size / 2**30:.1f} GiB" if size is not None else ""
            message = f"no candidate of `{name}`{shown}, meets this"
            help = "require what it can meet, or merge smaller models"
            yield finding("K213", require.span, message, help)


def every_require(recipe: Recipe) -> Iterator[tuple[str, Require]]:
    """Every `require` line, with the kind of its block."""
    for merge in recipe.merges.values():
        yield from (("merge", require) for require in merge.requires)
    for route in recipe.routes.values():
        yield from (("route", require) for require in route.requires)
    for search in recipe.searches:
        yield from (("search", require) for require in search.requires)


def _names(recipe: Recipe, owner: str, require: Require) -> Iterator[Diagnostic]:
    known = QUANTITIES[owner]
    named = names_in(require.left) + names_in(require.right)
    for call in named:
        name = call.path.dotted
        if name in recipe.lets or (name in known and call.arguments is None):
            continue
        close = nearest(name, (*known, *recipe.lets))
        meant = f"; did you mean `{close}`?" if close else ""
        fix = Fix(call.path.span, close, safe=False) if close else None
        message = f"a {owner} has no `{name}` that could be required{meant}"
        yield finding("N101", call.span, message, f"it has {quoted(known)}", fix)
    if not named:
        message = "this compares two constants, so it says nothing of a candidate"
        yield finding("K205", require.span, message, f"compare {quoted(known, 'or')}")


def _kinds(recipe: Recipe, require: Require) -> Iterator[Diagnostic]:
    left, right = _kind(recipe, require.left), _kind(recipe, require.right)
    for side, kind in ((require.left, left), (require.right, right)):
        if kind == "strange":
            message = "a requirement compares numbers and sizes"
            yield finding("K205", side.span, message, "such as `memory <= 24GiB`")
    if {left, right} == {"size", "number"}:
        sized = require.left if left == "size" else require.right
        literal = require.left if names_in(require.right) else require.right
        message = f"{_shown(sized)} is a size, and the other side is a plain number"
        help = "write a number" if literal is sized else "write a size, such as 24GiB"
        yield finding("K205", literal.span, message, help)


def _shown(value: tree.Value) -> str:
    if isinstance(value, tree.Call):
        return f"`{value.path.dotted}`"
    return f"`{value.amount:g}{value.unit}`" if isinstance(value, tree.Quantity) else "one side"


def _kind(recipe: Recipe, value: tree.Value) -> str:
    """number, size, unknown (for an error that is said elsewhere), or strange."""
    if isinstance(value, tree.Number):
        return "number"
    if isinstance(value, tree.Quantity):
        return "size" if value.unit in BYTES else "strange"
    if isinstance(value, tree.Call):
        if value.path.dotted in SIZES:
            return "size"
        return "number" if value.path.dotted in ("layers", *recipe.lets) else "unknown"
    if isinstance(value, tree.Arithmetic):
        kinds = {_kind(recipe, value.left), _kind(recipe, value.right)}
        for kind in ("strange", "unknown", "size"):
            if kind in kinds:
                return kind
        return "number"
    return "strange"
