"""A walk as a checkpoint: an ordinary one, every hop a layer of its own, scales folded into the weights.

In: a walker and a walk. Out: a folder that `from_pretrained` opens and that computes what the walk
computes: it is reopened before it takes its place, and refused where its logits differ. Its size is that
of its hops. Where no ordinary checkpoint can hold the walk it is written with code of its own
(`vlm/route/custom.py`), and the result says why.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.space.candidate import Walk
from vlm.anatomy.parts import Role, memory_roles, skeleton
from vlm.errors import MergeError
from vlm.route.attention import attention_of, settings_of
from vlm.route.custom import described, edited, items_of, put_code
from vlm.route.fold import Change, Changes, NoFold, folded
from vlm.route.verify import Difference, Differs, check_same
from vlm.route.walker import Walker
from vlm.weights.provenance import write_provenance_of_walk
from vlm.weights.raw import FLOATS, Numbers, of_tensor
from vlm.weights.result import own_dtype, stored
from vlm.weights.source import Source
from vlm.weights.writer import Config, Item, Tell, dtype_of, write_items

Edit = Callable[[Config], Config]


def write_walk(
    walk: Walk,
    walker: Walker,
    sources: Mapping[str, Source],
    out: Path,
    *,
    recipe: str,
    shown: str | None = None,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    inputs: Sequence[Mapping[str, Any]] | None = None,
    tell: Tell = lambda done, total: None,
) -> Difference:
    """Write `walk` to `out`, and return how far its logits are from those of the walk.

    `recipe` and `shown` are as in `write_model`; `inputs` are what both are asked; None draws some. Raises MergeError where nothing can hold the walk,
    or what was written does not compute it.
    """
    spelt = dtype_of(walker.host, dtype)
    card = recipe if shown is None else shown
    found: list[Difference] = []

    def check(folder: Path, code: str = "") -> None:
        found.append(check_same(walker.put(walk), folder, walker.host, spelt, inputs))
        write_provenance_of_walk(folder, walk, walker.host, sources, card, code)

    def write(items: dict[str, Item], edit: Edit, check: Callable[[Path], None]) -> None:
        write_items(
            items,
            walker.host,
            [source.folder for source in sources.values()],
            out,
            recipe=recipe,
            dtype=dtype,
            shard_bytes=shard_bytes,
            edit=edit,
            check=check,
            tell=tell,
        )

    try:
        changes = folded(walker, walk)
        settings = _settings(walker, walk)
        untie = _untied(walker, walk, changes)
        items = dict(_items(walker, walk, sources, changes, settings, untie))
        edit = partial(_edited, stack=walk.stack, settings=settings, untie=untie)
        write(items, edit, check)
        return found[0]
    except (NoFold, Differs) as error:
        why = error.what
    said = described(walker, walk)

    def with_code(folder: Path) -> None:
        put_code(folder, said)
        check(folder, why)

    own = partial(edited, walker=walker, walk=walk, said=said)
    write(dict(items_of(walker, walk, sources, said)), own, with_code)
    return replace(found[-1], code=why)


# ---- config --------------------------------------------------------------------


def _settings(walker: Walker, walk: Walk) -> dict[str, Any]:
    """What the config of the walked stack must say. Raises NoFold where it has no words for it."""
    if walk.stack == "vision":
        if not hasattr(walker.body.config, "num_hidden_layers"):
            raise _no(walker, "the config of this tower does not count its layers one by one")
        return {"num_hidden_layers": len(walk.hops)}
    attention = attention_of(walker.body, walker.places(walk))
    if any(attention.narrowed):
        raise _no(walker, "its layers look back through windows of several sizes")
    if any(attention.turned):
        body, _ = walker.places(walk)[attention.turned.index(True)]
        raise _no(walker, f"{body.name} turns positions by other angles than {walk.begin}")
    return settings_of(walker.body, attention)


def _no(walker: Walker, why: str) -> NoFold:
    return NoFold(
        f"no ordinary checkpoint can hold this walk: {why}",
        "the walk itself runs; write a road whose layers agree, or leave `write` out",
    )


def _untied(walker: Walker, walk: Walk, changes: Changes) -> bool:
    """Whether a model that ties its head to its embedding must give that up."""
    tied = Role("language.head", "weight") not in walker.host.anatomy.shapes
    return tied and (changes.embed != 1.0 or walk.end != walk.begin)


def _edited(config: Config, stack: str, settings: Mapping[str, Any], untie: bool) -> Config:
    """config.json of the host, saying what the result is."""
    found = copy.deepcopy(config)
    key = "vision_config" if stack == "vision" else "text_config"
    nested = found.get(key)
    (nested if isinstance(nested, dict) else found).update(settings)
    if untie:
        found["tie_word_embeddings"] = False
        if isinstance(nested, dict):
            nested["tie_word_embeddings"] = False
    return found


# ---- tensors -------------------------------------------------------------------


def _items(
    walker: Walker,
    walk: Walk,
    sources: Mapping[str, Source],
    changes: Changes,
    settings: Mapping[str, Any],
    untie: bool,
) -> Iterator[tuple[str, Item]]:
    """Name in the file -> tensor, for everything that the result's architecture wants."""
    host = walker.host
    config = _config_of(host, walk, settings, untie)
    model = skeleton(config, host.trusted)
    twins = set(getattr(model, "all_tied_weights_keys", {}) or {})
    spelling = _Spelling(host, walk.stack)
    state = model.state_dict()
    for memory, role in memory_roles(model).items():
        if memory in twins:
            continue
        source, wanted, change = _origin(walk, sources, changes, memory, role)
        name = spelling.of(role, memory)
        kept = of_tensor(torch.empty(0, dtype=state[memory].dtype)).dtype
        read = partial(_read, source, wanted, change, name)
        # What is folded is computed, as a blend is, and written as the host is.
        own = own_dtype(source, wanted) if change is None else None
        yield name, Item(tuple(state[memory].shape), None if kept in FLOATS else kept, own, read)


