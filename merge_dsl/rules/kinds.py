"""K: values of the wrong kind, methods without what they need, numbers outside their domain."""

import math
from collections.abc import Iterator

from merge_dsl.meaning import engines
from merge_dsl.meaning.methods import BLEND, METHODS, Setting
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import Assignment, BlendLine, Per
from merge_dsl.meaning.settings import (
    budget_of,
    budget_options,
    number_of,
    rows_of,
    size_of,
    text_of,
)
from merge_dsl.meaning.values import (
    Const,
    Curve,
    Draw,
    Expr,
    LetRef,
    Network,
    Operation,
    Series,
    Strange,
    Word,
)
from merge_dsl.rules.checked import Checked, assignments, blends
from merge_dsl.rules.numbers import interval, short_curve
from merge_dsl.space.resolve import spoken
from merge_dsl.text import tree
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span
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


def bases(checked: Checked) -> Iterator[Diagnostic]:
    """K202, K206, K209: a method has the base and as many ingredients as it needs."""
    for _, _, line in blends(checked.recipe):
        known = {m.name: METHODS[m.name] for m in line.methods if m.name in METHODS}
        needs = [name for name, method in known.items() if method.base == "required"]
        if needs and line.base is None:
            ends = all(known[name].blends == "models" for name in needs)
            does = "starts at" if ends else "subtracts"
            message = f"{quoted(needs)} {does} a base, and none is named"
            help = "add a line `base NAME`: the model from which the others were tuned"
            if ends:
                help = "add a line `base NAME`: the model at the other end"
            yield finding("K202", line.method_span, message, help)
        refused = [name for name, method in known.items() if method.base == "refused"]
        if refused and len(refused) == len(line.methods) and line.base is not None:
            message = f"{quoted(list(known))} blends whole models and takes no base"
            help = "remove this line, or blend by `task_arithmetic`"
            yield finding("K206", line.base.span, message, help)
        for name, method in known.items():
            low, high = method.takes
            if not low <= len(line.takes) <= (high if high is not None else len(line.takes)):
                wanted = f"at least {low}" if high is None else f"{low} to {high}"
                wanted = str(low) if low == high else wanted
                noun = "ingredient" if low == high == 1 else "ingredients"
                message = f"`{name}` needs {wanted} {noun}, and {len(line.takes)} are taken"
                help = "add `take NAME` lines" if len(line.takes) < low else "remove `take` lines"
                span = next(method.span for method in line.methods if method.name == name)
                yield finding("K209", span, message, help)


def differences(checked: Checked) -> Iterator[Diagnostic]:
    """K201: what is added to a model is no model by itself."""
    models = {model.name for model in checked.recipe.models.values() if model.difference}
    for merge in checked.recipe.merges.values() if models else ():
        for line in merge.lines:
            if not isinstance(line, BlendLine):
                origins = [line.origin]
                message = "`keep` takes parts of a model; `{}` is a difference"
            elif _adds_models(line):
                origins = [take.origin for take in line.takes]
                message = (
                    f"{quoted([m.name for m in line.methods])} adds models; `{{}}` is a difference"
                )
            else:
                origins = list(line.bases)
                message = "a base is a model; `{}` is a difference"
            for origin in origins:
                if origin.model in models:
                    help = "blend it by `task_arithmetic` onto its base"
                    yield finding("K201", origin.span, message.format(origin.model), help)


def _adds_models(line: BlendLine) -> bool:
    known = [METHODS[m.name] for m in line.methods if m.name in METHODS]
    return any(
        method.blends == "models" and (method.base != "optional" or line.base is None)
        for method in known
    )


def blend_values(checked: Checked) -> Iterator[Diagnostic]:
    """K204, K205: every value inside a blend fits its setting."""
    for line, assignment in assignments(checked.recipe):
        known = [
            METHODS[m.name].settings[assignment.name]
            for m in line.methods
            if m.name in METHODS and assignment.name in METHODS[m.name].settings
        ]
        if assignment.name in BLEND:
            continue  # `blends.words` judges it
        yield from _clauses(assignment.per, assignment.value)
        yield from _strange(assignment.value)
        if known:
            yield from _scope(line, assignment, known[0])
            yield from _kind(checked, assignment, known[0])
            yield from _domain(checked, assignment, known[0])
    for let in checked.recipe.lets.values():
        if let.imported:
            continue  # judged where it is written
        yield from _clauses(let.per, let.value)
        yield from _strange(let.value)
        for span in let.other_clauses:
            message = "a `let` is one draw; only `per` may follow it"
            yield finding("K205", span, message, "put `at` and `when` where the name is used")


