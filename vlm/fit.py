"""Towers as the host's processor and grid want them: other pixels are folded in, positions resized.

In: a candidate, its host and its parents. Out: the same parents, those whose tower is taken changed so
that they mean in the host what they mean at home. What cannot be changed is a MergeError.

With x = (p − m) / s, a tower that was trained on (m₀, s₀) and is shown (m₁, s₁) sees the same picture when

    W' = W · s₁ / s₀  for each channel,     and  Σ W (m₁ − m₀) / s₀  is added to every patch:

to the bias of the patch embedding, or, where it has none, to the position of each patch.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from merge_dsl.space.candidate import Blend, Candidate, Keep
from vlm.anatomy.body import Role
from vlm.errors import MergeError
from vlm.merge import origins_of
from vlm.weights.pixels import Pixels
from vlm.weights.source import Source

if TYPE_CHECKING:
    from torch import Tensor

EMBED = "vision.embed"
PATCH = Role(EMBED, "embeddings.patch_embedding.weight")
BIAS = Role(EMBED, "embeddings.patch_embedding.bias")
POSITION = Role(EMBED, "embeddings.position_embedding.weight")
CLASS = Role(EMBED, "embeddings.class_embedding")


def fit(candidate: Candidate, host: Source, sources: Mapping[str, Source]) -> dict[str, Source]:
    """The parents as the host needs them. Raises MergeError for a tower that nothing can fit."""
    words: dict[str, str | None] = {}  # of each tower whose embedding is taken
    taken: set[str] = set()
    lines: list[Keep | Blend] = [*candidate.keeps, *candidate.blends]
    for line in lines:
        if any(unit.startswith("vision.") for unit in line.units):
            names = [origin.model for origin in origins_of(line)]
            taken |= set(names)
            if EMBED in line.units:
                found = line.settings.get("resize") if isinstance(line, Blend) else None
                words |= dict.fromkeys(names, str(found[0]) if found else None)
    fitted = dict(sources)
    for name in sorted(taken - {host.name}):
        if sources[name].difference:
            continue
        _refuse_activation(sources[name], host)
        if name in words:
            fitted[name] = _fitted(sources[name], host, words[name])
    return fitted


def _refuse_activation(source: Source, host: Source) -> None:
    """QuickGELU is no GELU: weights tuned for one mean something else under the other."""
    one, other = (getattr(s.vision, "hidden_act", None) for s in (source, host))
    if one and other and (one == "quick_gelu") != (other == "quick_gelu"):
        raise MergeError(
            f"the tower of {source.name} is tuned for {one}, and {host.name} computes {other}",
            "take a tower with the same activation",
        )


def _fitted(source: Source, host: Source, resize: str | None) -> Source:
    changes: dict[Role, Callable[[], Tensor]] = {}
    shapes: dict[Role, tuple[int, ...]] = {}
    read = source.tensor
    wanted = host.anatomy.shapes.get(POSITION)
    own = source.anatomy.shapes.get(POSITION)
    resized = resize is not None and wanted is not None and own is not None and wanted != own
    if resized and resize is not None and wanted is not None:
        before = 1 if CLASS in source.names else 0
        _refuse_grids(source, host, before)
        changes[POSITION] = partial(_resized, source, wanted[0], before, resize)
        shapes[POSITION] = (wanted[0], *(own or wanted)[1:])
    if source.pixels and host.pixels and not source.pixels.alike(host.pixels):
        if PATCH not in source.names or not {BIAS, POSITION} & source.names.keys():
            raise MergeError(
                f"{source.name} and {host.name} normalise pictures differently, and where that could"
                " be folded into this tower is not known",
                "take a CLIP or SigLIP tower, or one with the same mean and deviation",
            )
        fold = partial(_folded, source, source.pixels, host.pixels)
        changes[PATCH] = lambda: fold()[0]
        target = BIAS if BIAS in source.names else POSITION
        positions = changes.get(POSITION, lambda: read(POSITION))
        changes[target] = (
            (lambda: read(BIAS).float() + fold()[1])
            if target == BIAS
            else lambda: _shifted(positions(), fold()[1], CLASS in source.names)
        )
    if not changes:
        return source
    names = {source.names[role]: change for role, change in changes.items()}
    entries = {n: e for n, e in source.checkpoint.entries.items()}
    for role, shape in shapes.items():
        name = source.names[role]
        entries[name] = replace(entries[name], shape=shape)
    from vlm.weights.views import Changed

    view = Changed(source.checkpoint, names, entries)
    return replace(source, checkpoint=view)


def _folded(source: Source, own: Pixels, host: Pixels) -> "tuple[Tensor, Tensor]":
    """The patch embedding for the host's pixels, and what is added to every patch; fp32."""
    import torch

    weight = source.tensor(PATCH).double()
    m0, s0, m1, s1 = (
        torch.tensor(x, dtype=torch.float64).view(1, -1, 1, 1)
        for x in (own.mean, own.std, host.mean, host.std)
    )
    if weight.dim() != 4 or weight.shape[1] != m0.numel() or m0.numel() != m1.numel():
        raise MergeError(
            f"{source.name} reads pictures of {weight.shape[1]} channels",
            "take a tower that reads red, green and blue",
        )
    shift = (weight * ((m1 - m0) / s0)).sum(dim=(1, 2, 3))
    return (weight * (s1 / s0)).float(), shift.float()


def _shifted(positions: "Tensor", shift: "Tensor", has_class: bool) -> "Tensor":
    """Every patch's position moved; the class token sees no pixel."""
    moved = positions.float().clone()
    moved[1 if has_class else 0 :] += shift
    return moved


def _refuse_grids(source: Source, host: Source, before: int) -> None:
    for one in (source, host):
        rows = one.anatomy.shapes[POSITION][0] - before
        if round(rows**0.5) ** 2 != rows:
            raise MergeError(
                f"{one.name} has {rows} patch positions, which are no square",
                "take a tower for square pictures",
            )


def _resized(source: Source, rows: int, before: int, word: str) -> "Tensor":
    """Positions on another grid: rows by width, fp32; the class token's stays as it is."""
    import torch
    from torch.nn import functional

    positions = source.tensor(POSITION).float()
    first, patches = positions[:before], positions[before:]
    old, new = round(len(patches) ** 0.5), round((rows - before) ** 0.5)
    picture = patches.T.reshape(1, -1, old, old)
    smooth = {"mode": word, "antialias": True, "align_corners": False}
    drawn = functional.interpolate(picture, size=(new, new), **smooth)  # type: ignore[arg-type]
    return torch.cat([first, drawn[0].reshape(-1, new * new).T])