def _config_of(host: Source, walk: Walk, settings: Mapping[str, Any], untie: bool) -> Any:
    """The host's config, saying of the result what `_edited` writes."""
    config = copy.deepcopy(host.config)
    inner = config.vision_config if walk.stack == "vision" else config.get_text_config(decoder=True)
    for name, value in settings.items():
        setattr(inner, name, value)
    if untie:
        config.tie_word_embeddings = inner.tie_word_embeddings = False
    return config


def _origin(
    walk: Walk, sources: Mapping[str, Source], changes: Changes, memory: str, role: Role
) -> tuple[Source, Role, Change | None]:
    """Which parent gives a tensor, in which role, and what is done to it."""
    stem = f"{walk.stack}.layers."
    if role.unit.startswith(stem):
        hop = int(role.unit.removeprefix(stem))
        step = walk.hops[hop]
        wanted = Role(f"{stem}{step.layer}", role.tail)
        return sources[step.model], wanted, changes.layers.get((hop, role.tail))
    if walk.stack == "language" and role.unit == "language.norm":
        return sources[walk.end], role, changes.norm.get(role.tail)
    if role.unit == "language.head":
        end = sources[walk.end]
        return end, role if role in end.names else Role("language.embed", role.tail), None
    change = changes.rest.get(memory)
    if role == Role("language.embed", "weight") and changes.embed != 1.0:
        factor = changes.embed
        return sources[walk.begin], role, lambda tensor: tensor * factor
    return sources[walk.begin], role, change


def _read(
    source: Source, role: Role, change: Callable[[Tensor], Tensor] | None, name: str, dtype: str
) -> Iterator[Numbers]:
    if change is None:
        return stored(source.raw(role), dtype, name)
    return stored(of_tensor(change(source.tensor(role).float())), dtype, name)


class _Spelling:
    """How the host's files call a tensor: a layer that they do not have is called after one they do."""

    def __init__(self, host: Source, stack: str) -> None:
        self.host, self.stem = host, f"{stack}.layers."
        self._at: dict[str, int] = {}

    def of(self, role: Role, memory: str) -> str:
        if not role.unit.startswith(self.stem):
            return self.host.names.get(role, memory)  # a head that was tied has no name yet
        first = self.host.names[Role(f"{self.stem}0", role.tail)]
        words = first.split(".")
        words[self._place(first, role)] = role.unit.removeprefix(self.stem)
        return ".".join(words)

    def _place(self, first: str, role: Role) -> int:
        """Which word of a name is the number of the layer."""
        words = first.split(".")
        second = self.host.names.get(Role(f"{self.stem}1", role.tail))
        if second is not None:
            pairs = zip(words, second.split("."), strict=True)
            return next(place for place, (one, other) in enumerate(pairs) if one != other)
        numbers = [place for place, word in enumerate(words) if word == "0"]
        if len(numbers) != 1:
            raise MergeError(f"{first}: which layer is this?", "begin the road with another model")
        return numbers[0]
