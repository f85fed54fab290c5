"""YAML text -> plain nodes that know their places. Nothing in the file can make Python do anything.

In: the bytes of a file. Out: one `Node` for each document, or `Unreadable`. Only the plain kinds of
YAML are read: text, numbers, truth, lists, tables. An alias is counted each time it is used, so a
file that unfolds to more than it shows is refused before it is unfolded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BYTES = 256 * 1024  # the largest configuration that mergekit-evolve writes has about 50 KiB
NODES = 50_000
DEPTH = 50
PLAIN = ("null", "bool", "int", "float", "str", "timestamp", "merge", "value")


@dataclass(frozen=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Leaf:
    """One value. `text` is what stands in the file."""

    value: bool | int | float | str | None
    text: str
    place: Place
    size: int = 1


@dataclass(frozen=True)
class Items:
    items: "tuple[Node, ...]"
    place: Place
    size: int = 1


@dataclass(frozen=True)
class Entry:
    key: str
    place: Place
    node: "Node"


@dataclass(frozen=True)
class Table:
    entries: tuple[Entry, ...]
    place: Place
    size: int = 1
    twice: tuple[Entry, ...] = ()  # entries whose key comes again; the last one counts

    def get(self, key: str) -> "Node | None":
        """What stands under a key; None where it is absent or empty."""
        entry = self.entry(key)
        if entry is None or (isinstance(entry.node, Leaf) and entry.node.value is None):
            return None
        return entry.node

    def entry(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


Node = Leaf | Items | Table


class Unreadable(Exception):
    """A file that is no plain YAML: what is wrong, and where if that is known."""

    def __init__(self, what: str, place: Place | None = None) -> None:
        super().__init__(what)
        self.what, self.place = what, place


def read_yaml(data: bytes) -> tuple[Node, ...]:
    """Every document of a file that holds something."""
    if len(data) > BYTES:
        raise Unreadable(f"more than {BYTES // 1024} KiB: no merge configuration is so long")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 text: byte {error.start + 1} cannot be read") from error
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        return tuple(_documents(loader))
    except yaml.MarkedYAMLError as error:
        what = " ".join(str(error.problem or "no YAML").split())
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"no YAML: {what}", _place(mark) if mark else None) from error
    except yaml.YAMLError as error:
        raise Unreadable("no YAML text: it holds characters that YAML forbids") from error


def _documents(loader: Any) -> Iterator[Node]:
    import yaml

    while loader.check_event():
        event = loader.get_event()
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        builder = _Builder(loader)
        node = builder.node(loader.get_event(), 0)
        if not (isinstance(node, Leaf) and node.value is None):
            yield node


class _Builder:
    """Builds the tree of one document; lives only while `read_yaml` runs."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.anchors: dict[str, Node] = {}

    def node(self, event: Any, depth: int) -> Node:
        import yaml

        place = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise Unreadable(f"no YAML: nothing is named &{event.anchor}", place)
            return self.anchors[event.anchor]
        if depth > DEPTH:
            raise Unreadable("nested too deeply for a merge configuration", place)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._leaf(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._only_plain(event.tag, "seq", place)
            node = self._items(place, depth)
        else:
            self._only_plain(event.tag, "map", place)
            node = self._table(place, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _only_plain(self, tag: str | None, kind: str, place: Place) -> None:
        if tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            raise Unreadable(f"the tag {tag!r} is refused: only plain YAML is read", place)

    def _items(self, place: Place, depth: int) -> Items:
        import yaml

        items: list[Node] = []
        size = 1
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
            size = _counted(size + items[-1].size, place)
        return Items(tuple(items), place, size)

    def _table(self, place: Place, depth: int) -> Table:
        import yaml

        entries: list[Entry] = []
        size = 1
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(self.loader.get_event(), depth + 1)
            size = _counted(size + 1 + value.size, place)
            if not isinstance(key, Leaf):
                raise Unreadable("a key is a list or a table; keys are words here", key.place)
            if key.text == "<<":
                entries = _merged(entries, value)
            else:
                entries.append(Entry(key.text, key.place, value))
        last = {entry.key: entry for entry in entries}
        twice = tuple(entry for entry in entries if last[entry.key] is not entry)
        return Table(tuple(last.values()), place, size, twice)

    def _leaf(self, event: Any, place: Place) -> Leaf:
        import yaml

        tag = event.tag
        if tag is None or tag == "!":
            tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind not in PLAIN:
            raise Unreadable(f"the tag {event.tag!r} is refused: only plain YAML is read", place)
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        value: Any = event.value
        make = {
            "null": self.loader.construct_yaml_null,
            "bool": self.loader.construct_yaml_bool,
            "int": self.loader.construct_yaml_int,
            "float": self.loader.construct_yaml_float,
        }.get(kind)
        if make is not None:
            try:
                value = make(node)
            except (ValueError, KeyError, IndexError):  # `!!int many`, or 5000 digits
                raise Unreadable("this number cannot be read", place) from None
        return Leaf(value, event.value, place)


def _merged(entries: list[Entry], value: Node) -> list[Entry]:
    """`<<: *shared`: what the table itself says wins."""
    tables = value.items if isinstance(value, Items) else (value,)
    found = [e for t in reversed(tables) if isinstance(t, Table) for e in t.entries]
    known = {entry.key for entry in entries}
    fresh = {entry.key: entry for entry in found if entry.key not in known}
    return [*fresh.values(), *entries]


def _counted(size: int, place: Place) -> int:
    if size > NODES:
        raise Unreadable(f"it unfolds to more than {NODES} values", place)
    return size


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)
