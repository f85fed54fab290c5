"""`vocabulary = whole` and `union`: the host under another tokenizer than its own.

In: a candidate, its host and its parents. Out: the host as the result will be: config, processor and
tokenizer in a folder of this process, and embeddings of as many rows as the result has. Rows of tokens that
every parent of a blend has are blended later (`vlm/blend.py`); what the others are is said in
`vlm/whole.py` and `vlm/union.py`. Where the recipe says nothing of it, the host is returned as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merge_dsl.space.candidate import Blend, Candidate
from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.merge import TOKENS, Sources, origins_of
from vlm.union import joined
from vlm.weights.beside import check_beside
from vlm.weights.moved import Taken
from vlm.weights.source import Source
from vlm.weights.tokens import Words, need_tokens
from vlm.whole import moved

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

# Word -> the tokenizer, and the rows of a tensor where nothing is blended, fp32.
Fill = Callable[[Role], "ndarray[Any, Any]"]
Make = Callable[[Source, Sources, Mapping[str, Words]], tuple[Taken, Fill]]
MAKES: Mapping[str, Make] = {"whole": moved, "union": joined}


def with_words(candidate: Candidate, host: Source, sources: Sources) -> Source:
    """The host under the tokenizer that the candidate says. Raises MergeError where it cannot be."""
    said = [(str(b.settings.get("vocabulary", ("",))[0]), b) for b in candidate.blends]
    lines = {word: [b for other, b in said if other == word] for word, _ in said if word in MAKES}
    if not lines:
        return host
    if len(lines) > 1:
        raise MergeError(
            "one model has one vocabulary, and the blends say `whole` and `union`",
            "let `embed` and `head` come from one blend",
        )
    check_beside(host.folder)
    word, blends = lines.popitem()
    _need_both(word, blends, host)
    names = dict.fromkeys(origin.model for line in blends for origin in origins_of(line))
    parents = {name: sources[name] for name in names}
    words = {}
    for source in (host, *parents.values()):
        need_tokens(source.name, source.folder)
        words[source.name] = Words(source.folder, _rows(source))
        _need_one_width(host, source)
    return _worded(host, *MAKES[word](host, parents, words))


def _need_both(word: str, lines: list[Blend], host: Source) -> None:
    covered = {unit for line in lines for unit in line.units}
    for role in TOKENS:
        if role in host.anatomy.shapes and role.unit not in covered:
            raise MergeError(
                f"`vocabulary = {word}` is not said of {role.unit}",
                "let `embed` and `head` come from one blend",
            )


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


def _need_one_width(host: Source, source: Source) -> None:
    for role in TOKENS:
        if role in host.anatomy.shapes:
            own, other = (s.checkpoint.entries[s.name_of(role)].shape[1:] for s in (host, source))
            if own != other:
                raise MergeError(
                    f"{role.unit} of {source.name} is {other[-1]} wide, and of {host.name} {own[-1]}",
                    "these models cannot be blended",
                )


def _worded(host: Source, taken: Taken, fill: Fill) -> Source:
    from vlm.weights.views import Changed

    folder = Path(taken.place.name)
    shapes, entries = dict(host.anatomy.shapes), dict(host.checkpoint.entries)
    changes: dict[str, Callable[[], Tensor]] = {}
    for role in TOKENS:
        if role in shapes:
            name = host.names[role]
            shapes[role] = (taken.rows, *shapes[role][1:])
            entries[name] = replace(entries[name], shape=shapes[role])
            changes[name] = partial(_tensor, fill, role)
    return replace(
        host,
        read_config=partial(_config, folder, host.trusted, taken),
        checkpoint=Changed(host.checkpoint, changes, entries, folder),
        anatomy=replace(host.anatomy, shapes=shapes),
        taken=taken,
    )


def _tensor(fill: Fill, role: Role) -> "Tensor":
    import torch

    return torch.from_numpy(fill(role))


def _config(folder: Path, trusted: bool, taken: Taken) -> Any:
    """What was written, as transformers reads it; it must be understood as it was meant."""
    from vlm.anatomy.parts import read_config

    config = read_config(str(folder), trusted)
    rows = config.get_text_config(decoder=True).vocab_size
    image = getattr(config, "image_token_id", None)
    if rows != taken.rows or (image is not None and not 0 <= image < taken.size):
        raise MergeError(
            f"a {config.model_type} config does not say where its vocabulary ends, or its image token",
            "keep embed and head from the model whose config the result has",
        )
    return config
