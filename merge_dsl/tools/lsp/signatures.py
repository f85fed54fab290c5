"""Methods, metrics, engines, settings and parts, as an editor shows them.

In: a name, and where it stands. Out: Markdown, or the settings that may be written there.
"""

from collections.abc import Iterable

from merge_dsl.meaning import engines
from merge_dsl.meaning.engines import ENGINES, Option
from merge_dsl.meaning.methods import BLEND, METHODS, Setting
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.parts import KINDS, SHORT, TREE
from merge_dsl.meaning.values import HIDDEN, WIDEST
from merge_dsl.tools.lsp.cursor import Cursor

BLOCKS: dict[str, dict[str, Option]] = {
    "model": engines.MODEL,
    "data": engines.DATA,
    "write": engines.WRITE,
    "search": engines.SEARCH,
}
SEED = "`seed`: whole number; the same seed draws the same masks"
KINDS_ABOUT = {
    "attention": "the attention of each layer",
    "mlp": "the inner part of each layer, its experts among it",
    "norms": "all of a layer that is neither attention nor its inner part",
}
ROUTE = {
    "repeat": "how often the pool is laid out; a whole number",
    "walk": "which slots are walked: true, false or `flag per slot`",
    "scale": "what enters a layer is multiplied by this: a range `per hop` or `per pair`, or a network",
    "scale_of": "stream, the whole residual stream, or mlp, what the layer before has added last",
}
NETWORK = (
    "a scale for each hop from where it comes, where it leads and its slot; its weights are drawn"
)
OF_NETWORK = {
    "hidden": f"`hidden`: whole number 1 to {WIDEST}, default {HIDDEN}; units of its one hidden layer",
    "weights": "`weights`: list of 5 times `hidden` and one more; stands here once they are found",
}
KEPT = "read and checked; this version cannot run it yet"


def method(name: str) -> str | None:
    """The signature of a merge method."""
    found = METHODS.get(name)
    if found is None:
        return None
    head = f"{name}(seed)" if found.random else name
    lines = [f"**{head}**: {found.about}", f"base: {found.base}"]
    return "\n\n".join(lines) + bullets(setting(n, s) for n, s in found.settings.items())


def metric(name: str) -> str | None:
    """The signature of a metric."""
    found = METRICS.get(name)
    if found is None:
        return f"`{name}`: {KEPT}" if name in engines.PLANNED_METRICS else None
    way = "higher is better" if found.higher_is_better else "lower is better"
    reads = "generated answers" if found.reads == "answer" else "the likelihood of references"
    settings = (_words(name, words) for name, words in found.settings.items())
    return f"**{name}**: {found.about}\n\nreads {reads}; {way}" + bullets(settings)


def engine(name: str) -> str | None:
    """The signature of a search engine."""
    if name not in ENGINES:
        return None
    return f"**{name}**" + bullets(option(n, o) for n, o in ENGINES[name].items())


def part(name: str) -> str | None:
    """What a part stands for."""
    whole = SHORT.get(name, name)
    if whole not in TREE:
        return None
    if whole.rpartition(".")[2] in KINDS:
        return f"**{name}**: {KINDS_ABOUT[whole.rpartition('.')[2]]}"
    leaves = ", ".join(f"`{leaf}`" for leaf in TREE[whole])
    return f"**{name}**: a part of a model, {leaves}"


def setting(name: str, of: Setting) -> str:
    """One line about a setting of a method."""
    kind = " or ".join(of.words) or {
        "real": "number",
        "int": "whole number",
        "flag": "true or false",
        "data": "the name of a data set",
    }.get(of.kind, of.kind)
    spoken = str(of.default).lower() if isinstance(of.default, bool) else of.default
    default = "must be given" if of.default is None else f"default {spoken}"
    default = "no default" if name in BLEND else default
    where = "for each `take`" if of.scope == "ingredient" else "once for the blend"
    return f"`{name}`: {kind}{_bounds(of.low, of.high)}, {default}, {where}; {of.about}"


def option(name: str, of: Option) -> str:
    """One line about a setting of a block or an engine."""
    kind = " or ".join(f'"{word}"' for word in of.words) or {
        "real": "number",
        "int": "whole number",
        "rows": "rows, as `0..199`",
        "size": "size, as `4GiB`",
        "budget": "limits, as `1000 trials or 48h`",
    }.get(of.kind, of.kind)
    return f"`{name}`: {kind}{_bounds(of.low, of.high)}; {of.about}"


def settings_at(cursor: Cursor) -> dict[str, str]:
    """The settings that may be named at a place, each with a line about it."""
    called = _called(cursor)
    if called is not None:
        if called in METHODS:
            return {"seed": SEED} if METHODS[called].random else {}
        if called in METRICS:
            return {n: _words(n, words) for n, words in METRICS[called].settings.items()}
        if called == "network" and is_in_route(cursor):
            return OF_NETWORK
        return {n: option(n, o) for n, o in ENGINES.get(called, {}).items()}
    if not cursor.heads or not cursor.heads[-1]:
        return {}
    first = cursor.heads[-1][0].text
    if first in BLOCKS:
        return {name: option(name, o) for name, o in BLOCKS[first].items()}
    if first == "route":
        return {name: f"`{name}`: {ROUTE[name]}" for name in engines.ROUTE}
    inner = first in ("take", "each")
    tables = [METHODS[chosen].settings for chosen in methods_at(cursor)]
    return {
        name: setting(name, of)
        for table in ([*tables, BLEND] if tables else [])
        for name, of in table.items()
        if not (inner and of.scope == "shared")
    }


def is_in_route(cursor: Cursor) -> bool:
    """Whether a place is inside the block of a route."""
    return bool(cursor.heads and cursor.heads[-1]) and cursor.heads[-1][0].text == "route"


def words_at(cursor: Cursor) -> list[tuple[str, str]]:
    """The words that the setting of a blend under the cursor can be, each with a line about it."""
    name = cursor.texts[0] if cursor.texts else ""
    known = [METHODS[chosen].settings for chosen in methods_at(cursor)]
    found = [BLEND[name]] if name in BLEND and known else [table.get(name) for table in known]
    return [(word, of.about) for of in found[:1] if of is not None for word in of.words]


def names_data(cursor: Cursor) -> bool:
    """Whether the setting of a blend under the cursor names a data set."""
    name = cursor.texts[0] if cursor.texts else ""
    tables = [METHODS[chosen].settings for chosen in methods_at(cursor)]
    return any(name in table and table[name].kind == "data" for table in tables)


def methods_at(cursor: Cursor) -> list[str]:
    """The methods of the blend around a place."""
    for head in reversed(cursor.heads):
        texts = [word.text for word in head]
        if "by" in texts:
            return [text for text in texts[texts.index("by") :] if text in METHODS]
    return []


def _called(cursor: Cursor) -> str | None:
    """The name before the bracket that is open at a place."""
    depth = 0
    for at in range(len(cursor.before) - 1, -1, -1):
        text = cursor.before[at].text
        depth += (text == ")") - (text == "(")
        if depth < 0:
            return cursor.before[at - 1].text if at else None
    return None


def _words(name: str, words: tuple[str, ...]) -> str:
    return f"`{name}`: {', '.join(words)}; default {words[0]}"


def _bounds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f" from {low:g}"
    return f" up to {high:g}" if low is None else f" {low:g} to {high:g}"


def bullets(lines: Iterable[str]) -> str:
    """A list, below what stands before it."""
    return "\n" + "".join(f"\n- {line}" for line in lines)
