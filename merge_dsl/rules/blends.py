"""K: a blend whatever its method: seeds, choices of methods, and what is about its parents (`resize`,
`vocabulary`)."""

from collections.abc import Iterator

from merge_dsl.meaning.methods import BLEND
from merge_dsl.meaning.recipe import BlendLine, KeepLine
from merge_dsl.meaning.settings import whole_of
from merge_dsl.meaning.values import Word
from merge_dsl.rules.checked import Checked, assignments, blends
from merge_dsl.text.diagnostics import Diagnostic, finding
from merge_dsl.text.words import nearest, quoted


def options(checked: Checked) -> Iterator[Diagnostic]:
    """K205: seeds of methods, and methods that a choice offers twice."""
    for _, _, line in blends(checked.recipe):
        seen: set[str] = set()
        for method in line.methods:
            for name, value, span in method.arguments:
                seed = whole_of(value)
                if name == "seed" and (seed is None or not 0 <= seed < 2**63):
                    yield finding("K205", span, "a seed is a whole number from 0")
            if method.name in seen:
                message = f"`{method.name}` stands in this choice already"
                help = "remove it: what is drawn is the name of a method, whatever its seed"
                yield finding("K205", method.span, message, help)
            seen.add(method.name)


def words(checked: Checked) -> Iterator[Diagnostic]:
    """K205: such a setting is one word for a whole blend, and no hole."""
    for line, assignment in assignments(checked.recipe):
        name = assignment.name
        if name not in BLEND:
            continue
        known = BLEND[name].words
        text = assignment.value.text if isinstance(assignment.value, Word) else ""
        if assignment not in line.shared:
            message = f"`{name}` is of the whole blend, not of one ingredient"
            yield finding("K205", assignment.name_span, message, "write it outside `take`")
        elif text not in known or assignment.per or assignment.at or assignment.when:
            close = nearest(text, known)
            message = f"`{name}` is one of {quoted(known, 'or')}, for the whole blend"
            help = f"did you mean `{close}`?" if close and text not in known else None
            yield finding("K205", assignment.span, message, help)


def word_of(line: KeepLine | BlendLine, name: str) -> str | None:
    """What such a setting is in a line; None where it is not written."""
    shared = line.shared if isinstance(line, BlendLine) else ()
    found = [a.value.text for a in shared if a.name == name and isinstance(a.value, Word)]
    return found[-1] if found else None
