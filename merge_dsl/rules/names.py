"""N: names that mean nothing, mean something else, or come too late."""

from collections.abc import Collection, Iterator

from merge_dsl.meaning import engines
from merge_dsl.meaning.methods import ABOUT, BLEND, METHODS
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.parts import SHORT, TREE, PartRef, leaves
from merge_dsl.meaning.recipe import (
    Assignment,
    BlendLine,
    Definition,
    Let,
    MethodRef,
    OriginRef,
    Reference,
)
from merge_dsl.meaning.values import Curve, Draw, Expr, Operation, Series, Word, references
from merge_dsl.rules.checked import Checked, assignments, blends
from merge_dsl.space.layout import origins_of
from merge_dsl.space.measured import measured as measured_on
from merge_dsl.space.resolve import lets_of, spoken
from merge_dsl.text.diagnostics import Diagnostic, Fix, Severity, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import nearest, quoted

NOUNS = {
    "model": "model",
    "data": "data set",
    "target": "merge or route",
    "let": "`let`",
    "walked": "model or merge",
    "import": "import",
}
FITS = {"model": ("model", "target"), "walked": ("model", "target"), "let": ("let",)}
OWNERS = {
    "model": engines.MODEL,
    "data": engines.DATA,
    "write": engines.WRITE,
    "search": engines.SEARCH,
}
PARTS = (*TREE, *SHORT)


def unknown_names(checked: Checked) -> Iterator[Diagnostic]:
    """N101, N102: a name must be defined, as the right thing, before it is used."""
    definitions = checked.recipe.definitions
    by_name: dict[str, list[Definition]] = {}
    for definition in definitions:
        by_name.setdefault(definition.name, []).append(definition)
    measured = (Reference("data", m.data, m.span) for m in measured_on(checked.recipe))
    for ref in (*checked.recipe.references, *measured):
        fitting = FITS.get(ref.noun, (ref.noun,))
        here = [d for d in by_name.get(ref.name, ()) if d.noun in fitting]
        if any(d.since <= ref.span.start for d in here):
            continue
        if here:
            line = checked.line(here[0].span)
            message = f"`{ref.name}` is used on line {checked.line(ref.span)} and defined on line"
            yield finding("N102", ref.span, f"{message} {line}; define it first")
        else:
            yield _unknown(checked, ref, definitions, fitting)


def _unknown(
    checked: Checked,
    ref: Reference,
    definitions: Collection[Definition],
    fitting: tuple[str, ...],
) -> Diagnostic:
    other = next((d for d in definitions if d.name == ref.name), None)
    noun = NOUNS[ref.noun]
    if other is not None:
        what = NOUNS[other.noun]
        return finding("N101", ref.span, f"`{ref.name}` is a {what}, and a {noun} is needed here")
    known = {d.name: d for d in definitions if d.noun in fitting}
    return _no_such(f"there is no {noun} `{ref.name}`", ref.name, ref.span, known, checked)


def _no_such(
    message: str,
    name: str,
    span: Span,
    known: Collection[str] | dict[str, Definition],
    checked: Checked | None = None,
    code: str = "N101",
) -> Diagnostic:
    close = nearest(name, known)
    if close is None:
        help = f"there is {quoted(sorted(known))}" if 0 < len(known) <= 12 else None
        return finding(code, span, message, help)
    where = ""
    if checked is not None and isinstance(known, dict):
        where = f" (line {checked.line(known[close].span)})"
    return finding(
        code,
        span,
        f"{message}; did you mean `{close}`{where}?",
        f"write `{close}`",
        Fix(span, close, safe=False),
    )


