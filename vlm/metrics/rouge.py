"""ROUGE-L: tokens of an answer and of its references go in, the F1 of their overlap comes out.

Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", https://aclanthology.org/W04-1013.
"""

from collections.abc import Sequence


def rouge_l(answer: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The best F1, in [0, 1], of the answer against each reference.

        p = LCS / |answer|,   r = LCS / |reference|,   F1 = 2 p r / (p + r)

    With β = 1, as `rouge_score` computes it, and not the β = 1.2 of the COCO caption scores.
    """
    return max(_f1(answer, reference) for reference in references)


def _f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    common = longest_common_subsequence(answer, reference)
    return 2 * common / (len(answer) + len(reference)) if common else 0.0


def longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence of two token lists.

    Bit i of `row` is 0 where the table of the textbook algorithm rises by one at one[i], so a whole
    row is computed by one addition (Hyyrö 2004, "Bit-parallel LCS-length computation revisited").
    """
    at: dict[str, int] = {}
    for i, token in enumerate(one):
        at[token] = at.get(token, 0) | 1 << i
    full = (1 << len(one)) - 1
    row = full
    for token in other:
        matches = row & at.get(token, 0)
        row = (row + matches | row - matches) & full
    return len(one) - row.bit_count()
