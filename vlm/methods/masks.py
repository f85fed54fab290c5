"""Random masks that depend on names alone: seed, tensor, model and position go in, a bit comes out.

A generator that is read in order gives a tensor other bits when one more tensor is drawn before it,
when work is split over threads, or on another device. Here nothing is read in order. Every pair of
elements hashes its own number under a key made from the names; the lower half of the hash is of the
first, the upper half of the second:

    z = key + (⌊position / 2⌋ + 1) · 0x9E3779B97F4A7C15                (mod 2⁶⁴)
    z = (z ⊕ (z ≫ 30)) · 0xBF58476D1CE4E5B9
    z = (z ⊕ (z ≫ 27)) · 0x94D049BB133111EB
    hash = z ⊕ (z ≫ 31)

which is SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195) used as the counter-based
generator that it is. Integer arithmetic wraps alike everywhere, so the bits are the same on any
device and in any order, and a candidate that is built twice is the same model twice.
"""

import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vlm.methods.arrays import Array

Words = np.ndarray[tuple[int], np.dtype[np.uint64]]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_WORD = 1 << 64


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
    draw: Draw, ingredient: int, density: float | Array, part: slice, beside: Array
) -> Array:
    """A flat mask of the positions in `part`, each true with probability `density`, independently.

    `density` is one number, or an array with one for each position, from 0 to 1. It is rounded to a
    multiple of 2⁻³²; 0 keeps nothing, 1 keeps everything. Positions count in row-major order, from
    the tensor's beginning. The mask lies where `beside` lies.
    """
    words = _words(draw.key(ingredient), part.start, part.stop, beside)
    if isinstance(density, float):
        chance = round(density * (1 << 32))
        # No word is above the largest, and 2³² is none: up to it, then, instead of below.
        most = chance - 1
        if most < 0:
            return words != words
        return words <= (np.uint32(most) if isinstance(words, np.ndarray) else most)
    if isinstance(words, np.ndarray):
        chances = density.astype(np.float64)
        chances *= 1 << 32
        return words < np.rint(chances, out=chances)
    return words < density.double().mul_(1 << 32).round_()


def like(numbers: Any, beside: Array) -> Array:
    """A numpy array where `beside` lies."""
    if isinstance(beside, np.ndarray):
        return numbers
    return sys.modules["torch"].from_numpy(numbers).to(beside.device)


def block_size(device: str) -> int:
    """64 Ki elements stay in a CPU's cache; an accelerator wants few, long launches."""
    return 1 << 16 if device == "cpu" else 1 << 24


def _words(key: int, start: int, stop: int, beside: Array) -> Array:
    """32 bits for each position: in unsigned words by numpy, by torch in 64-bit integers."""
    first = start // 2
    pairs = (stop + 1) // 2 - first
    if isinstance(beside, np.ndarray):
        words = _hashes(key, first, pairs).view("<u4")
    else:
        z = _hashes_of_torch(key, first, pairs, beside.device)
        torch: Any = sys.modules["torch"]
        words = torch.stack((z & 0xFFFFFFFF, _shift(z, 32)), dim=1).view(-1)
    return words[start - 2 * first : stop - 2 * first]


def _hashes(key: int, first: int, count: int) -> Words:
    """SplitMix64 at `count` places in a row."""
    z = _steps(count) + np.uint64((key + (first + 1) * _GOLDEN) % _WORD)
    shifted = np.empty_like(z)
    for bits, factor in ((30, _FIRST), (27, _SECOND)):
        np.right_shift(z, np.uint64(bits), out=shifted)
        z ^= shifted
        z *= np.uint64(factor)
    np.right_shift(z, np.uint64(31), out=shifted)
    z ^= shifted
    return z


@lru_cache(maxsize=4)
def _steps(count: int) -> Words:
    """0, 1, 2, … times the golden step, modulo 2⁶⁴."""
    steps: Words = np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN)
    steps.flags.writeable = False
    return steps


def _hashes_of_torch(key: int, first: int, count: int, device: Any) -> Array:
    """The same in torch.int64, for torch has no multiplication of unsigned words."""
    torch: Any = sys.modules["torch"]
    z = torch.arange(first + 1, first + count + 1, dtype=torch.int64, device=device)
    z.mul_(_signed(_GOLDEN)).add_(_signed(key))
    z.bitwise_xor_(_shift(z, 30)).mul_(_signed(_FIRST))
    z.bitwise_xor_(_shift(z, 27)).mul_(_signed(_SECOND))
    return z.bitwise_xor_(_shift(z, 31))


def _signed(word: int) -> int:
    """A 64-bit word as torch.int64 holds it."""
    return word - _WORD if word >= 1 << 63 else word


def _shift(z: Array, bits: int) -> Array:
    """z ≫ bits, filling with zeros; torch's own shift fills with the sign."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)
