"""K: values of the wrong kind, methods without what they need, numbers outside their domain."""

import math
from collections.abc import Iterator

from merge_dsl.meaning.methods import BLEND, METHODS, Setting
from merge_dsl.meaning.recipe import Assignment, BlendLine, Per
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
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import nearest, quoted


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
