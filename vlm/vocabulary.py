"""`vocabulary = whole`: the host under the tokenizer of another parent, its own image tokens moved over.

In: a candidate, its host and its parents. Out: the host as the result will be: config, processor and
tokenizer in a folder of this process, and embeddings of as many rows as there are tokens. Row by row:

    a token of the donor      the donor's row; blended, where every parent of the blend has the token
    a token that moved        the host's row
    padding                   the donor's own, and the mean of its rows beyond

so that no padding is ever the likeliest word. Where the recipe says nothing of it, the host is returned as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from merge_dsl.space.candidate import Blend, Candidate
from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.merge import TOKENS, Sources, origins_of
from vlm.weights.beside import check_beside
from vlm.weights.moved import SPOKEN, Move, Taken, move
from vlm.weights.moved_files import write_beside
from vlm.weights.source import Source
from vlm.weights.tokens import need_tokens

if TYPE_CHECKING:
    from torch import Tensor


def with_words(candidate: Candidate, host: Source, sources: Sources) -> Source:
    """The host under the tokenizer that the candidate takes whole. Raises MergeError where it cannot."""
    lines = [b for b in candidate.blends if b.settings.get("vocabulary", ("",))[0] == "whole"]
    if not lines:
        return host
    donor = sources[_donor(lines, host)]
    _refuse(lines, host, donor)
    check_beside(host.folder)
    own, taken = (_rows(source) for source in (host, donor))
    found = move(host.folder, donor.folder, (own, taken), host.config)
    place = TemporaryDirectory(prefix="awase-words-")
    speech = _speech(donor, host, found)
    write_beside(found, host.folder, donor.folder, host.config, speech, Path(place.name))
    return _worded(host, donor, Taken(donor.name, found, host.folder, place))


def _donor(lines: list[Blend], host: Source) -> str:
    names = {origin.model for line in lines for origin in origins_of(line)} - {host.name}
    if len(names) == 1:
        return names.pop()
    raise MergeError(
        f"`vocabulary = whole` takes the tokenizer of the one model beside {host.name}, and the blend"
        f" has {', '.join(sorted(names)) or 'none'}",
        "take one model beside the host in the blend of embed and head",
    )


def _refuse(lines: list[Blend], host: Source, donor: Source) -> None:
    if not (host.anatomy.sees and host.anatomy.speaks):
        raise MergeError(
            f"`vocabulary = whole` moves image tokens over, and {host.name} does not see",
            f"keep embed and head from {donor.name}, which brings its tokenizer along",
        )
    covered = {unit for line in lines for unit in line.units}
    for role in TOKENS:
        if role in host.anatomy.shapes and role.unit not in covered:
            raise MergeError(
                f"`vocabulary = whole` is not said of {role.unit}",
                "let `embed` and `head` come from one blend",
            )
    for source in (host, donor):
        need_tokens(source.name, source.folder)


def _rows(source: Source) -> int:
    """How many rows the embedding has, and the head too."""
    sides = {
        source.checkpoint.entries[source.names[role]].shape[0]
        for role in TOKENS
        if role in source.names and role in source.anatomy.shapes
    }
    if len(sides) == 1:
        return sides.pop()
    raise MergeError(
        f"embedding and head of {source.name} have {' and '.join(map(str, sorted(sides)))} rows",
        "its vocabulary cannot be changed: keep embed and head from it",
    )


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


def _worded(host: Source, donor: Source, taken: Taken) -> Source:
    from vlm.weights.views import Changed

    found, folder = taken.move, Path(taken.place.name)
    shapes, entries = dict(host.anatomy.shapes), dict(host.checkpoint.entries)
    changes: dict[str, Callable[[], Tensor]] = {}
    for role in TOKENS:
        if role in shapes:
            name = host.names[role]
            shapes[role] = (found.rows, *shapes[role][1:])
            entries[name] = replace(entries[name], shape=shapes[role])
            changes[name] = partial(_unblended, host, donor, role, found)
    return replace(
        host,
        read_config=partial(_config, folder, host.trusted, found),
        checkpoint=Changed(host.checkpoint, changes, entries, folder),
        anatomy=replace(host.anatomy, shapes=shapes),
        taken=taken,
    )


def _unblended(host: Source, donor: Source, role: Role, found: Move) -> "Tensor":
    """The rows as they are where nothing is blended, fp32."""
    import torch

    own, theirs = (
        source.raw(role)
        .widened(slice(None))
        .reshape(source.checkpoint.entries[source.name_of(role)].shape)
        for source in (donor, host)
    )
    if own.shape[1:] != theirs.shape[1:]:
        raise MergeError(
            f"{role.unit} of {donor.name} is {own.shape[-1]} wide, and of {host.name} {theirs.shape[-1]}",
            "these models cannot be blended",
        )
    whole = np.empty((found.rows, *own.shape[1:]), dtype=np.float32)
    whole[: len(own)] = own
    whole[len(own) :] = own.mean(axis=0, dtype=np.float64)
    for token in found.moved:
        whole[token.new] = theirs[token.old]
    return torch.from_numpy(whole)


def _config(folder: Path, trusted: bool, found: Move) -> Any:
    """What was written, as transformers reads it; it must be understood as it was meant."""
    from vlm.anatomy.parts import read_config

    config = read_config(str(folder), trusted)
    rows = config.get_text_config(decoder=True).vocab_size
    image = getattr(config, "image_token_id", None)
    if rows != found.rows or (image is not None and not 0 <= image < found.size):
        raise MergeError(
            f"a {config.model_type} config does not say where its vocabulary ends, or its image token",
            "keep embed and head from the model that sees",
        )
    return config