def _clauses(per: Per | None, value: Expr) -> Iterator[Diagnostic]:
    if isinstance(value, Series) and per is None:
        message = "a list gives one value to each group; say which groups"
        yield finding("K205", value.span, message, "add `per 8 layers`, `per layer` or `per part`")
    if isinstance(value, Curve) and per is not None:
        message = "a curve has its own value at every layer; `per` says nothing here"
        yield finding("K205", per.span, message, "remove it")
    if per is not None and per.unit not in ("layers", "part"):
        message = f"there is no `per {per.unit}` in a merge"
        yield finding("K205", per.span, message, "write `per 8 layers`, `per layer` or `per part`")
    elif per is not None and per.size < 1:
        yield finding("K205", per.span, "a group has at least one layer")


def _strange(value: Expr) -> Iterator[Diagnostic]:
    if isinstance(value, Strange):
        help = "write a number, a word, or a range such as `0.0..1.0`"
        yield finding("K205", value.span, f"{value.what} is no value of a setting", help)
    elif isinstance(value, Network):
        message = "a network scales the hops of a pool; nothing else is drawn by one"
        help = "write it behind `scale =` in a route, or a range such as `0.0..1.0` here"
        yield finding("K205", value.span, message, help)
    elif isinstance(value, Operation):
        yield from _strange(value.left)
        yield from _strange(value.right)
    elif isinstance(value, Curve):
        yield from _curve(value)
    elif isinstance(value, Series):
        for item in value.items:
            if isinstance(item, Series):
                yield finding("K205", item.span, "a list of lists; write one value a group")
            else:
                yield from _strange(item)


def _curve(value: Curve) -> Iterator[Diagnostic]:
    yield from short_curve(value)
    for point in value.points:
        if isinstance(point, Series | Curve | Network):
            yield finding("K205", point.span, "a point of a curve is one number")
        else:
            yield from _strange(point)


def _scope(line: BlendLine, assignment: Assignment, setting: Setting) -> Iterator[Diagnostic]:
    if setting.scope == "shared" and assignment not in line.shared:
        message = f"`{assignment.name}` is of the whole blend, not of one ingredient"
        yield finding("K205", assignment.name_span, message, "write it outside `take` and `each`")


def _kind(checked: Checked, assignment: Assignment, setting: Setting) -> Iterator[Diagnostic]:
    if setting.kind == "data":
        yield from _data(assignment)
        return
    if setting.kind == "word":
        yield from _words(checked, assignment, setting)
        return
    wanted = {"flag": "true, false or flag", "int": "a whole number", "real": "a number"}
    for span, kind in _kinds(checked, assignment.value, 0):
        fits = kind == "truth" if setting.kind == "flag" else kind == "number"
        alone = not isinstance(assignment.value, Curve)
        fits = fits or (kind == "truth" and assignment.name == "weight" and alone)  # in or out
        if not fits and kind != "unknown":
            message = f"`{assignment.name}` is {wanted[setting.kind]}"
            yield finding("K205", span, message)


def _data(assignment: Assignment) -> Iterator[Diagnostic]:
    if not isinstance(assignment.value, Word) or assignment.per is not None:
        message = f"`{assignment.name}` names a data set, and is no hole"
        help = f"write `{assignment.name} = NAME`, of a `data NAME from …` above"
        yield finding("K205", assignment.span, message, help)


def _words(checked: Checked, assignment: Assignment, setting: Setting) -> Iterator[Diagnostic]:
    for span, text in _said(checked, assignment.value, 0):
        if text not in setting.words:
            message = f"`{assignment.name}` is one of {quoted(setting.words, 'or')}"
            close = nearest(text, setting.words)
            yield finding("K205", span, message, f"did you mean `{close}`?" if close else None)


def _said(checked: Checked, value: Expr, depth: int) -> Iterator[tuple[Span, str]]:
    """The words that a value can be; what is no word is shown as it is written."""
    if isinstance(value, Word):
        yield value.span, value.text
    elif isinstance(value, Const):
        yield value.span, spoken(value.value)
    elif isinstance(value, Draw) and value.options:
        for option in value.options:
            yield value.span, spoken(option)
    elif isinstance(value, Series):
        for item in value.items:
            yield from _said(checked, item, depth)
    elif isinstance(value, LetRef) and value.name in checked.recipe.lets and depth < 50:
        let = checked.recipe.lets[value.name]
        if let.span.end <= value.span.start:
            for _, text in _said(checked, let.value, depth + 1):
                yield value.span, text
    elif not isinstance(value, LetRef | Strange):
        yield value.span, checked.source.slice(value.span)


