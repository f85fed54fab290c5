"""VQA accuracy: an answer and what annotators answered go in, their agreement comes out.

Antol et al. 2015, "VQA: Visual Question Answering", arXiv:1505.00468.
"""

from collections.abc import Sequence

from vlm.metrics.normal import bare


def vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """How many annotators gave this answer, in [0, 1], after `bare` normalisation.

        mean over annotators k of  min(1, matches among the others / min(3, number of others))

    With ten references this is the published metric, three agreeing annotators being enough. With
    fewer than four others, all of them must agree. One reference leaves nobody else to agree with,
    so there it is plain equality.
    """
    said = bare(answer)
    matches = [bare(reference) == said for reference in references]
    others = len(matches) - 1
    if others == 0:
        return float(matches[0])
    needed = min(3, others)
    return sum(min(1.0, (sum(matches) - one) / needed) for one in matches) / len(matches)
