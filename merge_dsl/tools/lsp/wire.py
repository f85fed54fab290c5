"""Our answers as types of the protocol.

In: a document and what one of the other files says about it. Out: what goes over the wire.
"""

import os

from lsprotocol import types
from pygls import uris

from merge_dsl.text.diagnostics import Diagnostic, Severity
from merge_dsl.tools.lsp.completion import options_at
from merge_dsl.tools.lsp.definition import definition_at
from merge_dsl.tools.lsp.document import Document
from merge_dsl.tools.lsp.edits import Change, fix_all, quick_fixes
from merge_dsl.tools.lsp.hints import hints_of
from merge_dsl.tools.lsp.hover import hover_at
from merge_dsl.tools.lsp.positions import Positions
from merge_dsl.tools.lsp.symbols import Symbol, symbols_of

FIX_ALL = "source.fixAll.awase"
SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
_Item = types.CompletionItemKind
ITEMS = {
    "keyword": _Item.Keyword,
    "model": _Item.Class,
    "data": _Item.File,
    "let": _Item.Variable,
    "merge": _Item.Module,
    "route": _Item.Module,
    "use": _Item.Module,
    "part": _Item.Field,
    "method": _Item.Function,
    "metric": _Item.Function,
    "engine": _Item.Function,
    "setting": _Item.Property,
    "word": _Item.EnumMember,
}
_Kind = types.SymbolKind
SYMBOLS = {
    "recipe": _Kind.File,
    "use": _Kind.Package,
    "let": _Kind.Variable,
    "model": _Kind.Class,
    "data": _Kind.Array,
    "merge": _Kind.Module,
    "route": _Kind.Module,
    "search": _Kind.Function,
    "report": _Kind.Function,
    "write": _Kind.File,
    "line": _Kind.Property,
}
UNUSED = ("N103", "F904")


def diagnostics(document: Document) -> list[types.Diagnostic]:
    """Every finding."""
    return [_diagnostic(document, found) for found in document.diagnostics]


def _diagnostic(document: Document, found: Diagnostic) -> types.Diagnostic:
    help = f"\n{found.help}" if found.help else ""
    return types.Diagnostic(
        range=document.positions.range(found.span),
        message=f"{found.message}{help}",
        severity=SEVERITIES[found.severity],
        code=found.code,
        source="awase",
        tags=[types.DiagnosticTag.Unnecessary] if found.code in UNUSED else None,
    )


def actions(document: Document, uri: str, params: types.CodeActionParams) -> list[types.CodeAction]:
    """Quick fixes of what is chosen, and all safe fixes of the text."""
    found = []
    wanted = params.context.only
    if _asked(types.CodeActionKind.QuickFix, wanted):
        for fix in quick_fixes(document, document.positions.span(params.range)):
            found.append(
                types.CodeAction(
                    fix.title,
                    kind=types.CodeActionKind.QuickFix,
                    diagnostics=[_diagnostic(document, fix.diagnostic)],
                    is_preferred=fix.safe,
                    edit=_edit(document, uri, fix.change),
                )
            )
    if _asked(FIX_ALL, wanted):
        change = fix_all(document)
        if change is not None:
            title = "Mend all that can be mended safely"
            found.append(types.CodeAction(title, kind=FIX_ALL, edit=_edit(document, uri, change)))
    return found


def _asked(kind: str, wanted: object) -> bool:
    """Whether an editor wants this kind; a kind stands for all that begin with it."""
    if not isinstance(wanted, list | tuple):
        return True
    names = [str(getattr(word, "value", word)) for word in wanted]
    return any(not name or kind == name or kind.startswith(f"{name}.") for name in names)


def _edit(document: Document, uri: str, change: Change) -> types.WorkspaceEdit:
    return types.WorkspaceEdit(changes={uri: [text_edit(document, change)]})


def text_edit(document: Document, change: Change) -> types.TextEdit:
    """One replacement."""
    return types.TextEdit(document.positions.range(change.span), change.text)


def hover(document: Document, position: types.Position) -> types.Hover | None:
    """What a place is about."""
    found = hover_at(document, document.positions.offset(position))
    if found is None:
        return None
    text, span = found
    content = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(content, document.positions.range(span))


def completion(document: Document, position: types.Position) -> types.CompletionList:
    """What may stand at a place."""
    options, span = options_at(document, document.positions.offset(position))
    range = document.positions.range(span)
    items = [
        types.CompletionItem(
            label=option.label,
            kind=ITEMS[option.kind],
            detail=option.kind,
            documentation=types.MarkupContent(types.MarkupKind.Markdown, option.about),
            text_edit=types.TextEdit(range, option.label),
            sort_text=f"{number:04}",
        )
        for number, option in enumerate(options)
    ]
    return types.CompletionList(is_incomplete=False, items=items)


def definition(document: Document, position: types.Position) -> types.Location | None:
    """Where the name at a place is given."""
    found = definition_at(document, document.positions.offset(position))
    if found is None:
        return None
    source, span = found
    uri = uris.from_fs_path(os.path.abspath(source.path))
    if uri is None:
        return None
    return types.Location(uri, Positions(source.text, document.positions.encoding).range(span))


def inlay_hints(document: Document, range: types.Range) -> list[types.InlayHint]:
    """Counts of dimensions inside a range."""
    inside = document.positions.span(range)
    return [
        types.InlayHint(
            document.positions.position(offset),
            label,
            kind=types.InlayHintKind.Type,
            padding_left=True,
        )
        for offset, label in hints_of(document)
        if inside.start <= offset <= inside.end
    ]


def symbols(document: Document) -> list[types.DocumentSymbol]:
    """The outline."""
    return [_symbol(document, symbol) for symbol in symbols_of(document.source)]


def _symbol(document: Document, symbol: Symbol) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=symbol.name,
        kind=SYMBOLS[symbol.kind],
        range=document.positions.range(symbol.span),
        selection_range=document.positions.range(symbol.name_span),
        detail=symbol.about,
        children=[_symbol(document, child) for child in symbol.children],
    )
