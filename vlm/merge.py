"""Candidate -> weights. One blending function serves the search, in memory, and `awase merge`, on disk.

In: a `Candidate` and its opened parents. Out: tensors by role. What is blended is fp32; what is kept
is the parent's own bytes. Every tensor that the host's architecture wants has exactly one origin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Candidate, Keep, Origin, Value
from vlm.anatomy.kinds import kind_of_tensor
from vlm.anatomy.parts import REST, Role
from vlm.errors import MergeError
from vlm.methods import KERNELS, Draw
from vlm.weights.source import Source
from vlm.weights.tokens import Rows, check_same, shared_rows

Sources = Mapping[str, Source]


TOKENS = (  # tensors of which each row is a token
    Role("language.embed", "weight"),
    Role("language.head", "weight"),
    Role("language.head", "bias"),
)


@dataclass(frozen=True)
class Portion:
    """What one unit of the result is made by: a keep, or place `index` of a blend."""

    made_by: Keep | Blend
    index: int = 0


def host_of(candidate: Candidate, sources: Sources) -> Source:
    """The parent whose config, processor and file names the result carries.

    It is the one that gives the projector where there is one (its config says how vision and
    language meet), else the one that gives the embeddings (its tokenizer must match them).
    """
    portions = portions_of(candidate)
    for unit in ("projector", "language.embed", "vision.embed"):
        if unit in portions:
            made_by = portions[unit].made_by
            if isinstance(made_by, Keep):
                return sources[made_by.origin.model]
            return sources[(made_by.base or made_by.ingredients[0].origin).model]
    raise MergeError(
        f"nothing in {candidate.name} says whose projector or embeddings the result has",
        "add a line such as `keep vision, projector, embed, head from …`",
    )


def portions_of(candidate: Candidate, host: Source | None = None) -> dict[str, Portion]:
    """Unit -> what makes it. A later line of the recipe wins over an earlier one.

    What stands beside the tower of a contrastive host (its text tower) stays the host's.
    """
    portions = {unit: Portion(keep) for keep in candidate.keeps for unit in keep.units}
    for blend in candidate.blends:
        portions |= {unit: Portion(blend, index) for index, unit in enumerate(blend.units)}
    if host is not None and REST in host.anatomy.units:
        portions[REST] = Portion(Keep((REST,), Origin(host.name)))
    return portions


def portion_of(portions: Mapping[str, Portion], role: Role) -> Portion | None:
    """What makes a tensor: its unit, or its kind of tensors in that layer; None where nothing does."""
    whole = portions.get(role.unit)
    if whole is None and ".layers." in role.unit:
        return portions.get(f"{role.unit}.{kind_of_tensor(role.tail)}")
    return whole


def check_whole(candidate: Candidate, host: Source, sources: Sources) -> None:
    """Raise MergeError unless every tensor of the result has one origin, of the right shape."""
    _check_differences(candidate, sources)
    portions = portions_of(candidate, host)
    for role, shape in host.anatomy.shapes.items():
        portion = portion_of(portions, role)
        if portion is None:
            raise MergeError(
                f"nothing in {candidate.name} says where {role.unit} comes from",
                f"add `keep {role.unit.removeprefix('language.')} from …`",
            )
        for origin in origins_of(portion.made_by):
            source = sources[origin.model]
            if role not in source.names:
                if source.partial:
                    continue  # an adapter adds nothing here
                source.tensor(role)  # raises, with the way out
            found = source.checkpoint.entries[source.names[role]].shape
            rows = by_token(portion, role)
            if found[rows:] != shape[rows:]:
                raise MergeError(
                    f"{role.unit} {role.tail} is {_by(found)} in {origin.model}"
                    f" and {_by(shape)} in {host.name}",
                    _way_out(role),
                )
    _check_tokens(portions, sources)
    _check_placed(portions, host)
    _check_tied(portions, host)
    _check_lost(portions, host, sources)


def _way_out(role: Role) -> str:
    if "position_embedding" in role.tail:
        return "take the tower in a blend that says `resize = bicubic`, or one for the same grid"
    if role in TOKENS:
        return "write `vocabulary = shared` in the blend of embed and head, or keep both from one model"
    return "these models cannot be blended here; keep this part from one of them"


def by_token(portion: Portion, role: Role) -> bool:
    """Whether the rows of a tensor are blended token by token, however many each parent has."""
    made_by = portion.made_by
    return role in TOKENS and isinstance(made_by, Blend) and "vocabulary" in made_by.settings


def rows_of(made_by: Blend, role: Role, host: Source, sources: Sources) -> Rows:
    """The rows of the tokens that the host and every parent of a blend have."""
    names = dict.fromkeys(origin.model for origin in origins_of(made_by))
    parents = {name: _vocabulary(sources[name], role) for name in names}
    return shared_rows(_vocabulary(host, role), parents, host.name)


def _vocabulary(source: Source, role: Role) -> tuple[Path, int]:
    """Where its tokenizer lies, and how many rows its embedding, or its head, has."""
    return source.folder, source.checkpoint.entries[source.names[role]].shape[0]


def _check_tokens(portions: Mapping[str, Portion], sources: Sources) -> None:
    """Rows that are blended as they stand must be of the same tokens."""
    for role in TOKENS[:2]:
        portion = portions.get(role.unit)
        if portion is None or isinstance(portion.made_by, Keep) or by_token(portion, role):
            continue
        names = dict.fromkeys(origin.model for origin in origins_of(portion.made_by))
        whole = [name for name in names if role in sources[name].names]
        check_same([(name, *_vocabulary(sources[name], role)) for name in whole])


def _check_placed(portions: Mapping[str, Portion], host: Source) -> None:
    """A layer that the result has no place for must not be left out in silence."""
    places = set(host.anatomy.units)
    for unit, portion in portions.items():
        layer = ".".join(unit.split(".")[:3])  # without the kind of its tensors
        if ".layers." in unit and layer not in places and isinstance(portion.made_by, Keep):
            raise MergeError(
                f"{portion.made_by.origin.model} gives {layer}, for which {host.name} has no place",
                f"take a model with as many layers as {host.name}, whose config the result has",
            )


def _check_lost(portions: Mapping[str, Portion], host: Source, sources: Sources) -> None:
    """What a parent of layers or of speech has, and the host does not, must not be left out either:
    the biases of another decoder, its norms of queries and keys, a head of its own."""
    for name, source in sources.items():
        for role in source.names.keys() & source.anatomy.shapes.keys():
            portion = portion_of(portions, role)
            counts = role.unit.startswith("language.") or ".layers." in role.unit
            if portion is None or not counts or role in host.anatomy.shapes:
                continue
            if any(origin.model == name for origin in origins_of(portion.made_by)):
                raise MergeError(
                    f"{name} has {role.unit} {role.tail}, for which {host.name} has no place",
                    f"take {role.unit.partition('.layers')[0]} from models that are built alike",
                )


def _check_differences(candidate: Candidate, sources: Sources) -> None:
    """A difference is added to a base, and is nothing by itself."""
    lines: list[Keep | Blend] = [*candidate.keeps, *candidate.blends]
    for line in lines:
        added = isinstance(line, Blend) and line.base is not None and _adds(line)
        for number, origin in enumerate(origins_of(line)):
            is_base = isinstance(line, Blend) and line.base is not None and number == 0
            if sources[origin.model].difference and (not added or is_base):
                raise MergeError(
                    f"{origin.model} is a difference, and is taken as a model",
                    "blend it by `task_arithmetic` onto its base",
                )


def _adds(blend: Blend) -> bool:
    """Whether a method computes base + f(differences), so that it can be given a difference."""
    method = METHODS[blend.method]
    return method.blends == "differences" or method.base == "optional"


def _check_tied(portions: Mapping[str, Portion], host: Source) -> None:
    """A host that ties its head to its embedding has one tensor for both: one origin, or a lie."""
    tied = not any(role.unit == "language.head" for role in host.anatomy.shapes)
    embed, head = portions.get("language.embed"), portions.get("language.head")
    if not tied or embed is None or head is None:
        return
    one, other = embed.made_by, head.made_by
    if isinstance(one, Keep) and isinstance(other, Keep):
        if one.origin.model == other.origin.model:
            return
    elif one == other:
        return
    raise MergeError(
        f"{host.name} ties head to embed, and the recipe gives them different origins",
        "let `embed` and `head` come from one line",
    )


def portion_tensor(
    portion: Portion, role: Role, host: Source, sources: Sources, keep: bool = False
) -> Tensor:
    """One tensor of the result. `keep` holds the parents' tensors in memory for the next call."""
    made_by = portion.made_by
    if isinstance(made_by, Keep):
        return sources[made_by.origin.model].tensor(role)
    if not by_token(portion, role):
        return _blended(portion, made_by, role, sources, keep, None)
    rows = rows_of(made_by, role, host, sources)
    result = host.tensor(role, keep).to(torch.float32, copy=True)
    result[rows.host] = _blended(portion, made_by, role, sources, keep, rows)
    return result


