"""What the beginning of a GGUF file says of its model, without its weights.

In: a file. Out: its keys and values, of a list only how long it is; and how large each tensor is. The
format: the letters GGUF, a version, two counts, then key, type and value for each entry, then name,
sides, type and place of each tensor, little-endian throughout. A file that lies must not
be believed, nor read as far as it says.
"""

import struct
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

LONGEST = 1 << 16  # bytes of a key or a text
MOST = 1 << 24  # entries of a list: a vocabulary has some hundred thousand
MOST_SIDES = 4
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9
Value = int | float | bool | str


class GgufError(Exception):
    """A file is damaged, or is no GGUF file."""


class GgufHeader(NamedTuple):
    """What stands before the weights."""

    said: dict[str, Value]  # a list is its length
    sizes: dict[str, int]  # tensor name, as GGUF has it -> how many numbers


def read_gguf(path: Path) -> GgufHeader:
    """The header of a file. Raises GgufError."""
    try:
        with path.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise GgufError(f"{path.name} is no GGUF file")
            version, tensors, count = _unpack(stream, "<IQQ")
            if version not in (2, 3) or max(count, tensors) > LONGEST:
                raise GgufError(f"{path.name} is of a GGUF version that is not known")
            said = dict(_entry(stream) for _ in range(count))
            return GgufHeader(said, dict(_tensor(stream) for _ in range(tensors)))
    except (struct.error, ValueError, OverflowError) as error:
        raise GgufError(f"{path.name} is cut off, or no GGUF file") from error
    except OSError as error:
        raise GgufError(f"{path.name} cannot be read: {error.strerror}") from error


def _unpack(stream: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, stream.read(struct.calcsize(form)))


def _entry(stream: BinaryIO) -> tuple[str, Value]:
    key = _text(stream)
    (kind,) = _unpack(stream, "<I")
    return key, _value(stream, kind)


def _tensor(stream: BinaryIO) -> tuple[str, int]:
    name = _text(stream)
    (sides,) = _unpack(stream, "<I")
    if sides > MOST_SIDES:
        raise ValueError("a tensor of more sides than any")
    shape = _unpack(stream, f"<{sides}Q")
    _unpack(stream, "<IQ")  # type, and where it begins
    return name, prod(shape)


def _text(stream: BinaryIO) -> str:
    (length,) = _unpack(stream, "<Q")
    if length > MOST:
        raise ValueError("a text longer than any")
    found = stream.read(length)
    if len(found) < length:
        raise ValueError("cut off")
    return found[:LONGEST].decode("utf-8", errors="replace")


def _value(stream: BinaryIO, kind: int) -> Value:
    if kind == TEXT:
        return _text(stream)
    if kind != LIST:
        if kind not in FORMS:
            raise ValueError("a type that is none")
        return _unpack(stream, "<" + FORMS[kind])[0]
    inner, count = _unpack(stream, "<IQ")
    if count > MOST or (inner not in FORMS and inner != TEXT):
        raise ValueError("a list longer than any")
    if inner == TEXT:
        for _ in range(count):
            _text(stream)
    elif len(stream.read(count * struct.calcsize(FORMS[inner]))) < count:
        raise ValueError("cut off")
    return count
