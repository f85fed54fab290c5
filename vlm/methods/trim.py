"""Which elements of a difference are largest: exactly k of them, whatever the device.

Differences of bf16 models hold many equal magnitudes, and a sort that breaks ties by chance gives
other models on other devices. Here the lower row-major index wins.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

from vlm.methods.arrays import (
    Array,
    ascending,
    chosen,
    count,
    joined,
    kth_smallest,
    positions,
    scaled,
)
from vlm.methods.pieces import Pieces

Trim = Callable[[Array], None]  # changes one piece after another, each once and in order
SHORT = 1 << 17  # below it, a tensor is looked at as a whole
SAMPLE = 1 << 16
STRIDE = 256  # at most; what is held of a very long tensor grows with the root of its length
KEPT = 16  # limits of one tensor that are remembered


class Limit(NamedTuple):
    """The k largest: all above `value`, and of those that equal it the first `level`."""

    value: float
    level: int


def trims(pieces: Pieces, densities: Sequence[float]) -> list[Trim]:
    """For each ingredient, what keeps the k elements of largest magnitude, and zeros elsewhere.

    k = max(1, ⌊density · n⌋),   none where density ≤ 0
    """
    size = pieces.count
    keeps = [max(1, int(density * size)) if density > 0 else 0 for density in densities]
    found = limits(pieces, [{keep} for keep in keeps])
    return [_trim(each[keep]) for each, keep in zip(found, keeps, strict=True)]


def bands(pieces: Pieces, densities: Sequence[float], gammas: Sequence[float]) -> list[Trim]:
    """For each ingredient, what takes out its smallest and its largest elements.

        top = ⌊γ n⌋,   k = ⌊density · n⌋,   bottom = max(0, n − k − top)

    The k elements above the `bottom` smallest stay. Where density + γ > 1, fewer than `top` are
    dropped; density 1 keeps everything, as in mergekit.
    """
    size = pieces.count
    ends = []
    for density, gamma in zip(densities, gammas, strict=True):
        keep = size if density >= 1 else int(density * size)
        above = size - max(0, size - keep - int(gamma * size))  # without the smallest
        ends.append((size, 0) if density >= 1 else (above, above - keep))
    found = limits(pieces, [set(end) for end in ends])
    return [_band(each[a], each[b]) for each, (a, b) in zip(found, ends, strict=True)]


def limits(pieces: Pieces, keeps: Sequence[set[int]]) -> list[dict[int, Limit]]:
    """For each ingredient and each k that is asked of it, what tells its k largest.

    A sorted sample brackets the k-th between two of its values; what lies in the bracket is a few
    percent, and only there is the rank looked up. Where the sample misleads, all are searched.
    """
    found = [{k: _known(pieces, i, k) for k in ks} for i, ks in enumerate(keeps)]
    wanted = [(i, k) for i, ks in enumerate(found) for k, limit in ks.items() if limit is None]
    if wanted:
        for old in [key for key in pieces.memo if key[0] == "limit"][: -KEPT or None]:
            del pieces.memo[old]  # a search over densities asks for each of them once
        for (i, k), limit in zip(wanted, _searched(pieces, wanted), strict=True):
            pieces.memo["limit", i, k] = found[i][k] = limit
    return [{k: limit for k, limit in ks.items() if limit is not None} for ks in found]


def _known(pieces: Pieces, ingredient: int, keep: int) -> Limit | None:
    if keep <= 0:
        return Limit(float("inf"), 0)
    if keep >= pieces.count:
        return Limit(-1.0, 0)
    limit: Limit | None = pieces.memo.get(("limit", ingredient, keep))
    return limit


def _searched(pieces: Pieces, wanted: Sequence[tuple[int, int]]) -> list[Limit]:
    if pieces.count < SHORT:
        whole = pieces.sample(1).tensors
        return [_limit(abs(whole[i]), k) for i, k in wanted]
    samples = _samples(pieces, {i for i, _ in wanted})
    brackets = [_bracket(samples[i], k / pieces.count) for i, k in wanted]
    above, held = [0] * len(wanted), [0] * len(wanted)
    inside: list[list[Array]] = [[] for _ in wanted]
    for piece in pieces.differences():
        magnitudes = {i: abs(piece.tensors[i]) for i in samples}
        for number, ((i, _), (low, high)) in enumerate(zip(wanted, brackets, strict=True)):
            over, reached = magnitudes[i] > high, magnitudes[i] >= low
            above[number] += count(over)
            if low < high:
                inside[number].append(chosen(magnitudes[i], reached ^ over))
                held[number] += len(inside[number][-1])
            else:  # all are equal, and many: half of a bf16 model may not have changed
                held[number] += count(reached ^ over)
    found = []
    for (i, k), over, size, parts, (low, _) in zip(
        wanted, above, held, inside, brackets, strict=True
    ):
        if 0 < k - over <= size:
            found.append(_limit(joined(parts), k - over) if parts else Limit(low, k - over))
        else:
            every = [abs(piece.tensors[i]) for piece in pieces.differences()]
            found.append(_limit(joined(every), k))
    return found


def _samples(pieces: Pieces, wanted: set[int]) -> dict[int, Array]:
    """Of each ingredient every so-manieth magnitude, sorted: the more, the fewer lie in a bracket."""
    lacking = [i for i in wanted if ("sample", i) not in pieces.memo]
    if lacking:
        sampled = pieces.sample(min(pieces.count // SAMPLE, STRIDE))
        for i in lacking:
            pieces.memo["sample", i] = ascending(abs(sampled.tensors[i]))
    return {i: pieces.memo["sample", i] for i in sorted(wanted)}


def _bracket(sample: Array, share: float) -> tuple[float, float]:
    """Between which values the smallest of the largest `share` lies, all but surely."""
    # The rank in a sample of s strays by √s / 2 at most one time in three; six times that is far.
    middle, reach = (1 - share) * len(sample), 3 * sqrt(len(sample))
    low, high = int(middle - reach), int(middle + reach)
    return (
        float(sample[low]) if low > 0 else -1.0,
        float(sample[high]) if high < len(sample) - 1 else float("inf"),
    )


def largest(magnitudes: Array, keep: int) -> Array:
    """A mask of the `keep` largest of a flat array: of exactly so many."""
    if 0 < keep < len(magnitudes):
        return _Largest(_limit(magnitudes, keep))(magnitudes)
    return magnitudes >= (float("inf") if keep <= 0 else -float("inf"))


def _limit(magnitudes: Array, keep: int) -> Limit:
    """The k largest of an array, 1 ≤ k ≤ n."""
    value = kth_smallest(magnitudes, len(magnitudes) - keep)
    return Limit(value, keep - count(magnitudes > value))


class _Largest:
    """Says piece after piece which elements are among the k largest."""

    def __init__(self, limit: Limit) -> None:
        self.value, self.level = limit

    def __call__(self, magnitudes: Array) -> Array:
        kept = magnitudes > self.value
        if self.level:
            equal = magnitudes == self.value
            found = count(equal)
            if found <= self.level:
                kept |= equal
            else:
                kept[positions(equal)[: self.level]] = True
            self.level -= min(found, self.level)
        return kept


def _trim(limit: Limit) -> Trim:
    largest = _Largest(limit)

    def trim(delta: Array) -> None:
        if limit.value >= 0:
            delta *= scaled(largest(abs(delta)), 1.0)

    return trim


def _band(above: Limit, top: Limit) -> Trim:
    largest, dropped = _Largest(above), _Largest(top)

    def band(delta: Array) -> None:
        magnitudes = abs(delta)
        delta *= scaled(largest(magnitudes) & ~dropped(magnitudes), 1.0)

    return band
