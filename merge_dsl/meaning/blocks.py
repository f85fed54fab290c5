"""`merge` and `route` blocks of the tree -> lines of the recipe.

In: a block's tree and the names defined so far. Out: `Merge` and `Route` of `merge_dsl.meaning.recipe`.
Names that are used are noted in the scope; whether they exist is for `merge_dsl/rules/names.py`.
"""

from collections.abc import Iterable

from merge_dsl.meaning import recipe as r
from merge_dsl.meaning.parts import PartRef, canonical
from merge_dsl.meaning.requires import names_in
from merge_dsl.meaning.settings import per_of, whole_of
from merge_dsl.meaning.values import Expr, meant, references
from merge_dsl.text import tree
from merge_dsl.text.source import Span


class Scope:
    """The names of `let`s, and every name that is used. Lives only while `check` runs."""

    def __init__(self) -> None:
        self.lets: set[str] = set()
        self.imports: set[str] = set()
        self.references: list[r.Reference] = []
        self.route_settings: list[tree.Setting] = []

    def refer(self, noun: str, name: str, span: Span) -> None:
        self.references.append(r.Reference(noun, name, span))

    def refer_in(self, value: Expr) -> None:
        for ref in references(value):
            self.refer("let", ref.name, ref.span)


def merge_of(item: tree.Merge, scope: Scope) -> r.Merge:
    """A `merge` block."""
    lines: list[r.KeepLine | r.BlendLine] = []
    requires = []
    for line in item.lines:
        if isinstance(line, tree.Keep):
            parts = tuple(map(part_of, line.parts))
            lines.append(r.KeepLine(parts, _origin(line.origin, scope), line.span))
        elif isinstance(line, tree.Blend):
            lines.append(_blend(line, scope))
        else:
            requires.append(require_of(line, scope))
    return r.Merge(item.name.text, tuple(lines), tuple(requires), item.span, item.name.span)


def route_of(item: tree.Route, scope: Scope) -> r.Route:
    """A `route` block."""
    named: dict[str, list[r.OriginRef]] = {"begin": [], "end": [], "pool": []}
    paths: list[tuple[r.Hop, ...]] = []
    origins: list[r.OriginRef] = []
    settings: list[r.Assignment] = []
    requires = []
    for line in item.lines:
        if isinstance(line, tree.Setting):
            scope.route_settings.append(line)
            settings.append(_assignment(line, scope))
        elif isinstance(line, tree.Require):
            requires.append(require_of(line, scope))
        elif line.kind == "path":
            paths.append(tuple(_hop(hop, scope, origins) for hop in line.hops))
        else:
            found = [_origin(path, scope, noun="walked") for path in line.paths]
            named[line.kind] += found
            origins += found
    return r.Route(
        name=item.name.text,
        begins=tuple(named["begin"]),
        ends=tuple(named["end"]),
        paths=tuple(paths),
        pool=tuple(named["pool"]),
        settings=tuple(settings),
        requires=tuple(requires),
        origins=tuple(origins),
        span=item.span,
        name_span=item.name.span,
    )


def _hop(hop: tree.Hop, scope: Scope, origins: list[r.OriginRef]) -> r.Hop:
    """A hop; every origin in it is added to `origins`."""
    origin = _origin(hop.path, scope, noun="walked") if hop.path else None
    if origin is not None:
        origins.append(origin)
    inner = tuple(_hop(other, scope, origins) for other in hop.hops)
    repeat = meant(hop.repeat, scope.lets) if hop.repeat else None
    scale = meant(hop.scale, scope.lets) if hop.scale else None
    for value in (repeat, scale):
        if value is not None:
            scope.refer_in(value)
    return r.Hop(hop.maybe, origin, inner, repeat, scale, hop.span)


def require_of(line: tree.Require, scope: Scope) -> r.Require:
    """A `require` line. A name in it that is a `let` is used here."""
    for name in names_in(line.left) + names_in(line.right):
        if name.path.dotted in scope.lets:
            scope.refer("let", name.path.dotted, name.span)
    return r.Require(line.left, line.compare, line.right, line.span)


def part_of(path: tree.Path) -> PartRef:
    """A part as written, by its canonical name."""
    slices, spans = None, []
    if path.slices is not None and not any(s.low is None for s in path.slices):
        slices = tuple((s.low or 0, s.high or 0) for s in path.slices)
        spans = [s.span for s in path.slices]
    return PartRef(canonical(path.dotted), path.dotted, slices, path.span, tuple(spans))


