"""`awase lsp` whatever a document holds, and how its places are counted."""

import random
from pathlib import Path

import pytest

pytest.importorskip("pygls.lsp.client")

from lsprotocol import types

from merge_dsl.tools.lsp import wire
from merge_dsl.tools.lsp.document import read
from merge_dsl.tools.lsp.edits import fix_all, formatted
from merge_dsl.tools.lsp.positions import Positions
from tests.merge_dsl.conftest import TASK, merge_recipe

ROOT = Path(__file__).parents[2]

STRANGE = [
    "",
    '\ufeffrecipe x\r\nmodel a from "file:base"\r\n',
    "recipe x\rmodel a\r🍣 \u2028 \x0c \x0b end",
    "\ud800 \udfff recipe",
    "recipe x\0",
    "{" * 3000,
    "}" * 3000,
    "(" * 3000 + '"',
    'recipe x\nuse "strange.merge" as me\nuse "" as y\nuse "\0"\n',
    "recipe x\nlet a = " + "1 + " * 2000 + "1\n",
    'recipe x\nmodel a from "file:' + "a/" * 3000 + '"\nmodel b from "hf:\ud800"\n',
    "x" * 1_100_000,
]


def everything(text: str, path: Path) -> None:
    """Ask all there is to ask at many places; nothing may raise, and every place must exist."""
    document = read(str(path), text)
    lines = len(document.positions.starts)
    for found in wire.diagnostics(document):
        assert found.range.end.line < lines
    formatted(document)
    fix_all(document)
    whole_text = types.Range(types.Position(0, 0), types.Position(lines + 5, 0))
    wire.inlay_hints(document, whole_text)
    wire.symbols(document)
    context = types.CodeActionContext([])
    where = types.TextDocumentIdentifier("file:///x.merge")
    wire.actions(document, where.uri, types.CodeActionParams(where, whole_text, context))
    for at in range(0, len(document.source.text) + 1, max(1, len(text) // 12)):
        position = document.positions.position(at)
        wire.hover(document, position)
        wire.completion(document, position)
        wire.definition(document, position)
    wire.completion(document, types.Position(10**6, 10**6))


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_whatever_it_holds(text: str, world: Path) -> None:
    everything(text, world / "strange.merge")


def test_broken_recipes(world: Path) -> None:
    draw = random.Random(7)
    whole_text = f'{merge_recipe(TASK)}use "common.merge" as common # 絵🍣\nlet a = choice b | c\n'
    for _ in range(25):
        start = draw.randrange(len(whole_text))
        end = min(len(whole_text), start + draw.choice([1, 5, 40]))
        glue = draw.choice(["", "{", "}", '"', "(", "🍣", ".", "\n", "take", "model "])
        everything(whole_text[:start] + glue + whole_text[end:], world / "broken.merge")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_there_and_back(encoding: str) -> None:
    text = "a🍣\r\n絵b\rc\n👩‍🍳 d"
    positions = Positions(text, encoding)
    for at in range(len(text) + 1):
        if text[at - 1 : at + 1] != "\r\n":
            assert positions.offset(positions.position(at)) == at
    if encoding == "utf-16":
        assert positions.position(2) == types.Position(0, 3)
        assert positions.offset(types.Position(0, 2)) == 1  # inside a pair: before it
        assert positions.offset(types.Position(0, 99)) == 2
    assert positions.offset(types.Position(3, 10**6)) == len(text)
