"""Tree -> recipe.

In: the tree of a text that parsed, and the recipes that it imports. Out: a `Recipe`. It looks names
up and reads what is known of each model; it judges nothing (that is `merge_dsl/rules/`).
"""

from collections.abc import Mapping
from pathlib import Path

from merge_dsl.meaning import recipe as r
from merge_dsl.meaning.blocks import Scope, merge_of, route_of
from merge_dsl.meaning.brought import lets_from
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.facts import Facts, FactsError, facts_of
from merge_dsl.meaning.places import bare, locate
from merge_dsl.meaning.searches import report_of, search_of, write_of
from merge_dsl.meaning.settings import per_of, rows_of, text_of, texts_of
from merge_dsl.meaning.stages import add_stages
from merge_dsl.meaning.values import meant
from merge_dsl.text import tree


class Draft:
    """What has been read so far. Lives only while `check` runs."""

    def __init__(self, recipe: r.Recipe, depth: Depth) -> None:
        self.recipe = recipe
        self.depth = depth
        self.scope = Scope()
        self.definitions: list[r.Definition] = []
        self.written: list[r.Written] = []

    def define(self, noun: str, name: tree.Name, since: int) -> None:
        self.definitions.append(r.Definition(noun, name.text, name.span, since))


def check(
    parsed: tree.Tree,
    folder: Path,
    imported: Mapping[str, r.Recipe | r.Import],
    depth: Depth = Depth.FACTS,
) -> r.Recipe:
    """Bind a tree. `imported` maps the address of each `use` to its recipe, or to its problem."""
    draft = Draft(r.Recipe(parsed.name.text, folder, {}, {}, {}, {}, {}, {}, {}), depth)
    # Names are gathered first, so that a use before its definition can be told from a typo.
    for item in parsed.items:
        if isinstance(item, tree.Let):
            draft.scope.lets.add(item.name.text)
        elif isinstance(item, tree.Use):
            found = imported.get(item.address.value)
            lets = found.lets if isinstance(found, r.Recipe) else ()
            draft.scope.lets |= {f"{_name_of(item).text}.{let}" for let in lets}
    searches, reports, writes, imports = [], [], [], []
    for item in parsed.items:
        if isinstance(item, tree.Use):
            imports.append(_use(draft, item, imported))
        elif isinstance(item, tree.Let):
            _let(draft, item)
        elif isinstance(item, tree.Merge):
            draft.define("target", item.name, item.span.end)
            draft.recipe.merges[item.name.text] = merge_of(item, draft.scope)
        elif isinstance(item, tree.Route):
            draft.define("target", item.name, item.span.end)
            draft.recipe.routes[item.name.text] = route_of(item, draft.scope)
        elif isinstance(item, tree.Search):
            searches.append(search_of(item, draft.scope, draft.written))
        elif isinstance(item, tree.Report):
            reports.append(report_of(item, draft.scope))
        elif item.kind == "write":
            writes.append(write_of(item, draft.scope, draft.written))
        else:
            _declaration(draft, item)
    recipe = draft.recipe._replace(
        searches=tuple(searches),
        reports=tuple(reports),
        writes=tuple(writes),
        imports=tuple(imports),
        definitions=tuple(draft.definitions),
        references=tuple(draft.scope.references),
        written=tuple(draft.written),
        route_settings=tuple(draft.scope.route_settings),
    )
    add_stages(recipe)
    return recipe


def _let(draft: Draft, item: tree.Let) -> None:
    draft.define("let", item.name, item.span.end)
    value = meant(item.value, draft.scope.lets)
    draft.scope.refer_in(value)
    per = next((c for c in item.clauses if isinstance(c, tree.Per)), None)
    others = tuple(c.span for c in item.clauses if not isinstance(c, tree.Per))
    draft.recipe.lets[item.name.text] = r.Let(
        item.name.text, value, per_of(per), others, item.span, item.name.span
    )


def _declaration(draft: Draft, item: tree.Declaration) -> None:
    draft.define(item.kind, item.name, item.span.end)
    draft.written += [
        r.Written(item.kind, s.name.text, s.value, s.name.span, s.span) for s in item.settings
    ]
    settings = {setting.name.text: setting.value for setting in item.settings}
    folder = draft.recipe.folder
    revision = text_of(settings.get("revision"))
    look = draft.depth is not Depth.TEXT
    name = item.name.text
    if item.kind == "data":
        at = locate(item.address.value, "data", folder, revision, look)
        draft.recipe.data[name] = r.Data(
            name=name,
            place=at.place,
            path=at.path,
            split=text_of(settings.get("split")),
            rows=rows_of(settings.get("rows")),
            subset=text_of(settings.get("subset")),
            prompt=text_of(settings.get("prompt")),
            span=item.span,
            name_span=item.name.span,
            address_span=item.address.span,
            problem=("N108", at.problem, at.help) if at.problem else None,
        )
        return
    at = locate(item.address.value, "model", folder, revision, look)
    architecture = text_of(settings.get("architecture"))
    if architecture is not None and look:
        at = bare(at, architecture)
    problem = ("N108", at.problem, at.help) if at.problem else None
    facts: Facts | None = None
    try:
        facts = facts_of(at.place, at.path, architecture) if look and problem is None else None
    except FactsError as error:
        problem = ("M411", str(error), "copy or save the model again")
    draft.recipe.models[name] = r.Model(
        name=name,
        place=at.place,
        folder=at.path,
        facts=facts,
        span=item.span,
        name_span=item.name.span,
        address_span=item.address.span,
        trained_on=texts_of(settings.get("trained_on")),
        licence=text_of(settings.get("licence")) or text_of(settings.get("license")),
        difference=text_of(settings.get("kind")) == "difference"
        or (facts is not None and facts.difference),
        runs_code=text_of(settings.get("remote_code")) == "run",
        reads_pickles=text_of(settings.get("pickle")) == "read",
        problem=problem,
        architecture=architecture,
    )


def _use(draft: Draft, item: tree.Use, imported: Mapping[str, r.Recipe | r.Import]) -> r.Import:
    name = _name_of(item)
    draft.define("import", name, item.span.end)
    draft.scope.imports.add(name.text)
    found = imported.get(item.address.value)
    whole = r.Import(name.text, item.address.value, item.span, item.address.span)
    if isinstance(found, r.Import):
        return whole._replace(problem=found.problem)
    if found is None:
        return whole._replace(problem=("N109", f"{item.address.value} cannot be read"))
    for model in found.models.values():
        inner = f"{name.text}.{model.name}"
        # Whoever imports a recipe has not read what it allows.
        draft.recipe.models[inner] = model._replace(
            name=inner,
            span=item.span,
            name_span=item.span,
            imported=True,
            problem=None,
            runs_code=False,
            reads_pickles=False,
        )
        draft.definitions.append(r.Definition("model", inner, item.span, item.span.end))
    for data in found.data.values():
        inner = f"{name.text}.{data.name}"
        draft.recipe.data[inner] = data._replace(
            name=inner, span=item.span, name_span=item.span, imported=True
        )
        draft.definitions.append(r.Definition("data", inner, item.span, item.span.end))
    below = min((let.span.start for let in draft.recipe.lets.values() if let.imported), default=0)
    for let in lets_from(found, name.text, item.span, below):
        draft.recipe.lets[let.name] = let
        draft.definitions.append(r.Definition("let", let.name, item.span, item.span.end))
    return whole


def _name_of(item: tree.Use) -> tree.Name:
    return item.name or tree.Name(Path(item.address.value).stem, item.address.span)
