"""What an editor shows about a place: the findings there with their pages, and what the word means.

In: a document and an offset. Out: Markdown and the span that it is about, or None.
"""

import re

from merge_dsl.meaning.facts import Facts
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Span
from merge_dsl.tools.lsp import signatures
from merge_dsl.tools.lsp.cursor import DECLARATIONS, Cursor, cursor_at
from merge_dsl.tools.lsp.document import Document
from merge_dsl.tools.lsp.keywords import KEYWORDS
from merge_dsl.tools.lsp.names import Named
from merge_dsl.tools.rule_pages import PageError, page_path

PATH = re.compile(r"[\w.]*\Z")
AFTER = re.compile(r"\s*=(?!=)")
NAMING = (*DECLARATIONS, "take", "base", "begin", "end", "pool", "from", "as", "on", "when")
INFO = re.compile(r"^```(\w+)[^\n`]*$", re.MULTILINE)


def hover_at(document: Document, offset: int) -> tuple[str, Span] | None:
    """Markdown about a place."""
    found = [d for d in document.diagnostics if d.span.start <= offset <= d.span.end]
    texts = [_finding(diagnostic) for diagnostic in found]
    cursor = cursor_at(document.source.text, offset)
    word = _word(document, cursor, offset)
    if word is not None:
        texts.insert(0, word)
    if not texts:
        return None
    return "\n\n---\n\n".join(dict.fromkeys(texts)), found[0].span if found else cursor.word


def _finding(diagnostic: Diagnostic) -> str:
    help = f"\n\n{diagnostic.help}" if diagnostic.help else ""
    text = f"{diagnostic.severity} {diagnostic.code}: {diagnostic.message}{help}"
    try:
        page = page_path(diagnostic.code).read_text(encoding="utf-8")
    except (PageError, OSError):
        return text
    return f"{text}\n\n{INFO.sub(_language, page)}"


def _language(match: re.Match[str]) -> str:
    return f"```{'awase' if match[1] == 'merge' else match[1]}"


def _word(document: Document, cursor: Cursor, offset: int) -> str | None:
    if cursor.place != "code" or cursor.word.start == cursor.word.end:
        return None
    text = document.source.text
    word = document.source.slice(cursor.word)
    named = named_at(document, cursor)
    if named is not None:
        return _named(document, named)
    if AFTER.match(text, cursor.word.end) and cursor.last != ".":
        about = signatures.settings_at(cursor).get(word)
        if about is not None:
            return about
    if cursor.last == ".":
        whole = _dotted(document, cursor)
        parts = (whole.partition(".")[2], word)
        return next((about for name in parts if (about := signatures.part(name))), None)
    inside = cursor.heads[-1][0].text if cursor.heads and cursor.heads[-1] else ""
    looked = [signatures.method, signatures.part, signatures.metric, signatures.engine]
    if inside in ("search", "report"):
        looked = [signatures.metric, signatures.engine]
    for look in looked:
        about = look(word)
        if about is not None:
            return about
    if word == "network" and inside == "route":
        return f"**network**: {signatures.NETWORK}" + signatures.bullets(
            signatures.OF_NETWORK.values()
        )
    if word not in KEYWORDS or cursor.last in NAMING:
        return None
    return f"**{word}**: {KEYWORDS[word]}"


def named_at(document: Document, cursor: Cursor) -> Named | None:
    """What the word at a place is the name of: where names stand, and not where keywords do."""
    names = document.names
    if cursor.place != "code":
        return None
    text = document.source.text
    word = document.source.slice(cursor.word)
    if cursor.last == ".":
        return names.get(_dotted(document, cursor))
    whole = re.match(r"\w+(?:\.\w+)*", text[cursor.word.start : cursor.word.start + 200])
    dotted = whole[0] if whole else word
    imported = next((n for n in names if "." in n and f"{dotted}.".startswith(f"{n}.")), None)
    if imported is not None and dotted.startswith(f"{word}."):
        return names[imported]
    named = names.get(word)
    if named is None:
        return None
    if not cursor.texts and cursor.heads:
        return None  # `base base` begins with a keyword, and `scale = 1.0` with a setting
    if AFTER.match(text, cursor.word.end) and named.kind != "let":
        return None
    return named


def _dotted(document: Document, cursor: Cursor) -> str:
    """The path that ends with the word at a place."""
    before = PATH.search(document.source.text, 0, cursor.word.start)
    return (before[0] if before else "") + document.source.slice(cursor.word)


def _named(document: Document, named: Named) -> str:
    code = f"```awase\n{named.line}\n```"
    if named.kind == "model":
        facts, why = document.facts(named)
        return f"{code}\n\n{_facts(facts) if facts else why or 'nothing is known of it yet'}"
    if named.kind == "use":
        return code
    where = named.source.line_column(named.span.start)[0]
    kind = {"let": "one draw or value", "merge": "a blend", "route": "a road"}.get(
        named.kind, "data"
    )
    return f"{code}\n\n{kind}, line {where} of {named.source.path.replace('`', '')}"


def _facts(facts: Facts) -> str:
    lines = []
    for name, value in facts._asdict().items():
        if value is None:
            continue
        shown = "yes" if value is True else "no" if value is False else value
        if isinstance(value, int) and not isinstance(value, bool):
            shown = f"{value:,}".replace(",", " ")
        lines.append(f"- {name.replace('_', ' ')}: {shown}")
    return "\n".join(lines)
