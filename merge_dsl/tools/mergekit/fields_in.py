"""Single fields of a mergekit configuration: models, layer ranges, dtypes, tokenizers, unknown keys.

In: nodes. Out: values of a `Plan`, or None with a note. `Context` is what one document is read with.
"""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merge_dsl.meaning.places import HUB_NAME
from merge_dsl.text.words import nearest
from merge_dsl.tools.mergekit.notes import Notes, shown
from merge_dsl.tools.mergekit.plan import Blend, Model
from merge_dsl.tools.mergekit.schema import DTYPES
from merge_dsl.tools.mergekit.yaml_in import Entry, Items, Leaf, Node, Table

LOCAL = re.compile(r"(?:[./~\\]|[A-Za-z]:[\\/])")  # ./a, /a, ~/a, ..\a, C:\a
UNWRITABLE = re.compile(r'["\n\r]')


@dataclass(frozen=True)
class Context:
    """The names of the stages of a file, the folder that its recipe will lie in, and the notes."""

    notes: Notes
    stages: Collection[str] = ()
    folder: Path | None = None  # None: paths stay as they are written

    def lose(self, where: str, what: str, node: Node | Entry) -> None:
        self.notes.lose(where, what, node.place.line, node.place.column)

    def tell(self, where: str, what: str, node: Node | Entry) -> None:
        self.notes.tell(where, what, node.place.line, node.place.column)


def only(table: Table, known: Sequence[str], where: str, context: Context) -> None:
    """Note every key that mergekit does not know, and every key that is written twice."""
    for entry in table.entries:
        if entry.key not in known:
            close = nearest(entry.key, known)
            meant = f"; did you mean `{close}`?" if close else ""
            path = f"{where}.{entry.key}" if where else entry.key
            context.lose(path, f"mergekit does not know {shown(entry.key)}{meant}", entry)
    for entry in table.twice:
        path = f"{where}.{entry.key}" if where else entry.key
        context.lose(path, "written again further down, and the last one counts", entry)


def items_of(table: Table, key: str, where: str, context: Context) -> tuple[Node, ...]:
    """The items of a list; none, with a note, where something else stands."""
    node = table.get(key)
    if isinstance(node, Items):
        return node.items
    if node is not None:
        context.lose(f"{where}{key}", "a list belongs here", node)
    return ()


def table_of(table: Table, key: str, where: str, context: Context) -> Table | None:
    """The table under a key; None, with a note, where something else stands."""
    node = table.get(key)
    if node is not None and not isinstance(node, Table):
        context.lose(f"{where}{key}", "a table belongs here", node)
        return None
    return node


def text_of(table: Table, key: str, where: str, context: Context) -> str | None:
    """The word under a key."""
    node = table.get(key)
    if isinstance(node, Leaf):
        return node.text
    if node is not None:
        context.lose(f"{where}{key}", "one word belongs here", node)
    return None


def whole_of(table: Table, key: str, where: str, context: Context) -> int | None:
    """The whole number under a key, from 0."""
    node = table.get(key)
    if node is None:
        return None
    if isinstance(node, Leaf) and type(node.value) is int and 0 <= node.value < 10**9:
        return node.value
    context.lose(f"{where}{key}", "a whole number belongs here", node)
    return None


def model_of(node: Node | None, where: str, context: Context) -> Model | None:
    """`org/name@revision+lora`, or the same as a table."""
    if node is None:
        return None
    path, revision, adapter, more = _reference(node)
    if path is None or not path or UNWRITABLE.search(path) or not path.isprintable():
        context.lose(where, "this names no model", node)
        return None
    for word in more:
        context.lose(where, f"{shown(word)} of a model", node)
    if adapter is not None:
        context.lose(where, f"the adapter {shown(adapter)}: merge it into the model first", node)
    if revision is not None and (UNWRITABLE.search(revision) or not revision.isprintable()):
        context.lose(where, f"the revision {shown(revision)}", node)
        revision = None
    if path in context.stages:
        return Model(f"stage:{path}")
    return Model(_address(path, context.folder), revision)


