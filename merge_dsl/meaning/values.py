"""Values of settings as they are meant: constants, names, holes, arithmetic, one value a group.

In: value nodes of the tree. Out: `Expr`. Nothing is judged here: what makes no sense becomes a
`Strange`, which `merge_dsl/rules/kinds.py` reports.
"""

from collections.abc import Container, Sequence
from typing import NamedTuple

from merge_dsl.space.candidate import Value
from merge_dsl.text import tree
from merge_dsl.text.source import Span


class Const(NamedTuple):
    value: Value
    span: Span


class Word(NamedTuple):
    """A bare name that is no `let`: the option of a choice, or a mistake."""

    text: str
    span: Span


class LetRef(NamedTuple):
    """A name refers to one draw: every use of a `let` is the same value."""

    name: str
    span: Span


class Draw(NamedTuple):
    """A hole. `low` and `high` are 0 and the last index for a choice or a flag."""

    kind: str  # "real" | "int" | "choice" | "flag"
    span: Span
    bounds: Span
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float | None = None
    start: float | None = None
    options: tuple[Value, ...] = ()
    bare: bool = False  # written `1..3`: neither `int 1..3` nor `1.0..3.0`


class Operation(NamedTuple):
    operator: str
    left: "Expr"
    right: "Expr"
    span: Span


class Series(NamedTuple):
    """One value for each group of a `per` clause."""

    items: tuple["Expr", ...]
    span: Span


class Curve(NamedTuple):
    """`curve(0.2, 0.9, 0.4)`: over the depth of a stack, straight lines between evenly spread points."""

    points: tuple["Expr", ...]
    span: Span


class Network(NamedTuple):
    """`network(0.5..1.5, hidden = 4)`: a scale for each hop by a small net (`merge_dsl/space/pairs.py`).

    Its weights are what is drawn; `weights` is None until they are. `problem` says what is wrong with it.
    """

    reach: Draw  # between which numbers the scales lie, and what they are at the start
    hidden: int
    weights: tuple[float, ...] | None
    span: Span
    problem: tuple[str, Span] | None = None

    @property
    def size(self) -> int:
        """How many weights it has: three inputs and a bias for each hidden unit, and those of the output."""
        return 5 * self.hidden + 1


class Strange(NamedTuple):
    """Something that is no value of a setting; `what` names it."""

    what: str
    span: Span


Expr = Const | Word | LetRef | Draw | Operation | Series | Curve | Network | Strange

HIDDEN = 4  # units of a network, where it does not say
WIDEST = 64

TRUTH = {"true": True, "false": False}


def meant(node: tree.Value, lets: Container[str]) -> Expr:
    """What a value node means where these names are defined."""
    if isinstance(node, tree.Number):
        return Const(node.value, node.span)
    if isinstance(node, tree.Text):
        return Const(node.value, node.span)
    share = constant(node) if isinstance(node, tree.Quantity) else None
    if share is not None:
        return Const(share, node.span)
    if isinstance(node, tree.Call):
        return _named(node, lets)
    if isinstance(node, tree.Arithmetic):
        left, right = meant(node.left, lets), meant(node.right, lets)
        return Operation(node.operator, left, right, node.span)
    if isinstance(node, tree.Flag):
        return Draw("flag", node.span, node.span, options=(False, True))
    if isinstance(node, tree.Choice):
        return _choice(node)
    if isinstance(node, tree.Range):
        return _range(node)
    if isinstance(node, tree.Series):
        return Series(tuple(meant(item, lets) for item in node.items), node.span)
    return Strange(_what(node), node.span)


def constant(node: tree.Value) -> float | None:
    """The number that a node without names is, `50%` being 0.5; or None."""
    if isinstance(node, tree.Number):
        return float(node.value)
    if isinstance(node, tree.Quantity):
        return node.amount / 100 if node.unit == "%" else None
    if isinstance(node, tree.Arithmetic):
        left, right = constant(node.left), constant(node.right)
        if left is None or right is None:
            return None
        return calculate(node.operator, left, right)
    return None


def calculate(operator: str, left: float, right: float) -> float | None:
    """One step of arithmetic; None where it has no result."""
    try:
        if operator == "+":
            return left + right
        if operator == "-":
            return left - right
        return left * right if operator == "*" else left / right
    except (ZeroDivisionError, OverflowError):
        return None


def draws(expr: Expr) -> list[Draw]:
    """The holes of a value, in the order in which they are written."""
    if isinstance(expr, Draw):
        return [expr]
    if isinstance(expr, Series):
        return [hole for item in expr.items for hole in draws(item)]
    if isinstance(expr, Curve):
        return [hole for point in expr.points for hole in draws(point)]
    if isinstance(expr, Operation):
        return draws(expr.left) + draws(expr.right)
    return []


