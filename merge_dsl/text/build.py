"""Parse tree -> our tree, in one explicit pass.

In: the root of a text that parsed. Out: `merge_dsl.text.tree.Tree`. Every rule of the grammar
has one function or one arm here; nothing is looked up or judged.
"""

from collections.abc import Callable
from typing import Any

from merge_dsl.text import machine, tree
from merge_dsl.text.machine import Word
from merge_dsl.text.source import Span

Node = Any  # a machine.Node or a Word; which of them, the grammar says


def build_tree(parsed: machine.Node) -> tree.Tree:
    """The whole file."""
    header: Node
    header, *items = parsed.children
    return tree.Tree(_name(header.children[0]), tuple(_item(item) for item in items))


def _span(node: Node) -> Span:
    return Span(node.start, node.end)


def _present(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node is not None]


# ---- declarations -----------------------------------------------------------


def _item(node: Node) -> tree.Item:
    return _ITEMS[node.data](node)


def _use(node: Node) -> tree.Use:
    address, name = node.children
    return tree.Use(_text(address), _name(name) if name is not None else None, _span(node))


def _let(node: Node) -> tree.Let:
    name, value, *clauses = node.children
    return tree.Let(_name(name), _value(value), tuple(map(_clause, clauses)), _span(node))


def _declaration(node: Node) -> tree.Declaration:
    name, address, settings = node.children
    return tree.Declaration(
        node.data, _name(name), _text(address), _settings(settings) or (), _span(node)
    )


def _merge(node: Node) -> tree.Merge:
    name, *lines = _present(node.children)
    return tree.Merge(_name(name), tuple(map(_merge_line, lines)), _span(node))


def _merge_line(node: Node) -> tree.Keep | tree.Blend | tree.Require:
    if node.data == "keep":
        parts, origin = node.children
        return tree.Keep(_parts(parts), _path(origin), _span(node))
    if node.data == "require":
        return _require(node)
    parts, method, *lines = _present(node.children)
    called = _choice(method) if method.data == "choice" else _call(method)
    return tree.Blend(_parts(parts), called, tuple(map(_blend_line, lines)), _span(node))


def _blend_line(node: Node) -> tree.Base | tree.Each | tree.Take | tree.Setting:
    if node.data == "base":
        return tree.Base(_path(node.children[0]), _span(node))
    if node.data == "each":
        return tree.Each(_settings(node.children[0]) or (), _span(node))
    if node.data == "take":
        origin, settings = node.children
        return tree.Take(_path(origin), _settings(settings), _span(node))
    return _setting(node)


def _route(node: Node) -> tree.Route:
    name, *lines = _present(node.children)
    return tree.Route(_name(name), tuple(map(_route_line, lines)), _span(node))


def _route_line(node: Node) -> tree.RouteLine | tree.Require | tree.Setting:
    if node.data == "setting":
        return _setting(node)
    if node.data == "require":
        return _require(node)
    kind = "path" if node.data == "walk" else node.data
    if kind == "path":
        return tree.RouteLine(kind, (), tuple(map(_hop, node.children)), _span(node))
    return tree.RouteLine(kind, tuple(map(_path, node.children)), (), _span(node))


def _hop(node: Node) -> tree.Hop:
    maybe, *rest = node.children
    walked = [n for n in rest if getattr(n, "data", "") in ("path", "hop")]
    # Lark leaves a place for a missing `x`, but none for a missing `scale`.
    repeat, scale = [*rest[len(walked) :], None][:2]
    alone = walked[0].data == "path"
    return tree.Hop(
        maybe is not None,
        _path(walked[0]) if alone else None,
        () if alone else tuple(map(_hop, walked)),
        _value(repeat) if repeat is not None else None,
        _value(scale) if scale is not None else None,
        _span(node),
    )


def _search(node: Node) -> tree.Search:
    name, *lines = _present(node.children)
    return tree.Search(_name(name), tuple(map(_search_line, lines)), _span(node))


def _search_line(node: Node) -> tree.Objective | tree.Require | tree.Setting:
    if node.data == "setting":
        return _setting(node)
    if node.data == "require":
        return _require(node)
    direction, *rest = _present(node.children)
    terms: list[tree.Term] = []
    sign = 1.0
    for child in rest:
        if isinstance(child, Word):
            sign = -1.0 if child.type == "MINUS" else 1.0
        else:
            terms.append(_term(child, sign))
    return tree.Objective(direction.type == "MAXIMIZE", tuple(terms), _span(node))


def _report(node: Node) -> tree.Report:
    name, *terms = _present(node.children)
    return tree.Report(_name(name), tuple(_term(t, 1.0) for t in terms), _span(node))


def _term(node: Node, sign: float) -> tree.Term:
    factor, metric, data = node.children
    value = float(factor.text) if factor is not None else 1.0
    return tree.Term(sign * value, _call(metric), _path(data), _span(node))