def unknown_parts(checked: Checked) -> Iterator[Diagnostic]:
    """N101 for parts: `keep visoin from llava`."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            for part in line.parts:
                yield from _part(part)
            for origin in origins_of(line):
                yield from _origin_part(origin)
    for route in checked.recipe.routes.values():
        for origin in route.origins:
            yield from _origin_part(origin)
    for _, assignment in assignments(checked.recipe):
        for part in assignment.at or ():
            if not part.is_relative:
                yield from _part(part)


def _origin_part(origin: OriginRef) -> Iterator[Diagnostic]:
    if origin.part is not None and not origin.whole:
        yield from _part(origin.part)


def _part(part: PartRef) -> Iterator[Diagnostic]:
    if part.name is None:
        span = Span(part.span.start, part.span.start + len(part.text))
        if part.is_relative:
            message = f"`{part.text}` of what? there are vision.layers and language.layers"
            fix = Fix(span, f"language.{part.text}", safe=False)
            yield finding("N101", span, message, f"write `language.{part.text}`", fix)
        else:
            yield _no_such(f"there is no part `{part.text}`", part.text, span, PARTS)


def loose_words(checked: Checked) -> Iterator[Diagnostic]:
    """N101: a bare name where a number is needed is a `let` that does not exist."""
    lets = checked.recipe.lets
    asked = _asked(checked)
    for let in lets.values():
        # `let mode = plain` is an option where a `when` asks for it, as a frozen choice is.
        option = isinstance(let.value, Word) and let.name in asked
        if let.imported and not option:
            yield from _brought_word(checked, let)
        for word in () if option or let.imported else _words(let.value):
            yield _no_such(f"there is no `let` `{word.text}`", word.text, word.span, list(lets))
    for line, assignment in assignments(checked.recipe):
        for word in _words(assignment.value) if not _takes_words(line, assignment) else ():
            yield _no_such(f"there is no `let` `{word.text}`", word.text, word.span, list(lets))
        for when in assignment.when:
            if when.name == "method" or when.name not in lets:
                continue
            value = lets[when.name].value
            if isinstance(value, Draw) and value.options:
                options = [spoken(option) for option in value.options]
                for asked_for in when.options:
                    if asked_for not in options:
                        message = f"`{when.name}` is never `{asked_for}`"
                        yield _no_such(message, asked_for, when.span, options)


def _brought_word(checked: Checked, let: Let) -> Iterator[Diagnostic]:
    """A word of another file, where a number is needed: nothing there may have asked for it."""
    for word in _words(let.value):
        for ref in checked.recipe.references:
            if ref.name == let.name:
                message = f"`{let.name}` is the word `{word.text}`, and no number"
                yield finding("N101", ref.span, message, "name another `let`")


def _words(value: Expr) -> Iterator[Word]:
    """The bare names in a value."""
    if isinstance(value, Word):
        yield value
    elif isinstance(value, Operation):
        yield from _words(value.left)
        yield from _words(value.right)
    elif isinstance(value, Series | Curve):
        for item in value.items if isinstance(value, Series) else value.points:
            yield from _words(item)


def _asked(checked: Checked) -> set[str]:
    """The `let`s that may be a word, and those that they are made from.

    A `when` asks for an option, and some settings of methods are words.
    """
    lets = checked.recipe.lets
    named: set[str] = set()
    for line, assignment in assignments(checked.recipe):
        named |= {when.name for when in assignment.when}
        if _takes_words(line, assignment):
            named |= {ref.name for ref in references(assignment.value)}
    found = {name for name in named if name in lets}
    return found | {let.name for name in found for let in lets_of(checked.recipe, lets[name].value)}


def _takes_words(line: BlendLine, assignment: Assignment) -> bool:
    """Whether a bare name may be what a setting is; `kinds` says which it can be."""
    if assignment.name in BLEND:
        return True
    known = [METHODS[m.name].settings for m in line.methods if m.name in METHODS]
    found = [table[assignment.name] for table in known if assignment.name in table]
    return any(setting.kind in ("word", "data") for setting in found)


def defined_twice(checked: Checked) -> Iterator[Diagnostic]:
    """N110."""
    first: dict[str, Definition] = {}
    for definition in checked.recipe.definitions:
        if definition.name in first:
            line = checked.line(first[definition.name].span)
            message = f"`{definition.name}` is already defined on line {line}"
            yield finding("N110", definition.span, message, "choose another name")
        first.setdefault(definition.name, definition)


def unused_models(checked: Checked) -> Iterator[Diagnostic]:
    """N103: a model that nothing takes from is downloaded for nothing."""
    used = {ref.name for ref in checked.recipe.references}
    for model in checked.recipe.models.values():
        if model.name not in used and not model.imported and checked.recipe.merges:
            size = model.facts.weight_bytes if model.facts else None
            cost = f" ({size / 1e9:.1f} GB)" if size and size > 1e8 else ""
            yield finding("N103", model.name_span, f"model `{model.name}` is never taken{cost}")


def methods(checked: Checked) -> Iterator[Diagnostic]:
    """N106: `by` needs a method that exists."""
    for _, _, line in blends(checked.recipe):
        for method in line.methods:
            if method.name not in METHODS:
                message = f"there is no method `{method.name or checked.source.slice(method.span)}`"
                yield _no_such(message, method.name, method.span, METHODS, code="N106")


def metrics(checked: Checked) -> Iterator[Diagnostic]:
    """N107: a term needs a metric that exists, with settings that it has."""
    recipe = checked.recipe
    terms = [t for s in recipe.searches for o in s.objectives for t in o.terms]
    for term in terms + [t for report in recipe.reports for t in report.terms]:
        metric = METRICS.get(term.metric)
        if metric is None:
            if term.metric not in engines.PLANNED_METRICS:
                message = f"there is no metric `{term.metric}`"
                yield _no_such(message, term.metric, term.metric_span, METRICS, code="N107")
            continue
        for name, _, span in term.arguments:
            here = Span(span.start, span.start + len(name)) if name else span
            if name is None:
                message = f"say which setting of `{term.metric}` this is"
                yield finding("N104", span, message, _has(metric.settings))
            elif name not in metric.settings:
                yield _unknown_setting(term.metric, name, here, metric.settings)


def settings(checked: Checked) -> Iterator[Diagnostic]:
    """N104, N111: settings of model, data, write and search blocks, and of engines."""
    for written in checked.recipe.written:
        if written.owner.startswith("engine "):
            name = written.owner.removeprefix("engine ")
            known = engines.ENGINES.get(name)
            if known is not None and written.name not in known:
                here = Span(written.span.start, written.span.start + max(len(written.name), 1))
                yield _unknown_setting(name, written.name, here, known)
        elif written.name not in OWNERS[written.owner]:
            known = OWNERS[written.owner]
            yield _unknown_setting(written.owner, written.name, written.name_span, known)
    for search in checked.recipe.searches:
        if search.engine.name not in engines.ENGINES:
            span = Span(
                search.engine.span.start, search.engine.span.start + len(search.engine.name)
            )
            message = f"there is no engine `{search.engine.name}`"
            yield _no_such(message, search.engine.name, span, engines.ENGINES, code="N111")
    for setting in checked.recipe.route_settings:
        if setting.name.text not in engines.ROUTE:
            yield _unknown_setting("route", setting.name.text, setting.name.span, engines.ROUTE)


def blend_settings(checked: Checked) -> Iterator[Diagnostic]:
    """N104: settings inside a blend, and arguments of its method."""
    for _, _, line in blends(checked.recipe):
        known = [METHODS[m.name] for m in line.methods if m.name in METHODS]
        if len(known) != len(line.methods):
            continue  # a method that does not exist, or not yet, has no signature
        names = {name: None for method in known for name in method.settings}
        names |= dict.fromkeys(_of_blend(line))
        title = line.methods[0].name if len(line.methods) == 1 else "this choice"
        for assignment in _settings_of(line):
            if assignment.name not in names:
                yield _unknown_setting(title, assignment.name, assignment.name_span, names)
        for method in line.methods:
            yield from _arguments(method, names)


def _arguments(method: MethodRef, inside: Collection[str]) -> Iterator[Diagnostic]:
    """What stands in the brackets of a method: its seed and no more."""
    for name, _, span in method.arguments:
        here = Span(span.start, span.start + len(name)) if name else span
        if name in inside:
            message = f"`{name}` belongs inside the block, not behind `{method.name}`"
            yield finding("N104", here, message, f"write `{name} = …` in the braces")
        elif name != "seed":
            yield _unknown_setting(method.name, name or "", here, ["seed"])
        elif not METHODS[method.name].random:
            message = f"`{method.name}` draws nothing at random; it has no seed"
            yield finding("N104", here, message, "remove the seed")


def _of_blend(line: BlendLine) -> list[str]:
    """The settings that a blend may have whatever its method, for the parts that it makes."""
    named = {leaf for part in line.parts for leaf in leaves(part)}
    return [name for name in BLEND if named & set(ABOUT[name])]


def _settings_of(line: BlendLine) -> Iterator[Assignment]:
    yield from line.shared
    for each in line.eaches:
        yield from each.settings
    for take in line.takes:
        yield from take.settings


def _unknown_setting(owner: str, name: str, span: Span, known: Collection[str]) -> Diagnostic:
    if not known:
        return finding("N104", span, f"`{owner}` has no settings, so no `{name}`")
    close = nearest(name, known)
    meant = f"; did you mean `{close}`?" if close else ""
    fix = Fix(span, close, safe=False) if close and name else None
    return finding("N104", span, f"`{owner}` has no setting `{name}`{meant}", _has(known), fix)


def _has(known: Collection[str]) -> str:
    return f"it has {quoted(list(known))}" if known else "it has none"


def files(checked: Checked) -> Iterator[Diagnostic]:
    """N108, M411: models must be where they are said to be; data are needed by a run only."""
    for model in checked.recipe.models.values():
        if model.problem is not None:
            code, message, help = model.problem
            yield finding(code, model.address_span, message, help)
    for data in checked.recipe.data.values():
        if data.problem is not None and not data.imported:
            code, message, help = data.problem
            usual = None if data.place.scheme != "file" or "address" in message else Severity.NOTE
            yield finding(code, data.address_span, message, help, severity=usual)


def imports(checked: Checked) -> Iterator[Diagnostic]:
    """N105, N109: what `use` names must be a recipe, and must not come back to itself."""
    for item in checked.recipe.imports:
        if item.problem is not None:
            code, message = item.problem
            yield finding(code, item.address_span, message)


def writes(checked: Checked) -> Iterator[Diagnostic]:
    """N108, N112: a checkpoint has a folder, and a target one checkpoint; a second `write` of it would
    be passed over in silence."""
    seen: set[str] = set()
    for write in checked.recipe.writes:
        if not write.path.strip():
            message = f"nothing says where `{write.target}` is written"
            help = f'name a folder, such as "out/{write.target}"'
            yield finding("N108", write.span, message, help)
        if write.target in seen:
            message = f"`{write.target}` is written above already"
            help = "keep one `write`; `awase merge best.merge --out …` builds another copy"
            yield finding("N112", write.span, message, help)
        seen.add(write.target)
