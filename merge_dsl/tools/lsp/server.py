"""The language server: which question of an editor is answered by what.

In: messages over stdin. Out: messages over stdout, and findings a moment after each change. A mistake of
ours is one line in the editor's log, and the question goes unanswered.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from merge_dsl.tools.lsp import wire
from merge_dsl.tools.lsp.document import Document, read
from merge_dsl.tools.lsp.edits import formatted

REST = 0.15  # seconds without a change, after which findings are sent
TRIGGERS = (".", "=", " ", "(", '"', ":", ",")
Answer = TypeVar("Answer")


class Server(LanguageServer):
    """What it knows of open documents: their last reading, and who waits to read them anew."""

    def __init__(self, version: str) -> None:
        super().__init__("awase", version, types.TextDocumentSyncKind.Full)
        self.readings: dict[str, tuple[int | None, str, Document]] = {}
        self.waiting: dict[str, asyncio.TimerHandle] = {}
        self.said: set[str] = set()

    def document(self, uri: str) -> Document:
        """The last state of a document, read once."""
        held = self.workspace.get_text_document(uri)
        reading = self.readings.get(uri)
        if reading is not None and reading[:2] == (held.version, held.source):
            return reading[2]
        agreed = self.workspace.position_encoding
        encoding = getattr(agreed, "value", agreed) or "utf-16"
        document = read(uris.to_fs_path(uri) or "untitled.merge", held.source, str(encoding))
        self.readings[uri] = (held.version, held.source, document)
        return document

    def publish(self, uri: str) -> None:
        """Send what lint finds."""
        self.waiting.pop(uri, None)
        if uri not in self.workspace.text_documents:
            return
        version = self.workspace.get_text_document(uri).version
        document = self.answer(lambda: self.document(uri))
        if document is None:
            return
        if document.trouble:
            self.log(document.trouble)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, wire.diagnostics(document), version)
        )

    def soon(self, uri: str) -> None:
        """The same, once the typing rests."""
        if uri in self.waiting:
            self.waiting[uri].cancel()
        loop = asyncio.get_running_loop()
        self.waiting[uri] = loop.call_later(REST, self.publish, uri)

    def answer(self, question: Callable[[], Answer]) -> Answer | None:
        """An answer; None, and a line in the log, where a mistake of ours keeps us from it."""
        try:
            return question()
        except Exception as error:
            self.log(f"this is our mistake, please report it: {type(error).__name__}: {error}")
            return None

    def log(self, text: str) -> None:
        """One line in the editor's log, once."""
        if text not in self.said:
            self.said.add(text)
            params = types.LogMessageParams(types.MessageType.Warning, f"awase: {text}")
            self.window_log_message(params)


def build_server(version: str) -> Server:
    """A server with everything that it can answer."""
    server = Server(version)
    _texts(server)
    _answers(server)
    return server


def _texts(server: Server) -> None:
    """What happens to documents."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        server.readings.clear()  # another recipe may import this one
        for uri in list(server.workspace.text_documents):
            server.publish(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.readings.pop(uri, None)
        timer = server.waiting.pop(uri, None)
        if timer is not None:
            timer.cancel()
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def _answers(server: Server) -> None:
    """What is asked."""

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions([types.CodeActionKind.QuickFix, wire.FIX_ALL]),
    )
    def actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.actions(server.document(uri), uri, params))

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        def edits() -> list[types.TextEdit]:
            document = server.document(params.text_document.uri)
            change = formatted(document)
            return [] if change is None else [wire.text_edit(document, change)]

        return server.answer(edits)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.hover(server.document(uri), params.position))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(list(TRIGGERS)))
    def completion(params: types.CompletionParams) -> types.CompletionList | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.completion(server.document(uri), params.position))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> types.Location | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.definition(server.document(uri), params.position))

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    def hints(params: types.InlayHintParams) -> list[types.InlayHint] | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.inlay_hints(server.document(uri), params.range))

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        uri = params.text_document.uri
        return server.answer(lambda: wire.symbols(server.document(uri)))


def serve(version: str) -> None:
    """Answer over stdin and stdout until the editor goes."""
    logging.getLogger("pygls").setLevel(logging.ERROR)
    build_server(version).start_io()
