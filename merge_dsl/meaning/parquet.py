"""What a parquet file says of itself without pyarrow: its rows, and the names of its splits.

In: a path. Out: the number of rows, and every value of a column from the dictionary that is written with it.
Footer and page headers are Thrift in its compact protocol (github.com/apache/parquet-format); only dictionary
pages are read, plain or in Snappy. A lint has no time to load pyarrow for this.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"PAR1"
LARGEST = 1_048_576  # bytes of a footer or of a dictionary; more is not looked at
DEEPEST = 20
# Numbers of fields, as the format gives them.
ROWS, GROUPS, COLUMNS, META = 3, 4, 1, 3
PATH, CODEC, PACKED_SIZE, DICTIONARY_AT, PAGES = 3, 4, 7, 11, 13
BYTE_ARRAY, UNPACKED, SNAPPY = 6, 0, 1
DICTIONARY_PAGE, ENCODED = 2, (2, 8)  # kind of a page; what is encoded by a dictionary

STRANGE = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    OverflowError,
)  # fields that are not what they should be

Fields = dict[int, Any]


class ParquetError(Exception):
    """A file that is damaged, or that is written in a way which is not read here."""


class Footer(NamedTuple):
    rows: int
    columns: tuple[str, ...]
    chunks: tuple[tuple[Fields, ...], ...]  # of each group of rows, one a column


def footer_of(path: Path) -> Footer:
    """The footer of a file. Raises ParquetError and OSError."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(size - 8, 0))
        tail = stream.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or not 0 < length <= min(size - 8, LARGEST):
            raise ParquetError("no footer that can be read")
        stream.seek(size - 8 - length)
        fields = _Reader(stream.read(length)).parsed()
    try:
        groups = [tuple(c[META] for c in group[COLUMNS]) for group in fields.get(GROUPS, [])]
        names = tuple(b".".join(c[PATH]).decode() for c in groups[0]) if groups else ()
        return Footer(int(fields[ROWS]), names, tuple(groups))
    except (*STRANGE, AttributeError) as error:
        raise ParquetError("the footer is damaged") from error


def values_of(path: Path, footer: Footer, column: str) -> set[str]:
    """Every text that stands in a column. Raises ParquetError where no dictionary has them all."""
    at = footer.columns.index(column)
    found: set[str] = set()
    try:
        with path.open("rb") as stream:
            for group in footer.chunks:
                chunk = group[at]
                data = [(p[1], p[2]) for p in chunk[PAGES] if p[1] != DICTIONARY_PAGE]
                if any(encoding not in ENCODED for _, encoding in data) or not data:
                    raise ParquetError("some values are in no dictionary")
                if chunk[1] != BYTE_ARRAY or chunk[CODEC] not in (UNPACKED, SNAPPY):
                    raise ParquetError("a column of a kind that is not read here")
                stream.seek(chunk[DICTIONARY_AT])
                found |= set(_texts(stream.read(min(chunk[PACKED_SIZE], LARGEST)), chunk[CODEC]))
    except STRANGE as error:
        raise ParquetError("the column is damaged") from error
    return found


def _texts(chunk: bytes, codec: int) -> Iterator[str]:
    reader = _Reader(chunk)
    header = reader.parsed()
    page = chunk[reader.at : reader.at + header[3]]
    if header[1] != DICTIONARY_PAGE or len(page) < header[3]:
        raise ParquetError("the dictionary is not where it should be")
    page = unsnapped(page) if codec == SNAPPY else page
    at = 0
    while at < len(page):
        end = at + 4 + int.from_bytes(page[at : at + 4], "little")
        yield page[at + 4 : end].decode()
        at = end


def unsnapped(data: bytes) -> bytes:
    """Snappy's raw format undone (github.com/google/snappy, format_description.txt)."""
    reader = _Reader(data)
    size = reader.varint()
    out = bytearray()
    while reader.at < len(data):
        tag = data[reader.at]
        reader.at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if length > 60:
                length = int.from_bytes(reader.take(length - 60), "little") + 1
            out += reader.take(length)
            continue
        if kind == 1:
            length = (tag >> 2 & 7) + 4
            back = (tag >> 5) << 8 | reader.take(1)[0]
        else:
            back = int.from_bytes(reader.take(2 if kind == 2 else 4), "little")
        if not 0 < back <= len(out):
            raise ValueError("a copy from before the beginning")
        for _ in range(length):
            out.append(out[-back])
        if len(out) > LARGEST:
            break
    if len(out) != size:
        raise ValueError("not as long as it says")
    return bytes(out)


class _Reader:
    """Thrift's compact protocol, read once from the left."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def parsed(self) -> Fields:
        """The struct that begins here. Raises ParquetError."""
        try:
            return self.struct(0)
        except (IndexError, ValueError) as error:
            raise ParquetError("damaged") from error

    def take(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise IndexError
        self.at += count
        return found

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number without an end")

    def signed(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def struct(self, depth: int) -> Fields:
        fields: Fields = {}
        number = 0
        while (head := self.take(1)[0]) != 0:
            step, kind = head >> 4, head & 15
            number = number + step if step else self.signed()
            fields[number] = kind == 1 if kind in (1, 2) else self.value(kind, depth + 1)
        return fields

    def value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("too deep")
        if kind in (1, 2, 3):
            return self.take(1)[0]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            head = self.take(1)[0]
            count = head >> 4 if head >> 4 != 15 else self.varint()
            return [self.value(head & 15, depth + 1) for _ in range(count)]
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError("a kind that parquet does not use")
