"""`vocabulary = union`: the tokens of every parent of a blend, those that the host lacks behind its own.

In: the host, and the parents of the blend. Out: the small files of the result, and its rows:

    a token that every parent has    blended, later
    one that some of them lack       the row of the one that has it, or the mean of those that have it
    one that none of them has        the host's row, and so of a row below the first that is added
    padding                          the host's own, and the mean of all tokens' rows beyond

so that no padding is ever the likeliest word. Means are taken of the parents' rows as they are: where one of
them is the base of the blend, it counts as any other. mergekit takes the base's row there.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.weights.joined import Joined, join
from vlm.weights.joined_files import write_joined
from vlm.weights.moved import ROUND, Taken, named_by, padded_rows, vocabulary_of
from vlm.weights.raw import Numbers
from vlm.weights.source import Source
from vlm.weights.tokens import Words, tokens_of


def joined(
    host: Source, parents: Mapping[str, Source], words: Mapping[str, Words]
) -> tuple[Taken, Callable[[Role], Numbers]]:
    """The tokenizer that knows all tokens, and what makes the rows of a tensor where nothing is blended.

    Raises MergeError where the tokenizers are of different kinds, and for a parent that is a difference.
    """
    for source in parents.values():
        if source.difference:
            raise MergeError(
                f"{source.name} is a difference, and brings no tokens",
                "write `vocabulary = shared`, or blend embed and head without it",
            )
    own = words[host.name]
    found = join(host.name, own, {n: words[n] for n in parents if n != host.name})
    names = {n: text for text, n in vocabulary_of(host.folder).numbers.items()}
    named_by(host.config, names, host.folder, (own.rows, found.size))
    rows = padded_rows(found.size, own.rows, own.rows % ROUND == 0)
    place = TemporaryDirectory(prefix="awase-words-")
    write_joined(found, rows, host.folder, Path(place.name))
    taken = Taken(rows, found.size, _told(found, rows), _said(host, found), host.folder, place)
    result = Words(Path(place.name), rows)
    return taken, partial(_rows, host, parents, words, result, found.size)


def _told(found: Joined, rows: int) -> dict[str, Any]:
    added = {}
    for name, tokens in found.given.items():
        if tokens:
            added[name] = {"first row": tokens[0].new, "last row": tokens[-1].new}
    told = {"rows": rows, "tokens": found.size, "added": added}
    return told | ({"not reached": found.unreached} if found.unreached else {})


def _said(host: Source, found: Joined) -> str:
    counts = [f"{len(tokens)} tokens of `{name}`" for name, tokens in found.given.items() if tokens]
    words = f"Config, processor and tokenizer are those of `{host.name}`"
    return words + (f", with {' and '.join(counts)} added." if counts else ".")


def _rows(
    host: Source,
    parents: Mapping[str, Source],
    words: Mapping[str, Words],
    result: Words,
    size: int,
    role: Role,
) -> Numbers:
    raw = host.raw(role)
    own = raw.widened(slice(None)).reshape(raw.shape)
    whole = np.zeros((result.rows, *own.shape[1:]), dtype=np.float32)
    whole[: len(own)] = own
    at = {token: spelt.row for token, spelt in tokens_of(result).items()}
    counts = np.zeros(result.rows, dtype=np.int64)
    for name, source in parents.items():
        theirs = {token: spelt.row for token, spelt in tokens_of(words[name]).items()}
        both = [token for token in theirs if token in at]
        to = np.array([at[token] for token in both], dtype=np.int64)
        of = np.array([theirs[token] for token in both], dtype=np.int64)
        given = source.raw(role).rows(of).widened(slice(None)).reshape(len(of), *own.shape[1:])
        first = counts[to] == 0
        whole[to[first]] = given[first]
        whole[to[~first]] += given[~first]
        counts[to] += 1
    several = counts > 1
    whole[several] /= counts[several].reshape(-1, *[1] * (own.ndim - 1))
    end = max(size, len(own))
    whole[end:] = whole[:size].mean(axis=0, dtype=np.float64)
    return whole
