"""What each hop attends to, and by which angles, whatever model's loop runs it.

In: the host's body and the hops with the bodies that they come from. Out: `Attention`: what the host's
config must say so that loop, masks and cache fit the walk, and for each hop what it needs beyond that: a
narrower mask where windows differ, other angles where positions differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vlm.route.body import FULL, SLIDING, Body, same_angles

Place = tuple[Body, int]  # a layer of a body


@dataclass(frozen=True)
class Attention:
    """`types` and `window` are the host's settings; the rest is one value a hop."""

    types: tuple[str, ...]
    window: int | None
    narrowed: tuple[int | None, ...]  # the window to be cut out of a full mask
    turned: tuple[bool, ...]  # whether the hop needs angles of its own

    @property
    def stock(self) -> bool:
        """Whether one config can say all of it."""
        return not any(self.turned) and not any(self.narrowed)


def attention_of(host: Body, places: Sequence[Place]) -> Attention:
    """Lay the attention of a walk out for the host's loop."""
    own = [body.types[layer] for body, layer in places]
    windows = [body.window(layer) for body, layer in places]
    sizes = {size for size in windows if size is not None}
    if _can_say(host, own, sizes):
        types, window = own, min(sizes, default=None)
        narrowed: list[int | None] = [None] * len(places)
    else:
        # Full caches and masks everywhere; what looks less far is cut down at its hop.
        types = [FULL if kind == SLIDING else kind for kind in own]
        window, narrowed = None, windows
    turned = [
        not same_angles(host.rotary, said, body.rotary, kind)
        for (body, _), said, kind in zip(places, types, own, strict=True)
    ]
    return Attention(tuple(types), window, tuple(narrowed), tuple(turned))


def _can_say(host: Body, own: Sequence[str], sizes: set[int]) -> bool:
    """Whether the host's config has words for these kinds of attention."""
    if len(sizes) > 1:
        return False
    if getattr(host.config, "layer_types", None) is not None:
        known = getattr(host.rotary, "layer_types", None)  # angles by kind, as Gemma 3 has them
        return known is None or set(own) <= set(known)
    if not sizes:
        return True
    return hasattr(host.config, "sliding_window") and set(own) == {SLIDING}


def settings_of(host: Body, attention: Attention) -> dict[str, Any]:
    """What the host's config must say of a walk, by field."""
    config = host.config
    said: dict[str, Any] = {"num_hidden_layers": len(attention.types)}
    if getattr(config, "layer_types", None) is not None:
        said["layer_types"] = list(attention.types)
        if attention.window is not None:
            said["sliding_window"] = attention.window
            if hasattr(config, "use_sliding_window"):
                said["use_sliding_window"] = True
    elif hasattr(config, "sliding_window"):
        said["sliding_window"] = attention.window
    return said


class Positions:
    """The positions of the tokens of one pass, overheard where the host turns them into angles."""

    def __init__(self, host: Body) -> None:
        self.ids: Tensor | None = None
        self._known: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}
        if host.rotary is not None:
            host.rotary.register_forward_pre_hook(self._hear, with_kwargs=True)

    def _hear(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        ids = kwargs["position_ids"] if "position_ids" in kwargs else args[1]
        if ids is not self.ids:
            self.ids = ids
            self._known.clear()

    def angles(self, body: Body, rotary: Any, kind: str, stream: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of one body's layers of one kind, computed once a pass."""
        key = (body.name, kind)
        if key not in self._known:
            by_kind = hasattr(rotary, "layer_types")
            self._known[key] = rotary(stream, self.ids, *([kind] if by_kind else []))
        return self._known[key]
