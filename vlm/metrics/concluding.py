"""Whether an answer concludes with the right number, in the right language: 1 or 0 comes out."""

from vlm.errors import MetricError
from vlm.metrics.language import LANGUAGES
from vlm.metrics.numbers import last_number
from vlm.metrics.sample import Sample


def number_accuracy(sample: Sample, language: str = "any") -> float:
    """1.0 where the answer's last number equals a reference's last number, as a value, else 0.0.

    The last one counts, as for GSM8K (Cobbe et al. 2021, arXiv:2110.14168) and MGSM: answers reason
    first and conclude then, and references end in "#### 18". With a `language` the answer must also be
    in it, as in Akiba et al. 2024 (arXiv:2403.13187), who count MGSM-JA answers that are right and
    Japanese. The answer alone is judged, since such references are bare numbers; an answer that is one
    too ("18") is in no language and counts as wrong, while one letter is enough ("18個", "十八").

    Raises MetricError for a reference without a number.
    """
    wanted = [last_number(reference) for reference in sample.references]
    if None in wanted:
        text = sample.references[wanted.index(None)]
        what = f"its reference {text!r} holds no number"
        raise MetricError(what, "give one, or use exact_match or vqa_accuracy", sample.id)
    if language != "any" and not LANGUAGES[language](sample.answer):
        return 0.0
    return float(last_number(sample.answer) in wanted)