def _origin(path: tree.Path, scope: Scope, noun: str = "model") -> r.OriginRef:
    """`llava.language`; the longest prefix that is no part may be an imported name, `coco.llava`."""
    names = [name.text for name in path.names]
    cut = 1
    while (
        cut < len(names) and canonical(".".join(names[cut:])) is None and names[cut:] != ["layers"]
    ):
        cut += 1
    if cut == len(names) and len(names) > 1:
        cut = 1 if not _imported(names, scope) else len(names)
    model = ".".join(names[:cut])
    scope.refer(noun, model, path.names[0].span.to(path.names[cut - 1].span))
    if cut == len(names) and path.slices is None:
        return r.OriginRef(model, None, True, path.span)
    named = path.names[cut:] or path.names
    rest = tree.Path(named, path.slices, Span(named[0].span.start, path.span.end))
    part = part_of(rest)
    if rest.dotted == "layers":  # `jp.layers[0..15]` in a route
        part = PartRef("language.layers", "layers", part.slices, part.span, part.slice_spans)
    return r.OriginRef(model, part, False, path.span)


def _imported(names: list[str], scope: Scope) -> bool:
    return len(names) == 2 and names[0] in scope.imports


def _blend(line: tree.Blend, scope: Scope) -> r.BlendLine:
    bases: list[r.OriginRef] = []
    shared: list[r.Assignment] = []
    eaches: list[r.EachBlock] = []
    takes: list[r.Take] = []
    for inner in line.lines:
        if isinstance(inner, tree.Base):
            bases.append(_origin(inner.origin, scope))
        elif isinstance(inner, tree.Each):
            eaches.append(r.EachBlock(_assignments(inner.settings, scope), inner.span))
        elif isinstance(inner, tree.Take):
            settings = _assignments(inner.settings or (), scope)
            origin = _origin(inner.origin, scope)
            takes.append(r.Take(origin, settings, inner.settings is not None, inner.span))
        else:
            shared += _assignments((inner,), scope)
    return r.BlendLine(
        parts=tuple(map(part_of, line.parts)),
        methods=tuple(map(_method, _options(line.method))),
        method_span=line.method.span,
        bases=tuple(bases),
        shared=tuple(shared),
        eaches=tuple(eaches),
        takes=tuple(takes),
        span=line.span,
    )


Arguments = tuple[tuple[str | None, tree.Value, Span], ...]


def arguments_of(call: tree.Call) -> Arguments:
    """The arguments of a call: name, value, place."""
    return tuple(
        (argument.name.text if argument.name else None, argument.value, argument.span)
        for argument in call.arguments or ()
    )


def _options(node: tree.Call | tree.Choice) -> tuple[tree.Value, ...]:
    return node.options if isinstance(node, tree.Choice) else (node,)


def _method(option: tree.Value) -> r.MethodRef:
    if not isinstance(option, tree.Call):
        return r.MethodRef("", option.span)
    arguments = arguments_of(option)
    seed = next((whole_of(value) for name, value, _ in arguments if name == "seed"), None)
    return r.MethodRef(option.path.dotted, option.path.span, arguments, seed)


def _assignments(settings: Iterable[tree.Setting], scope: Scope) -> tuple[r.Assignment, ...]:
    return tuple(_assignment(setting, scope) for setting in settings)


def _assignment(setting: tree.Setting, scope: Scope) -> r.Assignment:
    value = meant(setting.value, scope.lets)
    scope.refer_in(value)
    pers = [clause for clause in setting.clauses if isinstance(clause, tree.Per)]
    ats = [part for c in setting.clauses if isinstance(c, tree.At) for part in c.parts]
    whens = [
        r.When(c.name.text, tuple(option.text for option in c.options), c.span)
        for c in setting.clauses
        if isinstance(c, tree.When)
    ]
    for clause in setting.clauses:
        if isinstance(clause, tree.When) and clause.name.text != "method":
            scope.refer("let", clause.name.text, clause.name.span)
    return r.Assignment(
        name=setting.name.text,
        value=value,
        per=per_of(pers[-1] if pers else None),
        at=tuple(map(part_of, ats)) or None,
        when=tuple(whens),
        span=setting.span,
        name_span=setting.name.span,
    )
