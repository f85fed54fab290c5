"""A tokenizer taken whole, with another model's special tokens added behind its own.

In: the folders of the model that sees (the host) and of the model whose tokenizer is taken (the donor).
Out: which tokens move, and to which row. Tokens are told apart by name. What is then written is in
`vlm/weights/moved_files.py`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from merge_dsl.meaning.tokenizers import FILE
from vlm.errors import MergeError

CONFIG, GENERATION, WORDS = "config.json", "generation_config.json", "tokenizer_config.json"
NUMBERED = re.compile(r"\w+_token_(id|ids|index)")  # keys of a config that hold tokens by number
SPOKEN = ("bos_token_id", "eos_token_id", "pad_token_id")  # of whom the tokenizer is
ROUND = 64  # embeddings are padded to a multiple of this, where they are padded at all

Table = dict[str, Any]


class Token(NamedTuple):
    """A token that moves: its row with the host, and its row in the result."""

    name: str
    old: int
    new: int


class Move(NamedTuple):
    """What a taken tokenizer comes to."""

    moved: tuple[Token, ...]
    numbers: Mapping[
        int, int
    ]  # token of the host -> the same token of the result, where there is one
    size: int  # tokens of the result
    rows: int  # of its embedding, padding included


class Taken(NamedTuple):
    """Another tokenizer than the host's own, and where the host's small files now lie."""

    rows: int  # of the embedding, padding included
    size: int  # tokens
    told: Table  # where rows come from, but for those that a blend makes
    said: str  # the same for people
    home: Path  # of the host's weights
    place: "TemporaryDirectory[str]"  # is removed with this


class Vocabulary(NamedTuple):
    """`tokenizer.json`, as far as it says which token has which number."""

    whole: Table
    numbers: Mapping[str, int]
    added: Mapping[int, Table]

    @property
    def size(self) -> int:
        """How many tokens there are; a new one gets this number."""
        return max(len(self.whole["model"]["vocab"]), max(self.added, default=-1) + 1)


def move(host: Path, donor: Path, rows: tuple[int, int], config: Any) -> Move:
    """Which tokens of the host move, and where to.

    `rows` are those of the two embeddings, the host's and the donor's; `config` is the host's, as
    transformers reads it. Raises MergeError for a token that the config names and the tokenizer lacks.
    """
    own, taken = vocabulary_of(host), vocabulary_of(donor)
    need_rows(donor, taken.size, rows[1])
    names = {number: name for name, number in own.numbers.items()}
    wanted = {number: entry for number, entry in own.added.items() if entry.get("special")}
    wanted |= {
        n: own.added.get(n, {}) for n in named_by(config, names, host, (rows[0], taken.size))
    }
    said = _templates(host)
    wanted |= {n: e for n, e in own.added.items() if str(e["content"]) in said}
    missing = sorted(n for n in wanted if names[n] not in taken.numbers and n < rows[0])
    moved = tuple(Token(names[n], n, taken.size + i) for i, n in enumerate(missing))
    result = {**taken.numbers, **{token.name: token.new for token in moved}}
    count = taken.size + len(moved)
    padded = any(side % ROUND == 0 for side in rows)
    numbers = {number: result[name] for number, name in names.items() if name in result}
    return Move(moved, numbers, count, padded_rows(count, rows[1], padded))


def padded_rows(count: int, least: int, padded: bool) -> int:
    """How many rows an embedding of so many tokens gets: no fewer than it had."""
    return max(least, count + (-count % ROUND if padded else 0))


def need_rows(name: object, size: int, rows: int) -> None:
    """Raise MergeError where a tokenizer has more tokens than its embedding has rows."""
    if size > rows:
        raise MergeError(
            f"the tokenizer of {name} has {size} tokens, its embedding {rows} rows",
            "save the model with its own tokenizer",
        )


def vocabulary_of(folder: Path) -> Vocabulary:
    """Read `tokenizer.json`. Raises MergeError for a file that cannot be read."""
    path = folder / FILE
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        vocab, listed = whole["model"]["vocab"], whole.get("added_tokens") or []
        if isinstance(vocab, list):  # Unigram: pairs of a token and its score
            vocab = {entry[0]: number for number, entry in enumerate(vocab)}
        added = {int(entry["id"]): dict(entry) for entry in listed}
        numbers = {str(name): int(number) for name, number in vocab.items()}
        numbers |= {str(entry["content"]): number for number, entry in added.items()}
        return Vocabulary(whole, numbers, added)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise MergeError(f"{path} cannot be read: {error}", "save the tokenizer anew") from error


def named_by(
    config: Any, names: Mapping[int, str], host: Path, sizes: tuple[int, int]
) -> list[int]:
    """The tokens by which the host's config means a picture and what is around it.

    `sizes`: the rows of the host's embedding, and how many tokens there will be before they move.
    """
    rows, count = sizes
    written = read_table(host / CONFIG)
    found = []
    for key, value in config.to_dict().items():
        if not NUMBERED.fullmatch(key) or key in SPOKEN or type(value) is not int or value < 0:
            continue
        if value in names and value < rows:
            found.append(value)
        elif key in written or key.startswith("image_token") or value < count:
            raise MergeError(
                f"{host / CONFIG} says {key} {value}, and it has no such token",
                "save the model with its own tokenizer, or keep embed and head from it",
            )
    return found


def _templates(folder: Path) -> str:
    """Every text by which the host is asked."""
    texts = [str(read_table(folder / WORDS).get("chat_template", ""))]
    for path in (*folder.glob("chat_template*"), *folder.glob("*processor_config.json")):
        texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(texts)


def read_table(path: Path) -> Table:
    """A small table; none where there is no such file."""
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MergeError(f"{path} cannot be read: {error}", "fetch the file anew") from error
    if not isinstance(table, dict):
        raise MergeError(f"{path} is no table", "fetch the file anew")
    return table
