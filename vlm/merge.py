"""Candidate -> what makes each of its tensors, and whether all of it can be made.

In: a `Candidate` and its opened parents. Out: a portion for each unit. Every tensor that the host's
architecture wants has exactly one origin. How a tensor is computed is in `vlm/blend.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Candidate, Keep, Origin
from vlm.anatomy.body import REST, Role
from vlm.anatomy.kinds import kind_of_tensor
from vlm.errors import MergeError
from vlm.weights.source import Source
from vlm.weights.tokens import Rows, Words, check_same, shared_rows

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
            if source.partial and role not in source.names:
                continue  # an adapter adds nothing here
            entry = source.checkpoint.entries[source.name_of(role)]
            _check_rounded(role, entry.dtype, source, host)
            found = entry.shape
            rows = by_token(portion, role)
            if found[rows:] != shape[rows:]:
                raise MergeError(
                    f"{role.unit} {role.tail} is {_by(found)} in {origin.model}"
                    f" and {_by(shape)} in {host.name}",
                    _way_out(role),
                )
    _check_tokens(portions, host, sources)
    _check_placed(portions, host)
    _check_tied(portions, host)
    for name in {origin.model for p in portions.values() for origin in origins_of(p.made_by)}:
        _refuse_second_head(sources[name])
    _check_lost(portions, host, sources)


def _check_rounded(role: Role, dtype: str, source: Source, host: Source) -> None:
    """Whole numbers where the host has rounded ones are a quantised model's: without its scales, noise."""
    if role in host.names and not dtype.startswith(("F", "BF")):
        own = host.checkpoint.entries[host.names[role]].dtype
        if own.startswith(("F", "BF")):
            raise MergeError(
                f"{role.unit} {role.tail} is {dtype} in {source.name} and {own} in {host.name}",
                "dequantise the model, or take another",
            )


def _way_out(role: Role) -> str:
    if "position_embedding" in role.tail:
        return "take the tower in a blend that says `resize = bicubic`, or one for the same grid"
    if role in TOKENS:
        return "write `vocabulary = union` or `shared` in the blend of embed and head, or keep both from one model"
    return "these models cannot be blended here; keep this part from one of them"


def by_token(portion: Portion, role: Role) -> bool:
    """Whether the rows of a tensor are blended token by token, however many each parent has."""
    made_by = portion.made_by
    return role in TOKENS and isinstance(made_by, Blend) and "vocabulary" in made_by.settings


def rows_of(made_by: Blend, role: Role, host: Source, sources: Sources) -> Rows:
    """The rows of the tokens that the host and every parent of a blend have."""
    names = dict.fromkeys(origin.model for origin in origins_of(made_by))
    parents = {name: words_of(sources[name], role) for name in names}
    return shared_rows(words_of(host, role), parents, host.name)


def words_of(source: Source, role: Role) -> Words:
    """Where its tokenizer lies, and how many rows its embedding, or its head, has."""
    return Words(source.folder, source.checkpoint.entries[source.name_of(role)].shape[0])


def _check_tokens(portions: Mapping[str, Portion], host: Source, sources: Sources) -> None:
    """Rows that are taken as they stand must be of the host's tokens, whose tokenizer the result has."""
    for role in TOKENS[:2]:
        portion = portions.get(role.unit)
        if portion is None or by_token(portion, role) or role not in host.names:
            continue
        names = dict.fromkeys(origin.model for origin in origins_of(portion.made_by))
        names.pop(host.name, None)
        whole = [(n, words_of(sources[n], role)) for n in names if role in sources[n].names]
        check_same([(host.name, words_of(host, role)), *whole])


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


def _refuse_second_head(source: Source) -> None:
    """A config that ties the head, and files with another head all the same: transformers opens it untied,
    and the result would be tied."""
    embed, head = TOKENS[0], TOKENS[1]
    if head in source.anatomy.shapes or head not in source.names or embed not in source.names:
        return
    one, other = source.raw(embed), source.raw(head)
    if one.shape != other.shape or not np.array_equal(one.numbers, other.numbers):
        raise MergeError(
            f"the config of {source.name} ties head to embed, and its files hold another head",
            'write `"tie_word_embeddings": false` into its config.json',
        )


def origins_of(made_by: Keep | Blend) -> list[Origin]:
    """Everyone a line takes from, its base first."""
    if isinstance(made_by, Keep):
        return [made_by.origin]
    base = [made_by.base] if made_by.base is not None else []
    return base + [ingredient.origin for ingredient in made_by.ingredients]


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape)) or "a scalar"
