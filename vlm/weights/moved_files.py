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
    read_table,
    vocabulary_of,
)
from vlm.weights.tokens import FILE

# Other files of a tokenizer: they would not have the tokens that moved.
OTHERS = (
    FILE, WORDS, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


def write_beside(
    found: Move, host: Path, donor: Path, config: Any, speech: Table, into: Path
) -> None:
    """Write config, processor and tokenizer of the result into `into`.

    `config` is the host's, as transformers reads it; `speech` has the donor's `bos_token_id` and its like. Raises MergeError where a file of the two is
    none, and where the tokenizer, once written, gives a token another number.
    """
    for path in _small(host):
        if path.name == CONFIG:
            told = {**_written_out(config), **read_table(path)}
            table = _speaking(_renumbered(told, found.numbers), found.rows, speech)
        elif path.name == GENERATION:
            table = _renumbered(read_table(path), found.numbers)
            table |= {key: value for key, value in speech.items() if value is not None}
        elif path.name.endswith("processor_config.json"):
            table = _renumbered(read_table(path), found.numbers)
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
    own = {**read_table(host / "special_tokens_map.json"), **read_table(host / WORDS)}
    taken = {**read_table(donor / "special_tokens_map.json"), **read_table(donor / WORDS)}
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


def _write(path: Path, table: Table) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
