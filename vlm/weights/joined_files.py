"""The small files of a result whose tokenizer has the tokens of others behind its own.

In: what is joined, and the folder of the host. Out: a folder with all that is the host's, a config that counts the
new rows, and the joined tokenizer. Numbers of tokens stay, so nothing else changes.
"""

import shutil
from pathlib import Path

from merge_dsl.meaning.tokenizers import FILE
from vlm.weights.joined import Joined
from vlm.weights.moved import CONFIG, WORDS, Token, read_table, vocabulary_of
from vlm.weights.moved_files import (
    check_numbers,
    small,
    speaking,
    tokenizer_config,
    with_entries,
    write_table,
)


def write_joined(found: Joined, rows: int, host: Path, into: Path) -> None:
    """Write config, processor and tokenizer of the result into `into`.

    Raises MergeError where a file of the host's is none, and where the tokenizer, once written, gives a
    token another number.
    """
    for path in small(host):
        if path.name == CONFIG:
            write_table(into / CONFIG, speaking(read_table(path), rows, {}))
        else:
            shutil.copyfile(path, into / path.name)
    entries = list(found.entries)
    special = [str(entry["content"]) for entry in entries if entry["special"]]
    write_table(into / FILE, found.whole)
    write_table(into / WORDS, with_entries(tokenizer_config(host), entries, special))
    own = [Token(name, n, n) for name, n in vocabulary_of(host).numbers.items()]
    check_numbers(into / FILE, [*own, *found.tokens])
