"""Which tensor of a checkpoint is which part of its model, from the names in its headers alone.

In: tensor names, in any spelling of transformers 4 or 5. Out: name -> `Spot`, the unit and the name
inside it. No torch, so a lint can know it; `vlm/anatomy` finds the same from the model itself, and one
test holds the two equal for every family. Nothing here goes by the name of a family:

* the language model lies where `embed_tokens.weight` does, and its head is `lm_head`;
* the vision tower lies where a patch embedding does;
* the projector is all else, wherever it lies: mergers and adapters inside a tower, `image_newline`, a
  Q-Former, and the layers of a decoder that look at the picture.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

EMBEDS = ("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings")
HEAD = re.compile(r"(?:.*\.)?(?:lm_head|embed_out)\.")
PATCHES = re.compile(
    r"(.*?)(?:embeddings\.)?(?:patch_embed(?:ding|dings)?|patch_conv)\.|(.*?\bvisual\.)conv1\."
)
ENCODER = re.compile(
    r"(?!.*(?:qformer|text))(.*?)(?:(?:encoder|transformer)\.(?:layers?|resblocks)|blocks)\.\d+\."
)
LAYER = re.compile(r"((?:.*?\.)?(?:layers|layer|blocks|resblocks|h))\.(\d+)\.(.+)")
NORM = re.compile(r"(?!.*(?:pre|emb))([^.]*norm[^.]*|ln_[^.]*)\.(weight|bias)", re.IGNORECASE)
BRIDGES = ("merger", "adapter", "projector", "connector")  # inside a tower, they are the projector
POOLS = ("head", "pooler", "attn_pool")  # what a tower does with its last layer goes with its norm
CROSS = "cross_attn"


class Spot(NamedTuple):
    """What one tensor is: the unit it belongs to and its name inside that unit."""

    unit: str
    tail: str


class InLayer(NamedTuple):
    """A name inside a part that belongs to a layer."""

    stack: str  # the list it is of: "encoder.layers"
    number: int
    tail: str


def spots_of(names: Iterable[str]) -> dict[str, Spot]:
    """Tensor name -> what it is. Empty where neither a language model nor a tower shows itself."""
    known = list(names)
    root = _decoder(known)
    tower = _tower(known, root)
    if root is None and tower is None:
        return {}
    spots: dict[str, Spot] = {}
    language: dict[str, str] = {}
    vision: dict[str, str] = {}
    for name in known:
        head = HEAD.match(name)
        if tower is not None and name.startswith(tower) and len(tower) > len(root or ""):
            vision[name] = name[len(tower) :]
        elif head:
            spots[name] = Spot("language.head", name[head.end() :])
        elif root is not None and name.startswith(root):
            language[name] = name[len(root) :]
        elif tower is not None and name.startswith(tower):
            vision[name] = name[len(tower) :]
        else:
            spots[name] = Spot("projector", name.removeprefix("model."))
    spots |= _part("language", language) | _part("vision", vision)
    return {name: spots[name] for name in known}


def _decoder(names: list[str]) -> str | None:
    """What every name of the language model begins with."""
    for word in EMBEDS:
        end = f"{word}.weight"
        found = [name.removesuffix(end) for name in names if name.endswith(end)]
        found = [p for p in found if p == "" or p.endswith(".")]
        speaking = [p for p in found if "vision" not in p and "qformer" not in p]
        if speaking:
            return min(speaking, key=len)
    return None


def _tower(names: list[str], root: str | None) -> str | None:
    """What every name of the vision tower begins with; None for a model that does not see."""
    for name in names:
        found = PATCHES.match(name)
        start = (found[1] or found[2] or "") if found else ""
        if found and LAYER.match(start) is None:
            return start
    for name in names:  # in part of a file, the layers of an encoder will do
        found = ENCODER.match(name)
        if found and (root is None or not name.startswith(root)):
            return found[1]
    return None


def _part(part: str, inside: dict[str, str]) -> dict[str, Spot]:
    """The tensors of one part; `inside` is name -> name within it."""
    layers = {
        name: InLayer(found[1], int(found[2]), found[3])
        for name, inner in inside.items()
        if (found := LAYER.fullmatch(inner)) and not _is_bridge(found[1])
    }
    first = _places(list(layers.values()))
    spots = _of_layers(part, layers, first)
    holders = {""} | {f"{'.'.join(stack.split('.')[:-1])}." for stack in first if "." in stack}
    norms = {norm for inner in inside.values() if (norm := _norm(inner, holders))}
    for name, inner in inside.items():
        if name in spots:
            continue
        holder = max((h for h in holders if inner.startswith(h)), key=len)
        child, _, rest = inner[len(holder) :].partition(".")
        norm = _norm(inner, holders)
        if _is_bridge(child):
            spots[name] = Spot("projector", name.removeprefix("model."))
        elif part == "vision" and child in POOLS:
            spots[name] = Spot("vision.norm", f"{child}.{rest}")
        elif norm:
            spots[name] = Spot(f"{part}.norm", rest if len(norms) == 1 else f"{child}.{rest}")
        else:
            spots[name] = Spot(f"{part}.embed", rest if child in EMBEDS else inner)
    return spots


def _is_bridge(name: str) -> bool:
    return any(word in name for word in BRIDGES)


def _norm(inner: str, holders: set[str]) -> str | None:
    """The norm that a name is of, where it stands beside the layers."""
    for holder in holders:
        found = NORM.fullmatch(inner[len(holder) :]) if inner.startswith(holder) else None
        if found:
            return f"{holder}{found[1]}"
    return None


def _places(layers: list[InLayer]) -> dict[str, int]:
    """List -> the number of its first layer: the longest list, then every other one of its kind.

    A tower may walk two lists one behind the other, as mllama's local and global layers.
    """
    tails: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        counts[layer.stack] = max(counts.get(layer.stack, 0), layer.number + 1)
        tails.setdefault(layer.stack, set()).add(layer.tail)
    order = sorted(counts, key=lambda stack: (-counts[stack], stack))
    places: dict[str, int] = {}
    at = 0
    for stack in order:
        if len(tails[stack] & tails[order[0]]) * 2 >= len(tails[order[0]]):
            places[stack] = at
            at += counts[stack]
    return places


def _of_layers(part: str, layers: dict[str, InLayer], first: dict[str, int]) -> dict[str, Spot]:
    """The tensors of layers. Those that look at the picture are of the projector, and not counted."""
    crossed: set[int] = set()
    if part == "language":
        crossed = {x.number for x in layers.values() if x.tail.startswith(f"{CROSS}.")}
    spots = {}
    for name, layer in layers.items():
        if layer.stack not in first:
            continue
        if layer.number in crossed:
            spots[name] = Spot("projector", f"cross_layers.{layer.number}.{layer.tail}")
        else:
            number = first[layer.stack] + layer.number
            number -= sum(n < layer.number for n in crossed)
            spots[name] = Spot(f"{part}.layers.{number}", layer.tail)
    return spots
