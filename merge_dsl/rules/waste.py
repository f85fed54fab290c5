"""X: holes that change nothing, and lines that another line covers."""

from collections.abc import Iterator, Sequence

from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.recipe import Assignment, BlendLine, Recipe, When
from merge_dsl.meaning.values import Const, Draw, Expr, LetRef, draws
from merge_dsl.rules.checked import Checked, assignments, blends
from merge_dsl.space.resolve import SHARED, Frame, deciding, lets_of
from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.source import Span
from merge_dsl.text.words import quoted

MANY = 200  # lines of one block that are compared with a line


def ignored(checked: Checked) -> Iterator[Diagnostic]:
    """X308: a hole that one of several methods never reads."""
    for line, assignment in assignments(checked.recipe):
        methods = [m.name for m in line.methods]
        if len(methods) < 2 or not _is_searched(checked.recipe, assignment.value):
            continue
        if any(name not in METHODS for name in methods):
            continue  # without its signature nobody knows what a method reads
        conditions = [when for when in assignment.when if when.name == "method"]
        left = [m for m in methods if all(m in when.options for when in conditions)]
        deaf = [m for m in left if assignment.name not in METHODS[m].settings]
        reading = [m for m in left if m not in deaf]
        if not deaf or not reading:
            continue
        verb = "ignores" if len(deaf) == 1 else "ignore"
        message = f"`{assignment.name}` is searched, but {quoted(deaf)} {verb} it"
        clause = f"when method is {' | '.join(reading)}"
        fix = _clause(assignment, conditions, clause)
        yield finding("X308", assignment.span, message, f"add `{clause}`", fix)


def _is_searched(recipe: Recipe, value: Expr) -> bool:
    return bool(draws(value)) or any(draws(let.value) for let in lets_of(recipe, value))


def _clause(assignment: Assignment, conditions: Sequence[When], clause: str) -> Fix | None:
    """The same draw is read by the same methods, so the edit changes nothing but the count."""
    if not conditions:
        end = assignment.span.end
        return Fix(Span(end, end), f" {clause}")
    return Fix(conditions[0].span, clause) if len(conditions) == 1 else None


def scales(checked: Checked) -> Iterator[Diagnostic]:
    """X309: weights that are divided by their sum have one dimension too many."""
    for merge, number, line in blends(checked.recipe):
        known = [METHODS[m.name] for m in line.methods if m.name in METHODS]
        normal = all(method.normal or "normalize" in method.settings for method in known)
        if not line.takes or not normal or len(known) != len(line.methods):
            continue
        frame = checked.frame(merge)
        units = frame.layout.won[number]
        free = next((f for unit in units if (f := _free(frame, line, unit))), None)
        if free is not None:
            message = "weights are normalised, so their common scale changes nothing"
            help = "fix one of them, such as `weight = 1.0`"
            if len(line.takes) == 1:
                message = "the only weight is divided by itself, so it changes nothing"
                help = "write `weight = 1.0`"
            yield finding("X309", free.span, message, help)


def _free(frame: Frame, line: BlendLine, unit: str) -> Assignment | None:
    """The last of the weights at a unit, where all are holes of their own and are divided."""
    for method in line.methods:
        if METHODS[method.name].normal:
            continue
        default = METHODS[method.name].settings["normalize"].default
        written = next(deciding(frame, line, SHARED, "normalize", unit), None)
        value = written[0].value if written else None
        if not (value.value is True if isinstance(value, Const) else written is None and default):
            return None
    found: list[Assignment] = []
    for owner in range(len(line.takes)):
        weight = next(deciding(frame, line, owner, "weight", unit), None)
        if weight is None or weight[0].when or not _alone(frame.recipe, weight[0].value):
            return None
        found.append(weight[0])
    return found[-1]


def _alone(recipe: Recipe, value: Expr) -> bool:
    """Whether a value is one hole and nothing else. Flags have no scale in common."""
    if isinstance(value, LetRef):
        let = recipe.lets.get(value.name)
        return let is not None and isinstance(let.value, Draw) and let.value.kind != "flag"
    return isinstance(value, Draw) and value.kind != "flag"


def covered(checked: Checked) -> Iterator[Diagnostic]:
    """X310: a line that a later one covers whole."""
    for merge in checked.recipe.merges.values():
        frame = checked.frame(merge)
        layout = frame.layout
        for number, line in enumerate(merge.lines):
            if not layout.declared[number] or layout.won[number]:
                continue
            lost = set(layout.declared[number])
            later = (n for n, won in enumerate(layout.won) if n != number and lost & set(won))
            other = merge.lines[next(later)]
            yield _dead(checked, line.span, other.span, "every part that")
        for _, line in frame.blends:
            for base in line.bases[:-1]:
                yield _dead(checked, base.span, line.bases[-1].span, "")
            for block in _blocks(line):
                yield from _in_block(checked, frame, block)


def _blocks(line: BlendLine) -> list[tuple[Assignment, ...]]:
    each = tuple(setting for block in line.eaches for setting in block.settings)
    return [line.shared, each, *(take.settings for take in line.takes)]


def _in_block(
    checked: Checked, frame: Frame, block: tuple[Assignment, ...]
) -> Iterator[Diagnostic]:
    for number, early in enumerate(block):
        mine = frame.groupings[early.span.start].group.keys()
        for late in block[number + 1 : number + MANY]:
            whole = late.at is None or (mine and mine <= _units(frame, late))
            if late.name == early.name and not late.when and whole:
                yield _dead(checked, early.span, late.span, "every layer that")
                break


def _units(frame: Frame, assignment: Assignment) -> set[str]:
    return set(frame.groupings[assignment.span.start].group)


def _dead(checked: Checked, early: Span, late: Span, what: str) -> Diagnostic:
    first, last = checked.line(early), checked.line(late)
    if not what:
        message = f"line {last} names another base; line {first} has no effect"
    else:
        message = f"line {last} covers {what} line {first} covers; line {first} has no effect"
    if first == last:
        message = "a later setting on this line covers this one; it has no effect"
    return finding("X310", early, message, "remove it, or put it after the other")
