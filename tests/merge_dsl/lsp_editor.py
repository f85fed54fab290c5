"""A small editor for the tests of `awase lsp`: it starts the real command and speaks over stdio."""

import asyncio
import itertools
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

PATIENCE = 60  # seconds; a busy machine starts slowly
Answer = TypeVar("Answer")


class Editor:
    """Opens texts in one server, and asks."""

    def __init__(self, folder: Path, encodings: list[types.PositionEncodingKind]) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("editor", "1")
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.logged: list[str] = []
        self.numbers = itertools.count()

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.published[params.uri] = params

        @self.client.feature(types.WINDOW_LOG_MESSAGE)
        def logged(params: types.LogMessageParams) -> None:
            self.logged.append(params.message)

        command = [sys.executable, "-m", "merge_dsl", "lsp", "--stdio"]
        self.wait(self.client.start_io(command[0], *command[1:]))
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        params = types.InitializeParams(types.ClientCapabilities(general=general))
        self.abilities = self.wait(self.client.initialize_async(params)).capabilities
        self.client.initialized(types.InitializedParams())

    def wait(self, question: Awaitable[Answer]) -> Answer:
        """Let the loop run until there is an answer."""

        async def asked() -> Answer:
            return await asyncio.wait_for(question, PATIENCE)

        return self.loop.run_until_complete(asked())

    def open(self, text: str, name: str = "") -> str:
        """Show a text; returns its address once the findings are here."""
        path = self.folder / (name or f"open{next(self.numbers)}.merge")
        uri = path.as_uri()
        item = types.TextDocumentItem(uri, "awase", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        self.findings(uri, 1)
        return uri

    def change(self, uri: str, text: str, version: int) -> list[types.Diagnostic]:
        """Type; returns what is found in the new text."""
        document = types.VersionedTextDocumentIdentifier(version, uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))
        return self.findings(uri, version)

    def findings(self, uri: str, version: int) -> list[types.Diagnostic]:
        """What was published for a version of a text."""

        async def published() -> None:
            while uri not in self.published or self.published[uri].version != version:
                await asyncio.sleep(0.01)

        self.wait(published())
        return list(self.published[uri].diagnostics)

    def close(self) -> None:
        """Say goodbye, and see that the server goes."""
        self.wait(self.client.shutdown_async(None))
        self.client.exit(None)
        self.wait(self.client.stop())
        self.loop.close()
