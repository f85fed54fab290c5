"""What may be written at a place.

In: a document and an offset. Out: `Option`s, and the span that they replace. The words before the
place decide, not a parse: while someone types, the text seldom parses.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from merge_dsl.meaning.engines import ENGINES
from merge_dsl.meaning.facts import known_models
from merge_dsl.meaning.methods import METHODS
from merge_dsl.meaning.metrics import METRICS
from merge_dsl.meaning.parts import SHORT, TREE
from merge_dsl.meaning.places import zoo_folder
from merge_dsl.text.codes import CODES
from merge_dsl.text.source import Span
from merge_dsl.tools.lsp import signatures
from merge_dsl.tools.lsp.cursor import DECLARATIONS, Cursor, cursor_at
from merge_dsl.tools.lsp.document import Document
from merge_dsl.tools.lsp.keywords import KEYWORDS
from merge_dsl.tools.lsp.names import TARGETS

PARTS = ("vision", "projector", "language", *SHORT)
OF_SEARCH = ("maximize", "minimize", "require")
OF_ROUTE = ("begin", "end", "pool", "path", "require")
VALUES = ("choice", "log", "int", "flag")
CLAUSES = ("per", "at", "when", "start", "step", "or")
UNITS = ("layer", "layers", "part", "slot", "hop", "pair")
OPERATORS = ("=", "+", "-", "*", "/", ",", "(", "[", "|", "->", "<=", ">=", "<", ">")


@dataclass(frozen=True)
class Option:
    """One thing that may be written. `kind` is what an editor draws beside it."""

    label: str
    kind: str  # keyword, model, data, let, target, part, method, metric, engine, setting, word
    about: str = ""


def options_at(document: Document, offset: int) -> tuple[list[Option], Span]:
    """What may stand at an offset, and what it would replace."""
    cursor = cursor_at(document.source.text, offset)
    span = Span(cursor.word.start, offset)
    if cursor.place == "comment":
        before = document.source.text[: cursor.word.start].rpartition("\n")[2]
        allows = "lint: allow" in before.rpartition("#")[2]
        return [Option(c, "word", slug) for c, (slug, _) in CODES.items() if allows], span
    if cursor.place == "string":
        return list(_addresses(cursor)), span
    found = {option.label: option for option in _code(document, cursor)}
    return list(found.values()), span


def _code(document: Document, cursor: Cursor) -> Iterator[Option]:
    last = cursor.last
    if last == ".":
        yield from _members(document, cursor)
        return
    inside = cursor.heads[-1][0].text if cursor.heads and cursor.heads[-1] else ""
    if last == "(" or (last == "," and "(" in cursor.texts and "=" not in cursor.texts[-2:-1]):
        settings = signatures.settings_at(cursor)
        if settings:
            yield from (Option(n, "setting", about) for n, about in settings.items())
            return
    if not cursor.heads:
        yield from _top(document, cursor)
    elif inside == "merge":
        yield from _merge(document, cursor)
    elif inside in ("search", "report"):
        yield from _scored(document, cursor, inside)
    elif inside == "route":
        yield from _route(document, cursor)
    elif inside in ("model", "data", "write"):
        yield from _setting(document, cursor)
    else:
        yield from _blend(document, cursor)


def _top(document: Document, cursor: Cursor) -> Iterator[Option]:
    texts = cursor.texts
    if not texts:
        has_header = document.source.text.lstrip().startswith("recipe") or "\nrecipe " in (
            document.source.text
        )
        yield from _keywords(*(DECLARATIONS[1:] if has_header else ("recipe",)))
    elif texts[0] == "use" and len(texts) > 1:
        yield from _keywords("as")
    elif texts[0] in ("model", "data") and len(texts) == 2:
        yield from _keywords("from")
    elif texts[0] == "write" and len(texts) == 2:
        yield from _keywords("to")
    elif texts[0] in ("search", "report", "write") and len(texts) == 1:
        yield from _named(document, *TARGETS)
    elif texts[0] == "let" and len(texts) > 2:
        yield from _value(document, cursor)


def _merge(document: Document, cursor: Cursor) -> Iterator[Option]:
    texts = cursor.texts
    if not texts:
        yield from _keywords("keep", "require")
        yield from _parts()
    elif "by" in texts:
        if cursor.last in ("by", "choice", "|"):
            yield from _methods()
        if cursor.last == "by":
            yield from _keywords("choice")
    elif cursor.last == "from":
        yield from _named(document, "model", *TARGETS)
    elif cursor.last in ("keep", ","):
        yield from _parts()
    else:
        yield from _keywords("from" if texts[0] == "keep" else "by")


def _blend(document: Document, cursor: Cursor) -> Iterator[Option]:
    if not cursor.texts:
        if cursor.heads[-1] and cursor.heads[-1][0].text not in ("take", "each"):
            yield from _keywords("base", "each", "take")
        settings = signatures.settings_at(cursor)
        yield from (Option(name, "setting", about) for name, about in settings.items())
    elif cursor.last in ("take", "base"):
        yield from _named(document, "model", *TARGETS)
    elif "=" in cursor.texts:
        yield from _value(document, cursor)


def _scored(document: Document, cursor: Cursor, inside: str) -> Iterator[Option]:
    texts = cursor.texts
    if not texts and inside == "search":
        yield from _keywords(*OF_SEARCH)
        yield from _setting(document, cursor)
    elif "=" in texts and "(" not in texts[: texts.index("=")]:
        yield from _setting(document, cursor)
    elif cursor.last == "on":
        yield from _named(document, "data")
    elif not texts or cursor.last in ("maximize", "minimize", "+", "-", "*"):
        yield from (Option(n, "metric", metric.about) for n, metric in METRICS.items())
    elif cursor.last != "=":
        yield from _keywords("on")


def _route(document: Document, cursor: Cursor) -> Iterator[Option]:
    if not cursor.texts:
        yield from _keywords(*OF_ROUTE)
        yield from _setting(document, cursor)
    elif "=" in cursor.texts:
        yield from _value(document, cursor)
    elif cursor.last in ("begin", "end", "pool", "path", "->", "(", ",", "maybe"):
        yield from _named(document, "model", *TARGETS)
        if cursor.texts[0] == "path" and cursor.last != "maybe":
            yield from _keywords("maybe")
    elif cursor.texts[0] == "path":
        yield from _keywords("x", "scale")


def _setting(document: Document, cursor: Cursor) -> Iterator[Option]:
    if "=" not in cursor.texts:
        if not cursor.texts:
            settings = signatures.settings_at(cursor)
            yield from (Option(name, "setting", about) for name, about in settings.items())
        return
    name = cursor.texts[0]
    block = signatures.BLOCKS.get(cursor.heads[-1][0].text, {})
    if name == "by" and cursor.last == "=":
        yield from (Option(engine, "engine", "a search engine") for engine in ENGINES)
    elif name == "budget":
        yield from (Option(word, "word") for word in ("trials", "generations"))
        yield from _keywords("or")
    elif name in block and cursor.last == "=":
        yield from (Option(word, "word", block[name].about) for word in block[name].words)


def _value(document: Document, cursor: Cursor) -> Iterator[Option]:
    last, texts = cursor.last, cursor.texts
    if last == "per" or (len(texts) > 1 and texts[-2] == "per" and last.isdecimal()):
        yield from (Option(unit, "word") for unit in UNITS)
    elif last == "at":
        yield Option("layers", "part", "layers of this blend, whichever stack they are of")
        yield from (
            Option(f"layers.{k}", "part", about) for k, about in signatures.KINDS_ABOUT.items()
        )
        yield from _parts()
    elif last == "when":
        yield Option("method", "word", "the method, where it is a choice")
        yield from _named(document, "let")
    elif "is" in texts and last in ("is", "|"):
        yield from (Option(name, "method", METHODS[name].about) for name in METHODS)
    elif last == "=" and (words := signatures.words_at(cursor)):
        yield from (Option(word, "word", about) for word, about in words)
        yield from _keywords("choice")
    elif last == "=" and signatures.names_data(cursor):
        yield from _named(document, "data")
    elif last in OPERATORS or last in ("start", "step", "log", "int"):
        yield from _keywords(*VALUES)
        if last == "=" and texts[0] == "scale" and signatures.is_in_route(cursor):
            yield Option("network", "word", signatures.NETWORK)
        yield from _named(document, "let")
    elif len(texts) > 1 and texts[-2] == "when":
        yield from _keywords("is")
    else:
        yield from _keywords(*CLAUSES)


def _members(document: Document, cursor: Cursor) -> Iterator[Option]:
    """What may follow a dot: a part of a model or of a part, or a name of an import."""
    chain: list[str] = []
    for word in reversed(cursor.before):
        if word.kind != "word" and word.text != ".":
            break
        if word.kind == "word" and chain and chain[0] != ".":
            break
        chain.insert(0, word.text)
    path = "".join(chain)
    for name, named in document.names.items():
        if name.startswith(path) and name.count(".") == path.count("."):
            yield Option(name.removeprefix(path), named.kind, named.line)
    owner = next((n for n in document.names if path.startswith(f"{n}.")), "")
    inner = path.removeprefix(f"{owner}.") if owner else path
    if owner and document.names[owner].kind in ("data", "let", "use"):
        return
    if owner and not inner:
        yield from (Option(n, "part", signatures.part(n) or "") for n in PARTS)
        if document.names[owner].kind in TARGETS:
            yield Option("layers", "part")
    for name in TREE:
        if inner and name.startswith(inner):
            yield Option(name.removeprefix(inner), "part", signatures.part(name) or "")


def _addresses(cursor: Cursor) -> Iterator[Option]:
    kind = cursor.texts[0] if cursor.texts else ""
    if kind not in ("model", "data") or cursor.last != "from":
        return
    zoo = zoo_folder()
    shelf = zoo / ("models" if kind == "model" else "data") if zoo is not None else None
    try:
        entries = sorted(shelf.iterdir()) if shelf is not None else []
    except OSError:
        entries = []
    for path in entries:
        if kind == "model" and path.is_dir() and not path.name.startswith((".", "_")):
            yield Option(f"zoo:{path.name}", kind, "ships with awase")
        elif kind == "data" and path.suffix == ".parquet":
            yield Option(f"zoo:{path.stem}", kind, "ships with awase")
    if kind == "model":
        yield from (Option(f"hf:{n}", kind, "a well-known checkpoint") for n in known_models())
    yield Option("file:", "word", "relative to the recipe")


def _keywords(*words: str) -> Iterator[Option]:
    return (Option(word, "keyword", KEYWORDS[word]) for word in words)


def _methods() -> Iterator[Option]:
    return (Option(name, "method", method.about) for name, method in METHODS.items())


def _parts() -> Iterator[Option]:
    return (Option(name, "part", signatures.part(name) or "") for name in PARTS)


def _named(document: Document, *kinds: str) -> Iterator[Option]:
    for named in document.names.values():
        if named.kind in kinds:
            yield Option(named.name, named.kind, named.line)
        elif named.kind == "use":
            yield Option(named.name, "use", named.line)
