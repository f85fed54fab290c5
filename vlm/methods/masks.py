"""Random masks that depend on names alone: seed, tensor, model and position go in, a bit comes out.

A generator that is read in order gives a tensor other bits when one more tensor is drawn before it,
when work is split over threads, or on another device. Here nothing is read in order. Every element
hashes its own position under a key made from the names:

    z = key + (position + 1) · 0x9E3779B97F4A7C15                      (mod 2⁶⁴)
    z = (z ⊕ (z ≫ 30)) · 0xBF58476D1CE4E5B9
    z = (z ⊕ (z ≫ 27)) · 0x94D049BB133111EB
    hash = z ⊕ (z ≫ 31)

which is SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) used as the counter-based
generator that it is. Integer arithmetic wraps alike everywhere, so the bits are the same on any
device and in any order, and a candidate that is built twice is the same model twice.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


def _signed(word: int) -> int:
    """A 64-bit word as torch.int64 holds it; torch has no multiplication for uint64."""
    return word - (1 << 64) if word >= 1 << 63 else word


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


@dataclass(frozen=True)
class Draw:
    """Names the masks of one blended tensor; two draws that differ in any name are independent."""

    seed: int
    tensor: str  # the result's name for it
    models: tuple[str, ...]  # one an ingredient, in their order

    def key(self, ingredient: int) -> int:
        """The 64-bit key of one ingredient's mask, from blake2b over the three names."""
        names = "\0".join((str(self.seed), self.tensor, self.models[ingredient]))
        return int.from_bytes(hashlib.blake2b(names.encode(), digest_size=8).digest(), "little")


def keep_mask(
    draw: Draw,
    ingredient: int,
    density: float | Tensor,
    shape: torch.Size,
    device: torch.device,
    block: int | None = None,
) -> Tensor:
    """A bool tensor of `shape`, each element True with probability `density`, independently.

    `density` is one number, or a tensor of `shape` with one for each element. The probability is
    rounded to a multiple of 2⁻³²; 0 keeps nothing, 1 keeps everything. Positions count in row-major
    order. `block` is how many are hashed at a time and changes no bit.
    """
    count = shape.numel()
    block = block or block_size(device)
    key = _signed(draw.key(ingredient))
    flat = density.flatten() if isinstance(density, Tensor) else density
    mask = torch.empty(count, dtype=torch.bool, device=device)
    for start in range(0, count, block):
        stop = min(start + block, count)
        threshold = _threshold(flat[start:stop] if isinstance(flat, Tensor) else flat)
        torch.lt(_hash(key, start, stop, device), threshold, out=mask[start:stop])
    return mask.view(shape)


def _threshold(density: float | Tensor) -> int | Tensor:
    """A probability as the count of 32-bit words below it."""
    if isinstance(density, Tensor):
        return density.double().clamp(0.0, 1.0).mul_(1 << 32).round_().long()
    return round(min(max(density, 0.0), 1.0) * (1 << 32))


def block_size(device: torch.device) -> int:
    """64 Ki elements stay in a CPU's cache; an accelerator wants few, long launches."""
    return 1 << 16 if device.type == "cpu" else 1 << 24


def _hash(key: int, start: int, stop: int, device: torch.device) -> Tensor:
    """The top 32 bits of each position's hash, as int64 in [0, 2³²)."""
    z = torch.arange(start + 1, stop + 1, dtype=torch.int64, device=device)
    z.mul_(_GOLDEN).add_(key)
    z.bitwise_xor_(_shift(z, 30)).mul_(_FIRST)
    z.bitwise_xor_(_shift(z, 27)).mul_(_SECOND)
    z.bitwise_xor_(_shift(z, 31))
    return _shift(z, 32)


def _shift(z: Tensor, bits: int) -> Tensor:
    """z ≫ bits, filling with zeros; torch's own shift fills with the sign."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)