def references(expr: Expr) -> list[LetRef]:
    """The names that a value uses."""
    if isinstance(expr, LetRef):
        return [expr]
    if isinstance(expr, Series):
        return [ref for item in expr.items for ref in references(item)]
    if isinstance(expr, Curve):
        return [ref for point in expr.points for ref in references(point)]
    if isinstance(expr, Operation):
        return references(expr.left) + references(expr.right)
    return []


def between(points: Sequence[float], depth: float) -> float:
    """The height of a curve through `points` at a depth between 0 and 1."""
    if len(points) < 2:
        return points[0]
    at = min(max(depth, 0.0), 1.0) * (len(points) - 1)
    left = min(int(at), len(points) - 2)
    share = at - left
    return points[left] * (1.0 - share) + points[left + 1] * share


def _named(node: tree.Call, lets: Container[str]) -> Expr:
    name = node.path.dotted
    if name == "curve" and node.arguments is not None and node.path.slices is None:
        if any(argument.name is not None for argument in node.arguments):
            return Strange("a curve of something with a name", node.span)
        points = tuple(meant(argument.value, lets) for argument in node.arguments)
        return Curve(points, node.span)
    if name == "network" and node.arguments is not None and node.path.slices is None:
        return _network(node, lets)
    if node.arguments is not None or node.path.slices is not None:
        return Strange(f"`{name}(…)`" if node.arguments is not None else "a layer", node.span)
    if name in TRUTH:
        return Const(TRUTH[name], node.span)
    return LetRef(name, node.span) if name in lets else Word(name, node.span)


def _network(node: tree.Call, lets: Container[str]) -> Expr:
    """What `network(…)` means. Whatever is wrong with it is noted, for the rules to report."""
    problem: tuple[str, Span] | None = None
    reach, hidden, weights = None, HIDDEN, None
    for number, argument in enumerate(node.arguments or ()):
        value, name = meant(argument.value, lets), argument.name.text if argument.name else None
        if name is None and number == 0 and isinstance(value, Draw):
            reach = value
            if value.kind != "real" or value.step is not None:
                problem = problem or ("the range of a network has no steps", argument.span)
        elif name == "hidden":
            units = value.value if isinstance(value, Const) else None
            if isinstance(units, int) and not isinstance(units, bool) and 1 <= units <= WIDEST:
                hidden = units
            else:
                wanted = f"`hidden` is a whole number from 1 to {WIDEST}"
                problem = problem or (wanted, argument.span)
        elif name == "weights":
            numbers = [constant(item) for item in getattr(argument.value, "items", ())]
            weights = tuple(number for number in numbers if number is not None)
            if not isinstance(argument.value, tree.Series) or len(weights) < len(numbers):
                problem = problem or ("`weights` is a list of numbers", argument.span)
        else:
            what = f"`{name}`" if name else "what stands here"
            problem = problem or (f"a network takes no {what}", argument.span)
    if reach is None:
        missing = "a network first says between which numbers its scales lie"
        problem = problem or (missing, node.span)
        reach = Draw("real", node.span, node.span)
    found = Network(reach, hidden, weights, node.span, problem)
    if problem is None and weights is not None and len(weights) != found.size:
        short = f"{hidden} hidden units have {found.size} weights, and {len(weights)} are given"
        return found._replace(problem=(short, node.span))
    return found


def _choice(node: tree.Choice) -> Expr:
    options: list[Value] = []
    for option in node.options:
        value = meant(option, ())
        if isinstance(value, Const):
            options.append(value.value)
        elif isinstance(value, Word):
            options.append(value.text)
        else:
            return Strange("a choice of something that is neither a number nor a word", node.span)
    return Draw("choice", node.span, node.span, high=len(options) - 1.0, options=tuple(options))


def _range(node: tree.Range) -> Expr:
    low, high = constant(node.low), constant(node.high)
    if low is None or high is None:
        return Strange("a range whose ends are not plain numbers", node.span)
    numbers = [end for end in (node.low, node.high) if isinstance(end, tree.Number)]
    bare = len(numbers) == 2 and all(isinstance(number.value, int) for number in numbers)
    return Draw(
        "int" if node.whole else "real",
        node.span,
        node.bounds,
        low,
        high,
        node.log,
        float(node.step.value) if node.step else None,
        float(node.start.value) if node.start else None,
        bare=bare and not node.whole,
    )


def _what(node: tree.Value) -> str:
    if isinstance(node, tree.Quantity):
        return f"`{node.amount:g}{node.unit}`"
    if isinstance(node, tree.Count):
        return f"a count of {node.unit.text}"
    return "a list of limits"
