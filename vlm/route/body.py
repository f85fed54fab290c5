"""A model as a road sees it: one stack of layers, what feeds it, and what reads its end.

In: a loaded model. Out: a `Body`: the layers, and what each of them goes by: the kind of its attention,
its window, its positions. Nothing is copied.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from vlm.anatomy.roles import decoder_of, list_in, tower_of
from vlm.errors import ModelError

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Body:
    """`owner` runs the layers; the list of them hangs on `holder` under the name `slot`."""

    name: str  # of the model, as the recipe calls it
    model: Any
    owner: Any
    holder: nn.Module
    slot: str
    layers: tuple[nn.Module, ...]
    config: Any  # of the owner
    types: tuple[str, ...]  # the kind of attention, one a layer
    reach: int | None = None  # how far back its sliding layers look

    @property
    def rotary(self) -> Any:
        """What turns positions into angles; None where positions are learnt, or in a tower."""
        return getattr(self.owner, "rotary_emb", None)

    @property
    def width(self) -> int:
        """Of the residual stream."""
        return int(self.config.hidden_size)

    def window(self, layer: int) -> int | None:
        """How far back a layer looks; None is all the way."""
        return self.reach if self.types[layer] == SLIDING else None

    def bare(self) -> "Body":
        """The layers and their angles alone, so that embeddings and heads can leave the memory."""
        owner = SimpleNamespace(rotary_emb=self.rotary)
        return replace(self, model=None, owner=owner, holder=nn.Module())

    @property
    def norm(self) -> tuple[str, nn.Module] | None:
        """The last norm of the owner, with its name; None where it has none."""
        names = [name for name, _ in self.owner.named_children()]
        after = names[names.index(self.slot) + 1 :] if self.slot in names else []
        found = [name for name in after if "norm" in name]
        return (found[0], getattr(self.owner, found[0])) if found else None


def body_of(name: str, model: Any, stack: str) -> Body:
    """Find the stack ("language" or "vision"). Raises ModelError where there is none."""
    owner = decoder_of(model) if stack == "language" else tower_of(model)
    layers = list_in(owner) if owner is not None else None
    if owner is None or layers is None:
        raise ModelError(
            f"{name} has no {stack} layers that can be walked one after another",
            "name a model whose layers are one list, and none of them looks at the picture",
        )
    holder, slot = next(
        (module, child_name)
        for module in owner.modules()
        for child_name, child in module.named_children()
        if child is layers
    )
    config = owner.config
    return Body(
        name=name,
        model=model,
        owner=owner,
        holder=holder,
        slot=slot,
        layers=tuple(layers),
        config=config,
        types=_types(config, len(layers)) if stack == "language" else (FULL,) * len(layers),
        # Read once: the config of a host changes with every walk.
        reach=getattr(config, "sliding_window", None) if stack == "language" else None,
    )


def _types(config: Any, count: int) -> tuple[str, ...]:
    written = getattr(config, "layer_types", None)
    if written is not None:
        return tuple(written[:count])
    slides = getattr(config, "use_sliding_window", True)
    sliding = slides and getattr(config, "sliding_window", None) is not None
    return (SLIDING if sliding else FULL,) * count


def angles(rotary: Any, kind: str) -> tuple[Tensor, float, str] | None:
    """Frequencies, attention scaling and type of a rotary module for one kind of layer."""
    if rotary is None:
        return None
    own = hasattr(rotary, f"{kind}_inv_freq")
    stem = f"{kind}_" if own else ""
    found = getattr(rotary, f"{stem}inv_freq", None)
    if found is None:
        return None
    rope_type = rotary.rope_type.get(kind, "") if own else getattr(rotary, "rope_type", "")
    return found, float(getattr(rotary, f"{stem}attention_scaling", 1.0)), str(rope_type)


def same_angles(one: Any, one_kind: str, other: Any, other_kind: str) -> bool:
    """Whether two rotary modules turn positions alike."""
    first, second = angles(one, one_kind), angles(other, other_kind)
    if first is None or second is None:
        return first is second
    return first[1:] == second[1:] and torch.equal(first[0], second[0])
