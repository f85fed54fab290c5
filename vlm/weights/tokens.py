"""Which row of an embedding is which token, so that rows of two vocabularies can be told to be one.

In: model folders. Out: for tokens that all of them have, the row in each. Tokens are compared by what
they stand for, the bytes of their text: byte-level tokenizers write a space as `Ġ`, SentencePiece as
`▁`. Special and added tokens are compared by name. Only `tokenizer.json` is read.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from merge_dsl.meaning.tokenizers import FILE, spelling_of
from vlm.errors import MergeError

BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Words(NamedTuple):
    """A vocabulary: where its tokenizer lies, and how many rows there are."""

    folder: Path
    rows: int


class Spelt(NamedTuple):
    """One token: its row, and how its tokenizer writes it."""

    row: int
    text: str


@dataclass(frozen=True)
class Rows:
    """Rows of the same tokens, int64, parallel: in the host, and in each parent by name."""

    host: npt.NDArray[np.int64]
    of: Mapping[str, npt.NDArray[np.int64]]


def has_tokens(folder: Path) -> bool:
    """Whether a folder says which row is which token."""
    return (folder / FILE).is_file()


def shared_rows(host: Words, parents: Mapping[str, Words], name: str = "the host") -> Rows:
    """The tokens that the host and all parents have; each comes with the rows of its embedding.

    In the order of the host's rows. Raises MergeError where a tokenizer cannot be read, or none is
    shared.
    """
    for other, words in ((name, host), *parents.items()):
        need_tokens(other, words.folder)
    own = _table(host)
    tables = {other: _table(words) for other, words in parents.items()}
    both = [token for token in own if all(token in table for table in tables.values())]
    if not both:
        raise MergeError(
            f"{name} and {', '.join(parents)} share no token", "keep embed and head from one model"
        )
    both.sort(key=lambda token: own[token])

    def at(table: Mapping[Hashable, int]) -> npt.NDArray[np.int64]:
        return np.array([table[token] for token in both], dtype=np.int64)

    return Rows(at(own), {other: at(tables[other]) for other in parents})


def need_tokens(name: str, folder: Path) -> None:
    """Raise MergeError where a folder does not say which row is which token."""
    if not has_tokens(folder):
        raise MergeError(
            f"{name} has no {FILE}, so nobody can say which row is which token",
            f"save its tokenizer with transformers, which writes {FILE}",
        )


def check_same(vocabularies: Sequence[tuple[str, Words]]) -> None:
    """Raise MergeError where a row is one token in the first and another in a later one.

    Of folders without a tokenizer nothing is said.
    """
    known = [(name, _table(words)) for name, words in vocabularies if has_tokens(words.folder)]
    for name, table in known[1:]:
        first, expected = known[0]
        rows = {row: token for token, row in table.items()}
        for token, row in expected.items():
            other = rows.get(row, token)
            if other != token:
                raise MergeError(
                    f"row {row} is {_shown(token)} in {first} and {_shown(other)} in {name}",
                    "blend embed and head with `vocabulary = union` or `shared`, or keep them from that model",
                )


def _shown(token: Hashable) -> str:
    if isinstance(token, bytes):
        return repr(token.decode("utf-8", "backslashreplace"))
    return repr(token[1]) if isinstance(token, tuple) else repr(token)


def tokens_of(words: Words) -> dict[Hashable, Spelt]:
    """What a token stands for -> the token, of the rows that there are."""
    file = words.folder / FILE
    stat = file.stat()
    table = _read(file, stat.st_mtime_ns, stat.st_size)
    return {token: spelt for token, spelt in table.items() if 0 <= spelt.row < words.rows}


def _table(words: Words) -> dict[Hashable, int]:
    return {token: spelt.row for token, spelt in tokens_of(words).items()}


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> dict[Hashable, Spelt]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        vocab, added = whole["model"]["vocab"], whole.get("added_tokens") or ()
        if isinstance(vocab, list):  # Unigram: pairs of a token and its score
            vocab = {entry[0]: number for number, entry in enumerate(vocab)}
        named = {int(entry["id"]): str(entry["content"]) for entry in added}
        spelling = spelling_of(whole)
        table: dict[Hashable, Spelt] = {}
        for text, row in vocab.items():
            if row not in named:
                table.setdefault(_meaning(text, spelling), Spelt(int(row), text))
        return table | {("added", text): Spelt(row, text) for row, text in named.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise MergeError(f"{path} cannot be read: {error}", "save the tokenizer anew") from error


def _meaning(text: str, spelling: str) -> Hashable:
    if spelling == "bytes":
        try:
            return bytes(BYTES[letter] for letter in text)
        except KeyError:
            return ("text", text)
    if spelling == "pieces":
        return ("piece", text)
    byte = BYTE.fullmatch(text)
    if byte is not None:
        number = int(byte[1], 16)
        return bytes([number]) if number >= 0x80 else ("byte", number)
    return text.replace("▁", " ").encode("utf-8", "surrogatepass")


def _letters() -> dict[str, int]:
    """Byte-level tokenizers write each byte as one printable letter, those that are none from 256 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in plain]
    return table | {chr(256 + number): byte for number, byte in enumerate(others)}


BYTES = _letters()