def _reference(node: Node) -> tuple[str | None, str | None, str | None, list[str]]:
    """Path, revision, adapter, and keys that are no part of a model."""
    if isinstance(node, Leaf) and isinstance(node.value, str):
        whole, _, added = node.text.partition("+")
        name, _, commit = whole.partition("@")
        return name.strip(), commit or None, added or None, []
    if not isinstance(node, Table):
        return None, None, None, []
    inner, adapter_node = node.get("model"), node.get("lora")
    adapter = None if adapter_node is None else _reference(adapter_node)[0] or "a table"
    more = [e.key for e in node.entries if e.key not in ("model", "lora", "path", "revision")]
    if inner is not None:
        path, revision, nested, beside = _reference(inner)
        return path, revision, adapter or nested, more + beside
    path_node, revision_node = node.get("path"), node.get("revision")
    path = path_node.text if isinstance(path_node, Leaf) else None
    return path, revision_node.text if isinstance(revision_node, Leaf) else None, adapter, more


def _address(path: str, folder: Path | None) -> str:
    if not LOCAL.match(path) and HUB_NAME.fullmatch(path):
        return f"hf:{path}"
    if folder is None or os.path.isabs(path) or path.startswith("~") or "\\" in path:
        return f"file:{path}"
    # mergekit reads paths from where it is started, a recipe from where it lies
    relative = os.path.relpath(path, folder)
    return f"file:{relative.replace(os.sep, '/')}"


def range_of(node: Node | None, where: str, context: Context) -> tuple[int, int] | None:
    """`layer_range: [a, b]` as mergekit means it, b not counted; a == b is no layer at all."""
    if isinstance(node, Items) and len(node.items) == 2:
        ends = [i.value for i in node.items if isinstance(i, Leaf) and type(i.value) is int]
        if len(ends) == 2 and 0 <= ends[0] <= ends[1] < 10**6:
            return ends[0], ends[1]
    if isinstance(node, Leaf | Items | Table):
        context.lose(where, "a layer_range is [first, one past the last]", node)
    return None


def dtype_of(document: Table, context: Context) -> str | None:
    """The type of the numbers in the result."""
    compute = text_of(document, "dtype", "", context)
    wanted = text_of(document, "out_dtype", "", context) or compute
    for key in ("dtype", "out_dtype"):
        node = document.get(key)
        if isinstance(node, Leaf) and node.text not in DTYPES:
            close = nearest(node.text, DTYPES)
            meant = f"; did you mean `{close}`?" if close else ""
            context.lose(key, f"awase writes no {shown(node.text)}{meant}", node)
    out = document.get("out_dtype")
    if compute not in (None, "float32", wanted) and compute in DTYPES and out is not None:
        context.tell("dtype", "left out: awase always computes in float32", document)
    return DTYPES.get(wanted) if wanted else None


def tokenizer_of(
    table: Table, blends: Sequence[Blend], where: str, context: Context
) -> tuple[Blend, ...]:
    """The blends under the tokenizer that is asked for; one that awase does not make is noted."""
    source: Node | None = table.get("tokenizer_source")
    key = "tokenizer_source"
    block = table_of(table, "tokenizer", where, context)
    if block is not None:
        source, key = block.get("source"), "tokenizer.source"
        for entry in block.entries:
            if entry.key not in ("source",):
                what = "awase sets the rows of no single token"
                context.lose(f"{where}tokenizer.{entry.key}", what, entry)
    if source is None and block is None:
        return tuple(blends)
    word = source.text if isinstance(source, Leaf) else None
    if source is None or word == "union":
        return tuple(_with_all_tokens(blend) for blend in blends)
    host = next((b for b in blends if b.part == "language" and b.first), None)
    giver = None
    if host is not None:
        giver = host.base or (host.inputs[0].model if host.inputs else None)
    asked = giver if word == "base" and host is not None and host.base else None
    if word != "base":
        asked = model_of(source, f"{where}{key}", context)
    if asked is None or asked != giver:
        what = (
            f"{shown(word or 'this')}: the result has the tokenizer of the model that comes first"
        )
        context.lose(f"{where}{key}", what, source)
    return tuple(blends)


def _with_all_tokens(blend: Blend) -> Blend:
    """What is kept from one model has all its tokens already."""
    ends = blend.part == "language" and (blend.first or blend.last)
    return replace(blend, union=True) if ends and blend.method != "passthrough" else blend
