"""Every default of a recipe, spelled out.

In: a recipe without errors. Out: `Spelled`s, each an edit of its text that says what was left unsaid:
settings of methods, starts of holes, the parts that a `keep` brings along. What a search, a report
and a `write` leave unsaid is in `spell_runs.py`. The edited text means what the text meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.parts import leaf_of, leaves
from merge_dsl.meaning.recipe import Assignment, BlendLine, KeepLine, Merge, Recipe
from merge_dsl.meaning.values import Draw, meant
from merge_dsl.space.candidate import Value
from merge_dsl.space.compile import gene_of
from merge_dsl.space.edits import Edit, has_comment
from merge_dsl.space.layout import layout_of
from merge_dsl.space.resolve import spoken
from merge_dsl.text import tree
from merge_dsl.text.source import Source, Span


@dataclass(frozen=True)
class Spelled:
    """One default: where it belongs, what it is called, what it is, and the edit that says so."""

    owner: str
    name: str
    value: str
    edit: Edit


def merges(source: Source, recipe: Recipe) -> Iterator[Spelled]:
    """The defaults of every merge."""
    for merge in recipe.merges.values():
        for number, line in enumerate(merge.lines):
            if isinstance(line, BlendLine):
                yield from _blend(source.text, merge, line)
            else:
                yield from _keep(source.text, recipe, merge, number, line)


# ---- settings of methods ----------------------------------------------------


def _blend(text: str, merge: Merge, line: BlendLine) -> Iterator[Spelled]:
    known = [method.name for method in line.methods if method.name in METHODS]
    owner = f"{merge.name}, {', '.join(part.text for part in line.parts)}"
    for name in dict.fromkeys(name for method in known for name in METHODS[method].settings):
        silent = [method for method in known if not _is_given(line, name, method)]
        for value, methods in _by_default(silent, name).items():
            every = len(methods) == len(line.methods)
            said = value if every else f"{value} when method is {' | '.join(methods)}"
            edit = _at_head(text, line, name, f"{name} = {said}")
            yield Spelled(owner, name, said, edit)


def _is_given(line: BlendLine, name: str, method: str) -> bool:
    """Whether some line gives a method its setting everywhere, whatever else is drawn."""

    def gives(assignments: tuple[Assignment, ...]) -> bool:
        return any(
            a.name == name
            and a.at is None
            and all(when.name == "method" and method in when.options for when in a.when)
            for a in assignments
        )

    setting = METHODS[method].settings.get(name)
    if gives(line.shared):
        return True
    if setting is None or setting.scope == "shared":
        return False
    own = bool(line.takes) and all(gives(take.settings) for take in line.takes)
    return own or any(gives(each.settings) for each in line.eaches)


def _by_default(methods: list[str], name: str) -> dict[str, list[str]]:
    """Default -> the methods that have it. What must be given has none."""
    found: dict[str, list[str]] = {}
    for method in methods:
        setting = METHODS[method].settings.get(name)
        if setting is not None and setting.default is not None:
            default: Value = setting.default
            found.setdefault(spoken(default), []).append(method)
    return found


def _at_head(text: str, line: BlendLine, name: str, said: str) -> Edit:
    """Before every other line of the same name, for of two lines the later wins."""
    first = min((a.span.start for a in line.shared if a.name == name), default=line.span.end)
    if line.base is not None and line.base.span.start < first:
        return behind(text, line.base.span.end, said)
    return behind(text, text.index("{", line.method_span.end) + 1, said)


def behind(text: str, offset: int, said: str) -> Edit:
    """Put a line behind a place: on the next line of the text, or on the same where more follows."""
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    rest = text[offset:end].strip()
    if not rest or rest.startswith("#"):
        end -= text[offset:end].endswith("\r")
        return Edit(Span(end, end), f"\n{said}")
    at = Span(offset, offset)
    return Edit(at, f" {said};" if text[offset - 1] == "{" else f"; {said}")


# ---- what `keep` brings along -----------------------------------------------


def _keep(
    text: str, recipe: Recipe, merge: Merge, number: int, line: KeepLine
) -> Iterator[Spelled]:
    layout = layout_of(recipe, merge)
    won = {leaf_of(unit) for unit in layout.won[number]}
    names: list[str] = []
    for part in line.parts:
        if part.slices is not None or part.name is None or part.kind:
            brackets = text[part.span.start + len(part.text) : part.span.end]
            names.append(f"{part.name or part.text}{brackets}")
            continue
        for leaf in leaves(part):
            unknown = leaf.endswith(".layers") and leaf.partition(".")[0] not in layout.counts
            if leaf in won or unknown:
                names.append(leaf)
    span = line.parts[0].span.to(line.parts[-1].span)
    said = ", ".join(dict.fromkeys(names))
    if (
        said
        and said != text[span.start : span.end]
        and not has_comment(text[span.start : span.end])
    ):
        yield Spelled(merge.name, "keep", f"{said} from {line.origin.model}", Edit(span, said))


# ---- starts of holes --------------------------------------------------------


def starts(parsed: tree.Tree) -> Iterator[Spelled]:
    """`0.0..1.0` starts in its middle. A negative start cannot be written, and stays unsaid."""
    for item in parsed.items:
        if isinstance(item, tree.Let | tree.Merge | tree.Route):
            for hole in ranges(item):
                start = _start(hole)
                if start is not None:
                    edit = Edit(Span(hole.span.end, hole.span.end), f" start {start}")
                    yield Spelled(item.name.text, "start", start, edit)


def ranges(node: object) -> Iterator[tree.Range]:
    """Every range under a node of the tree."""
    if isinstance(node, tree.Range):
        yield node
    elif isinstance(node, tuple):  # nodes are tuples too
        for inner in node:
            yield from ranges(inner)


def _start(hole: tree.Range) -> str | None:
    draw = meant(hole, ())
    if hole.start is not None or not isinstance(draw, Draw):
        return None
    try:
        start = gene_of(draw, "").start
    except (ValueError, OverflowError):  # of a route's range, which no rule has judged yet
        return None
    return None if isinstance(start, float | int) and start < 0 else spoken(start)