def _blended(
    portion: Portion, made_by: Blend, role: Role, sources: Sources, keep: bool, rows: Rows | None
) -> Tensor:
    """What the method makes of the parents' tensors, or of some rows of each; fp32."""

    def read(origin: Origin) -> Tensor:
        tensor = sources[origin.model].tensor(role, keep).float()
        return tensor if rows is None else tensor[rows.of[origin.model]]

    at = portion.index
    name = f"{role.unit}.{role.tail}"
    draw = None
    if made_by.seed is not None:
        names = tuple(ingredient.origin.model for ingredient in made_by.ingredients)
        draw = Draw(made_by.seed, name, names)
    base = read(made_by.base) if made_by.base is not None else None
    origins = [ingredient.origin for ingredient in made_by.ingredients]
    added = [sources[origin.model].difference for origin in origins]
    each = [_settings(ingredient.settings, at) for ingredient in made_by.ingredients]
    shared = _settings(made_by.settings, at)
    kernel = KERNELS[made_by.method]
    try:
        if base is None or not any(added):
            return kernel(base, [read(origin) for origin in origins], each, shared, draw)
        # Differences as they are, from a base of zeros: added to the base first and taken from it
        # again, a small one would lose its last digits.
        zero = torch.zeros_like(base)
        deltas = [
            _difference(sources[origin.model], role, read, origin, zero)
            if is_delta
            else read(origin) - base
            for origin, is_delta in zip(origins, added, strict=True)
        ]
        return kernel(zero, deltas, each, shared, draw).add_(base)
    except MergeError as error:
        raise error.at(name) from None  # a kernel knows no name


def _difference(
    source: Source, role: Role, read: Callable[[Origin], Tensor], origin: Origin, zero: Tensor
) -> Tensor:
    return zero if source.partial and role not in source.names else read(origin)


def _settings(settings: Mapping[str, tuple[Value, ...]], at: int) -> dict[str, Any]:
    """What holds at one unit: words as they are, numbers and flags as floats."""
    here = {name: values[at] for name, values in settings.items()}
    return {n: value if isinstance(value, str) else float(value) for n, value in here.items()}


def origins_of(made_by: Keep | Blend) -> list[Origin]:
    """Everyone a line takes from, its base first."""
    if isinstance(made_by, Keep):
        return [made_by.origin]
    base = [made_by.base] if made_by.base is not None else []
    return base + [ingredient.origin for ingredient in made_by.ingredients]


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape)) or "a scalar"
