"""A tokenizer taken whole, with another model's special tokens added behind its own.

In: the folders of the model that sees (the host) and of the model whose tokenizer is taken (the donor).
Out: which tokens move to which row, and a folder of small files: the host's config and processor, speaking
of the donor's tokens by number, and the donor's tokenizer with the host's tokens in it. The files are edited as
they stand, so nothing of the tokenizer is built anew. Tokens are told apart by name.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from vlm.errors import MergeError
from vlm.weights.tokens import FILE

CONFIG, GENERATION, WORDS = "config.json", "generation_config.json", "tokenizer_config.json"
NUMBERED = re.compile(r"\w+_token_(id|ids|index)")  # keys of a config that hold tokens by number
SPOKEN = ("bos_token_id", "eos_token_id", "pad_token_id")  # of whom the tokenizer is
# Other files of a tokenizer: they would not have the tokens that moved.
OTHERS = (
    FILE, WORDS, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
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
    """A tokenizer that a host takes: whose it is, and where the host's small files now lie."""

    donor: str
    move: Move
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
    if taken.size > rows[1]:
        raise MergeError(
            f"the tokenizer of {donor} has {taken.size} tokens, its embedding {rows[1]} rows",
            "save the model with its own tokenizer",
        )
    names = {number: name for name, number in own.numbers.items()}
    wanted = {number: entry for number, entry in own.added.items() if entry.get("special")}
    wanted |= {
        n: own.added.get(n, {}) for n in _named_by(config, names, host, (rows[0], taken.size))
    }
    said = _templates(host)
    wanted |= {n: e for n, e in own.added.items() if str(e["content"]) in said}
    missing = sorted(n for n in wanted if names[n] not in taken.numbers and n < rows[0])
    moved = tuple(Token(names[n], n, taken.size + i) for i, n in enumerate(missing))
    result = {**taken.numbers, **{token.name: token.new for token in moved}}
    count = taken.size + len(moved)
    padded = any(side % ROUND == 0 for side in rows)
    room = -count % ROUND if padded else 0
    numbers = {number: result[name] for number, name in names.items() if name in result}
    return Move(moved, numbers, count, max(rows[1], count + room))


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


def _named_by(
    config: Any, names: Mapping[int, str], host: Path, sizes: tuple[int, int]
) -> list[int]:
    """The tokens by which the host's config means a picture and what is around it.

    `sizes`: the rows of the host's embedding, and how many tokens there will be before they move.
    """
    rows, count = sizes
    written = _read(host / CONFIG)
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
    texts = [str(_read(folder / WORDS).get("chat_template", ""))]
    for path in (*folder.glob("chat_template*"), *folder.glob("*processor_config.json")):
        texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(texts)


def write_beside(
    found: Move, host: Path, donor: Path, config: Any, speech: Table, into: Path
) -> None:
    """Write config, processor and tokenizer of the result into `into`.

    `config` is the host's, as transformers reads it; `speech` has the donor's `bos_token_id` and its like. Raises MergeError where a file of the two is
    none, and where the tokenizer, once written, gives a token another number.
    """
    for path in _small(host):
        if path.name == CONFIG:
            told = {**_written_out(config), **_read(path)}
            table = _speaking(_renumbered(told, found.numbers), found.rows, speech)
        elif path.name == GENERATION:
            table = _renumbered(_read(path), found.numbers)
            table |= {key: value for key, value in speech.items() if value is not None}
        elif path.name.endswith("processor_config.json"):
            table = _renumbered(_read(path), found.numbers)
        else:
            shutil.copyfile(path, into / path.name)
            continue
        _write(into / path.name, table)
    taken = vocabulary_of(donor)
    theirs = vocabulary_of(host).added
    entries = [{**_entry(theirs.get(t.old, {}), t.name), "id": t.new} for t in found.moved]
    whole = {**taken.whole, "added_tokens": [*(taken.whole.get("added_tokens") or []), *entries]}
    _write(into / FILE, whole)
    _write(into / WORDS, _tokenizer_config(host, donor, entries, set(taken.numbers)))
    _check(into / FILE, found)


