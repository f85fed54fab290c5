"""Exact match: an answer and its references go in, 1 or 0 comes out."""

from collections.abc import Sequence

from vlm.metrics.normal import plain


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1.0 where the answer equals a reference after NFKC and squeezing of spaces, else 0.0."""
    return float(plain(answer) in {plain(reference) for reference in references})
