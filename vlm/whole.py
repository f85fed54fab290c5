"""`vocabulary = whole`: the tokenizer of the one parent beside the host, the host's image tokens moved over.

In: the host, which sees, and the parents of the blend. Out: the small files of the result, and its rows:

    a token of the donor      the donor's row; blended, where every parent of the blend has the token
    a token that moved        the host's row
    padding                   the donor's own, and the mean of its rows beyond

so that no padding is ever the likeliest word.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.weights.moved import SPOKEN, Move, Taken, move
from vlm.weights.moved_files import write_beside
from vlm.weights.raw import Numbers
from vlm.weights.source import Source
from vlm.weights.tokens import Words


def moved(
    host: Source, parents: Mapping[str, Source], words: Mapping[str, Words]
) -> tuple[Taken, Callable[[Role], Numbers]]:
    """The tokenizer that is taken, and what makes the rows of a tensor where nothing is blended.

    Raises MergeError where there is more than one to take, or no picture to look at.
    """
    donor = parents[_donor(parents, host)]
    found = move(
        host.folder, donor.folder, (words[host.name].rows, words[donor.name].rows), host.config
    )
    place = TemporaryDirectory(prefix="awase-words-")
    speech = _speech(donor, host, found)
    write_beside(found, host.folder, donor.folder, host.config, speech, Path(place.name))
    taken = Taken(
        found.rows,
        found.size,
        _told(host, donor, found),
        _said(host, donor, found),
        host.folder,
        place,
    )
    return taken, partial(_rows, host, donor, found)


def _donor(parents: Mapping[str, Source], host: Source) -> str:
    names = parents.keys() - {host.name}
    if len(names) != 1:
        raise MergeError(
            f"`vocabulary = whole` takes the tokenizer of the one model beside {host.name}, and the blend"
            f" has {', '.join(sorted(names)) or 'none'}",
            "take one model beside the host in the blend of embed and head, or write `union`",
        )
    if not (host.anatomy.sees and host.anatomy.speaks):
        raise MergeError(
            f"`vocabulary = whole` moves image tokens over, and {host.name} does not see",
            "keep embed and head from the model whose tokenizer the result shall have, or write `union`",
        )
    return names.pop()


def _speech(donor: Source, host: Source, found: Move) -> dict[str, Any]:
    """How texts begin, end and are padded: as with the donor, whose tokenizer it is."""
    speech: dict[str, Any] = {}
    for key in SPOKEN:
        value = getattr(donor.config.get_text_config(decoder=True), key, None)
        if value is None:
            own = getattr(host.config.get_text_config(decoder=True), key, None)
            value = found.numbers.get(own) if isinstance(own, int) else None
        speech[key] = value
    return speech


def _told(host: Source, donor: Source, found: Move) -> dict[str, Any]:
    names = {t.name: {"row": t.new, "from": host.name, "its row": t.old} for t in found.moved}
    return {"rows": found.rows, "tokens": found.size, "of": donor.name, "moved": names}


def _said(host: Source, donor: Source, found: Move) -> str:
    names = ", ".join(f"`{token.name}`" for token in found.moved)
    words = f"Config and processor are those of `{host.name}`, the tokenizer is `{donor.name}`'s"
    return words + (f", with {names} added." if names else ".")


def _rows(host: Source, donor: Source, found: Move, role: Role) -> Numbers:
    own, theirs = (
        source.raw(role)
        .widened(slice(None))
        .reshape(source.checkpoint.entries[source.name_of(role)].shape)
        for source in (donor, host)
    )
    whole = np.empty((found.rows, *own.shape[1:]), dtype=np.float32)
    whole[: len(own)] = own
    whole[len(own) :] = own.mean(axis=0, dtype=np.float64)
    for token in found.moved:
        whole[token.new] = theirs[token.old]
    return whole
