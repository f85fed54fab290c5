"""Signatures of the metrics: settings and which way is up. The formulas live in `vlm/metrics`."""

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """What a metric reads and returns. `settings` maps a setting to its allowed words, default first."""

    settings: dict[str, tuple[str, ...]]
    reads: Literal["answer", "likelihood"]  # generated text, or one teacher-forced pass
    higher_is_better: bool = True
    about: str = ""


TOKENIZER = ("char", "words", "mecab")
LANGUAGE = ("any", "ja", "en")

METRICS: dict[str, Metric] = {
    "exact_match": Metric(
        {"language": LANGUAGE}, "answer", about="share of answers equal to a reference after NFKC"
    ),
    "rouge_l": Metric(
        {"tokenizer": TOKENIZER, "language": LANGUAGE},
        "answer",
        about="F1 of the longest common subsequence (Lin 2004), best reference",
    ),
    "cider": Metric(
        {"tokenizer": TOKENIZER, "language": LANGUAGE},
        "answer",
        about="CIDEr-D over 1- to 4-grams (Vedantam et al. 2015), frequencies pinned to the data set",
    ),
    "vqa_accuracy": Metric(
        {"language": LANGUAGE},
        "answer",
        about="agreement with the annotators (Antol et al. 2015); one reference: normalised equality",
    ),
    "choice_accuracy": Metric(
        {},
        "answer",
        about="share of four-choice questions whose option is named, by letter or text",
    ),
    "accuracy": Metric(
        {"answer": ("number",), "language": LANGUAGE},
        "answer",
        about="share of answers that end on the reference's number, and are in the language asked for",
    ),
    "log_likelihood": Metric(
        {},
        "likelihood",
        about="mean over samples of the mean log-probability of a reference's tokens",
    ),
    # Bounded, where the logarithm is not: pictures that no candidate reads do not drown the others.
    "likelihood": Metric(
        {},
        "likelihood",
        about="mean over samples of the probability of a reference's tokens (geometric mean)",
    ),
}