def _kinds(checked: Checked, value: Expr, depth: int) -> Iterator[tuple[Span, str]]:
    if isinstance(value, Const):
        yield value.span, _kind_of(value.value)
    elif isinstance(value, Draw):
        for kind in {_kind_of(o) for o in value.options} if value.options else {"number"}:
            yield value.span, kind
    elif isinstance(value, Series | Curve):
        for item in value.items if isinstance(value, Series) else value.points:
            yield from _kinds(checked, item, depth)
    elif isinstance(value, Operation):
        for side in (value.left, value.right):
            for span, kind in _kinds(checked, side, depth):
                if kind not in ("number", "unknown"):
                    yield span, "word"
        yield value.span, "number"
    elif isinstance(value, LetRef) and value.name in checked.recipe.lets and depth < 50:
        let = checked.recipe.lets[value.name]
        if let.span.end <= value.span.start:
            for _, kind in _kinds(checked, let.value, depth + 1):
                yield value.span, kind
    else:
        yield value.span, "unknown"


def _kind_of(value: object) -> str:
    return "truth" if isinstance(value, bool) else "word" if isinstance(value, str) else "number"


def _domain(checked: Checked, assignment: Assignment, setting: Setting) -> Iterator[Diagnostic]:
    for span, low, high in interval(checked.recipe, assignment.value):
        if not (math.isfinite(low) and math.isfinite(high)):
            yield finding("K204", span, "this number is too large, or has no value")
            continue
        for end in (low, high):
            below = setting.low is not None and end < setting.low - 1e-9
            above = setting.high is not None and end > setting.high + 1e-9
            if below or above:
                domain = _spoken_domain(setting)
                message = f"{assignment.name} is {domain}; {end:g} is outside"
                yield finding("K204", span, message)
                break


def _spoken_domain(setting: Setting) -> str:
    if setting.low is not None and setting.high is not None:
        share = (setting.low, setting.high) == (0.0, 1.0)
        return f"{'a share ' if share else ''}between {setting.low:g} and {setting.high:g}"
    if setting.low is not None:
        return f"at least {setting.low:g}"
    return f"at most {setting.high:g}"


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


def parts_of_origins(checked: Checked) -> Iterator[Diagnostic]:
    """K207: `take llava.vision` cannot fill language layers, and an origin has no layer range."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            origins = [line.origin] if not isinstance(line, BlendLine) else list(line.bases)
            if isinstance(line, BlendLine):
                origins += [take.origin for take in line.takes]
            wanted = {leaf for part in line.parts for leaf in leaves(part)}
            for origin in origins:
                if origin.part is None or origin.part.name is None:
                    continue
                if origin.part.kind:
                    message = "the kind of tensors is named on the left of the line"
                    help = f"write `{origin.part.name} by …`, and `{origin.model}` alone here"
                    yield finding("K207", origin.span, message, help)
                elif origin.part.slices is not None:
                    message = "layers are named on the left of the line, not at the model"
                    help = "write `language.layers[0..7] by …`; layer 3 comes from layer 3"
                    yield finding("K207", origin.span, message, help)
                elif not wanted <= set(leaves(origin.part)) and wanted:
                    missing = " and ".join(sorted(p.text for p in line.parts))
                    message = f"`{origin.model}.{origin.part.text}` does not hold {missing}"
                    help = f"write `{origin.model}` alone: the parts are named on the left"
                    yield finding("K207", origin.span, message, help)


STACK = ("language", "vision", "language.layers", "vision.layers")  # what a road can walk


def parts_of_roads(checked: Checked) -> Iterator[Diagnostic]:
    """K207: a road walks whole layers, not other parts and not the tensors of one kind."""
    for route in checked.recipe.routes.values():
        for origin in route.origins:
            part = origin.part
            if part is None or part.name is None or part.name in STACK:
                continue
            if origin in route.begins or origin in route.ends:
                continue
            what = f"only the {part.kind} of each layer" if part.kind else "no layers"
            message = f"a road walks whole layers; `{origin.model}.{part.text}` is {what}"
            yield finding("K207", origin.span, message, f"write `{origin.model}.layers[…]`")