def _written_out(config: Any) -> Table:
    """The numbers of tokens that a config has without saying so."""
    told = config.to_dict().items()
    return {key: n for key, n in told if NUMBERED.fullmatch(key) and key not in SPOKEN}


def _small(folder: Path) -> Iterable[Path]:
    from vlm.weights.writer import other_files

    return (path for path in other_files(folder) if path.name not in OTHERS)


def _entry(entry: Table, name: str) -> Table:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"content": name, **flags, "special": True, **entry}


def _renumbered(table: Table, numbers: Mapping[int, int]) -> Table:
    """The same table, tokens by their new numbers; what is no number or no token stays."""
    changed: Table = {}
    for key, value in table.items():
        if isinstance(value, dict):
            changed[key] = _renumbered(value, numbers)
        elif NUMBERED.fullmatch(key):
            changed[key] = _number(value, numbers)
        elif key in ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids"):
            changed[key] = _number(value, numbers) or None
        else:
            changed[key] = value
    return changed


def _number(value: Any, numbers: Mapping[int, int]) -> Any:
    if isinstance(value, list):
        found = [_number(one, numbers) for one in value]
        return [one for one in found if one is not None and one != []]
    return numbers.get(value, value if type(value) is not int or value < 0 else None)


def _speaking(config: Table, rows: int, speech: Table) -> Table:
    """A config with as many tokens, begun and ended as the donor does."""
    inner = config.get("text_config")
    nested = isinstance(inner, dict)
    if isinstance(inner, dict):
        config = {**config, "text_config": {**inner, "vocab_size": rows, **speech}}
    if not nested or "vocab_size" in config:
        config = {**config, "vocab_size": rows}
    outer = {key: value for key, value in speech.items() if not nested or key in config}
    return config | outer


def _tokenizer_config(host: Path, donor: Path, entries: list[Table], known: set[str]) -> Table:
    """The donor's, with the words by which the host's processor and template know its tokens."""
    own = {**_read(host / "special_tokens_map.json"), **_read(host / WORDS)}
    taken = {**_read(donor / "special_tokens_map.json"), **_read(donor / WORDS)}
    result = {n: v for n, v in taken.items() if n not in ("chat_template", "tokenizer_file")}
    result.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
    for name in (
        "chat_template",
        "processor_class",
        "padding_side",
        "model_specific_special_tokens",
    ):
        if name in own:
            result[name] = own[name]
    moved = [entry["content"] for entry in entries]
    for name, value in own.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and text in (*moved, *known):
            result.setdefault(name, value)
    extra = own.get("extra_special_tokens")
    if isinstance(extra, dict):
        result["extra_special_tokens"] = extra
    else:
        for name in ("extra_special_tokens", "additional_special_tokens"):
            if isinstance(own.get(name), list) or isinstance(result.get(name), list):
                listed = result.get(name) if isinstance(result.get(name), list) else []
                result[name] = list(dict.fromkeys([*map(_text, listed or []), *moved]))
    if "added_tokens_decoder" in result:
        decoder = {str(e["id"]): {k: v for k, v in e.items() if k != "id"} for e in entries}
        result["added_tokens_decoder"] = {**result["added_tokens_decoder"], **decoder}
    return result


def _text(token: Any) -> str:
    return str(token.get("content") if isinstance(token, dict) else token)


def _check(path: Path, found: Move) -> None:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # its reader raises nothing finer
        raise MergeError(f"the taken tokenizer cannot be read: {error}", "save it anew") from error
    for token in found.moved:
        if tokenizer.token_to_id(token.name) != token.new:
            raise MergeError(
                f"{token.name} would be token {tokenizer.token_to_id(token.name)}, not {token.new}",
                "the donor's tokenizer has gaps: save it anew with transformers",
            )


def _read(path: Path) -> Table:
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


def _write(path: Path, table: Table) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
