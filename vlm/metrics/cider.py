"""CIDEr-D: how much an answer says what the references say, each n-gram weighed by how rare it is.

Vedantam, Zitnick, Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation",
arXiv:1411.5726. In: tokens of an answer and its references, and frequencies that were counted once
on a whole data set. Out: a score, 0 to 10 for most texts.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Ngram = tuple[str, ...]

LONGEST = 4
SIGMA = 6.0


@dataclass(frozen=True)
class Frequencies:
    """In how many of `documents` pictures' references each n-gram stands at least once.

    The usual evaluation counts these on whatever it is scoring, so a score on a part of a data set
    is not comparable with one on the whole: five identical captions score 0. Here they are counted
    on the whole set, once, and passed in.
    """

    documents: int
    counts: Mapping[Ngram, int]

    def rarity(self, ngram: Ngram) -> float:
        """log(documents / frequency); an n-gram of no reference counts as if one picture had it."""
        return math.log(self.documents) - math.log(max(1, self.counts.get(ngram, 0)))


def count_frequencies(documents: Iterable[Sequence[Sequence[str]]]) -> Frequencies:
    """Frequencies over tokenised references, one document a sample."""
    counts: Counter[Ngram] = Counter()
    total = 0
    for references in documents:
        total += 1
        counts.update({ngram for reference in references for ngram in ngrams(reference)})
    return Frequencies(total, counts)


def ngrams(tokens: Sequence[str]) -> Counter[Ngram]:
    """How often each 1- to 4-gram occurs."""
    return Counter(
        tuple(tokens[start : start + n])
        for n in range(1, LONGEST + 1)
        for start in range(len(tokens) - n + 1)
    )


@dataclass(frozen=True)
class Vector:
    """A text's n-grams weighed by rarity, apart for each n; `length` is its number of bigrams."""

    weights: tuple[Mapping[Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


def vector(tokens: Sequence[str], frequencies: Frequencies) -> Vector:
    """g(ω) = count(ω) · log(documents / frequency(ω)), for the n-grams ω of each n."""
    weights: tuple[dict[Ngram, float], ...] = tuple({} for _ in range(LONGEST))
    for ngram, count in ngrams(tokens).items():
        weights[len(ngram) - 1][ngram] = count * frequencies.rarity(ngram)
    norms = tuple(math.hypot(*one.values()) for one in weights)
    return Vector(weights, norms, max(0, len(tokens) - 1))


def similarity(answer: Vector, reference: Vector) -> float:
    """The mean over n of the clipped cosine, damped where the lengths differ.

        1/4 Σ_n  Σ_ω min(g_a(ω), g_r(ω)) g_r(ω) / (‖g_a‖ ‖g_r‖)  ·  exp(−(l_a − l_r)² / 2σ²)

    Clipping keeps a text that repeats one good word from scoring; σ = 6 bigrams.
    """
    damping = math.exp(-((answer.length - reference.length) ** 2) / (2 * SIGMA**2))
    total = 0.0
    for n in range(LONGEST):
        wanted = reference.weights[n]
        product = sum(
            min(weight, wanted[ngram]) * wanted[ngram]
            for ngram, weight in answer.weights[n].items()
            if ngram in wanted
        )
        lengths = answer.norms[n] * reference.norms[n]
        total += product / lengths if lengths else 0.0
    return damping * total / LONGEST


def cider(
    answer: Sequence[str], references: Sequence[Sequence[str]], frequencies: Frequencies
) -> float:
    """Ten times the mean similarity to the references, the scale on which CIDEr-D is published."""
    said = vector(answer, frequencies)
    total = sum(similarity(said, vector(reference, frequencies)) for reference in references)
    return 10 * total / len(references)