def _require(node: Node) -> tree.Require:
    left, compare, right = node.children
    return tree.Require(_value(left), compare.text, _value(right), _span(node))


# ---- settings and values ----------------------------------------------------


def _settings(node: Node) -> tuple[tree.Setting, ...] | None:
    return None if node is None else tuple(map(_setting, _present(node.children)))


def _setting(node: Node) -> tree.Setting:
    name, value, *clauses = node.children
    return tree.Setting(_name(name), _value(value), tuple(map(_clause, clauses)), _span(node))


def _clause(node: Node) -> tree.Clause:
    if node.data == "per":
        count, unit = node.children
        return tree.Per(_whole(count) if count is not None else None, _name(unit), _span(node))
    if node.data == "at":
        return tree.At(_parts(node.children[0]), _span(node))
    name, *options = node.children
    return tree.When(_name(name), tuple(map(_name, options)), _span(node))


def _value(node: Node) -> tree.Value:
    if isinstance(node, Word):
        return _token_value(node)
    return _VALUES[node.data](node)


def _token_value(token: Word) -> tree.Value:
    span = _span(token)
    if token.type == "NUMBER":
        return _number(token)
    if token.type == "STRING":
        return _text(token)
    if token.type == "FLAG":
        return tree.Flag(span)
    digits = token.text.rstrip("%KMGTiBmshdn")  # QUANTITY: a number and one of the listed units
    return tree.Quantity(float(digits), token.text[len(digits) :], span)


def _range(node: Node) -> tree.Range:
    log, whole, low, high, step, start = node.children
    first, last = _value(low), _value(high)
    return tree.Range(
        first,
        last,
        log is not None,
        whole is not None,
        _number(step) if step is not None else None,
        _number(start) if start is not None else None,
        first.span.to(last.span),
        _span(node),
    )


def _choice(node: Node) -> tree.Choice:
    return tree.Choice(tuple(map(_value, node.children)), _span(node))


def _limit(node: Node) -> tree.Limit:
    return tree.Limit(tuple(map(_value, node.children)), _span(node))


def _arithmetic(node: Node) -> tree.Arithmetic:
    left, operator, right = node.children
    return tree.Arithmetic(operator.text, _value(left), _value(right), _span(node))


def _negative(node: Node) -> tree.Number:
    number = _number(node.children[1])
    return tree.Number(-number.value, f"-{number.text}", _span(node))


def _count(node: Node) -> tree.Count:
    number, unit = node.children
    return tree.Count(_number(number).value, _name(unit), _span(node))


def _series(node: Node) -> tree.Series:
    return tree.Series(tuple(map(_value, _present(node.children))), _span(node))


def _call(node: Node) -> tree.Call:
    path, *arguments = node.children
    # `f` and `f()` both leave placeholders; only the brackets themselves tell them apart.
    bare = node.end == path.end
    inside = None if bare else tuple(map(_argument, _present(arguments)))
    return tree.Call(_path(path), inside, _span(node))


def _argument(node: Node) -> tree.Argument:
    name, value = node.children
    return tree.Argument(_name(name) if name is not None else None, _value(value), _span(node))


def _parts(node: Node) -> tuple[tree.Path, ...]:
    return tuple(map(_path, node.children))


def _path(node: Node) -> tree.Path:
    names, slices = [], []
    for child in _present(node.children):
        if isinstance(child, Word):
            names.append(_name(child))
        else:
            slices.append(_slice(child))
    return tree.Path(tuple(names), tuple(slices) or None, _span(node))


def _slice(node: Node) -> tree.Slice:
    first, *rest = node.children
    if first.type == "STAR":
        return tree.Slice(None, None, _span(node))
    last = rest[0] if rest and rest[0] is not None else first
    return tree.Slice(_whole(first), _whole(last), _span(node))


def _whole(token: Word) -> int:
    return round(min(float(token.text), 1e15))  # 1e400 is no layer, but it must not stop us


def _number(token: Word) -> tree.Number:
    text = token.text
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else float(text)
    return tree.Number(value, text, _span(token))


def _text(token: Word) -> tree.Text:
    return tree.Text(token.text[1:-1], _span(token))


def _name(token: Word) -> tree.Name:
    return tree.Name(token.text, _span(token))


_ITEMS: dict[str, Callable[[Node], tree.Item]] = {
    "use": _use,
    "let": _let,
    "model": _declaration,
    "data": _declaration,
    "write": _declaration,
    "merge": _merge,
    "route": _route,
    "search": _search,
    "report": _report,
}

_VALUES: dict[str, Callable[[Node], tree.Value]] = {
    "range": _range,
    "choice": _choice,
    "limit": _limit,
    "add": _arithmetic,
    "multiply": _arithmetic,
    "negative": _negative,
    "count": _count,
    "list": _series,
    "call": _call,
}
