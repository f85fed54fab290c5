"""The small files of a result that takes another tokenizer.

In: what moves, the folders of host and donor. Out: a folder with the host's config and processor, which speak
of the donor's tokens by number, and the donor's tokenizer with the host's tokens in it. The files are
edited as they stand, so nothing of the tokenizer is built anew.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from merge_dsl.meaning.tokenizers import FILE
from vlm.errors import MergeError
from vlm.weights.beside import other_files
from vlm.weights.moved import (
    CONFIG,
    GENERATION,
    NUMBERED,
    SPOKEN,
    WORDS,
    Move,
    Table,
    Token,
    read_table,
    vocabulary_of,
)

LISTS = ("extra_special_tokens", "additional_special_tokens")
# Other files of a tokenizer: they would not have the tokens that moved.
OTHERS = (
    FILE, WORDS, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


def write_beside(
    found: Move, host: Path, donor: Path, config: Any, speech: Table, into: Path
) -> None:
    """Write config, processor and tokenizer of the result into `into`.

    `config` is the host's, as transformers reads it; `speech` has the donor's `bos_token_id` and its like.
    Raises MergeError where a file of the two is none, and where the tokenizer, once written, gives a token
    another number.
    """
    for path in small(host):
        if path.name == CONFIG:
            told = {**_written_out(config), **read_table(path)}
            table = speaking(_renumbered(told, found.numbers), found.rows, speech)
        elif path.name == GENERATION:
            table = _renumbered(read_table(path), found.numbers)
            table |= {key: value for key, value in speech.items() if value is not None}
        elif path.name.endswith("processor_config.json"):
            table = _renumbered(read_table(path), found.numbers)
        else:
            shutil.copyfile(path, into / path.name)
            continue
        write_table(into / path.name, table)
    taken = vocabulary_of(donor)
    theirs = vocabulary_of(host).added
    entries = [flagged(theirs.get(t.old, {}), t) for t in found.moved]
    whole = {**taken.whole, "added_tokens": [*(taken.whole.get("added_tokens") or []), *entries]}
    write_table(into / FILE, whole)
    write_table(into / WORDS, _tokenizer_config(host, donor, entries, set(taken.numbers)))
    check_numbers(into / FILE, found.moved)


def _written_out(config: Any) -> Table:
    """The numbers of tokens that a config has without saying so."""
    told = config.to_dict().items()
    return {key: n for key, n in told if NUMBERED.fullmatch(key) and key not in SPOKEN}


def small(folder: Path) -> Iterable[Path]:
    return (path for path in other_files(folder) if path.name not in OTHERS)


def flagged(entry: Table, token: Token) -> Table:
    """An added token with the flags that it has, and special where nothing is said."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"content": token.name, **flags, "special": True, **entry, "id": token.new}


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


def speaking(config: Table, rows: int, speech: Table) -> Table:
    """A config with as many tokens, begun and ended as the donor does."""
    inner = config.get("text_config")
    nested = isinstance(inner, dict)
    if isinstance(inner, dict):
        config = {**config, "text_config": {**inner, "vocab_size": rows, **speech}}
    if not nested or "vocab_size" in config:
        config = {**config, "vocab_size": rows}
    outer = {key: value for key, value in speech.items() if not nested or key in config}
    return config | outer


def tokenizer_config(folder: Path) -> Table:
    """What a folder says of its tokenizer beside `tokenizer.json`."""
    said = {**read_table(folder / "special_tokens_map.json"), **read_table(folder / WORDS)}
    said.pop("tokenizer_file", None)
    return {"tokenizer_class": "PreTrainedTokenizerFast", **said}


def _tokenizer_config(host: Path, donor: Path, entries: list[Table], known: set[str]) -> Table:
    """The donor's, with the words by which the host's processor and template know its tokens."""
    own = tokenizer_config(host)
    result = tokenizer_config(donor)
    result.pop("chat_template", None)
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
    for name in LISTS:
        if isinstance(own.get(name), list) and not isinstance(result.get(name), list | dict):
            result[name] = []
    return with_entries(result, entries, moved)


def with_entries(config: Table, entries: list[Table], listed: list[str]) -> Table:
    """A tokenizer's config that knows added tokens; `listed` are named where it lists special ones."""
    result = dict(config)
    if not isinstance(result.get("extra_special_tokens"), dict):
        for name in LISTS:
            if isinstance(result.get(name), list):
                result[name] = list(dict.fromkeys([*map(_text, result[name]), *listed]))
    if "added_tokens_decoder" in result:
        decoder = {str(e["id"]): {k: v for k, v in e.items() if k != "id"} for e in entries}
        result["added_tokens_decoder"] = {**result["added_tokens_decoder"], **decoder}
    return result


def _text(token: Any) -> str:
    return str(token.get("content") if isinstance(token, dict) else token)


def check_numbers(path: Path, tokens: Iterable[Token]) -> None:
    """Raise MergeError where a tokenizer, as it is read, gives a token another number."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # its reader raises nothing finer
        raise MergeError(f"the new tokenizer cannot be read: {error}", "save it anew") from error
    for token in tokens:
        found = tokenizer.token_to_id(token.name)
        if found != token.new:
            raise MergeError(
                f"{token.name} would be token {found}, not {token.new}",
                "its tokenizer has gaps: save it anew with transformers",
            )


def write_table(path: Path, table: Table) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
