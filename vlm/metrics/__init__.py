"""Metrics: answered questions go in, one number a question comes out.

Their signatures (settings, which way is up) stand in `merge_dsl/meaning/metrics.py`; a test holds
the two tables equal. `log_likelihood` and `likelihood` are no metrics of answers: `vlm/score.py`
computes them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from merge_dsl.meaning.metrics import METRICS
from vlm.errors import MetricError
from vlm.metrics import choice, concluding, exact, rouge, vqa
from vlm.metrics import cider as cider_d
from vlm.metrics.language import is_gated
from vlm.metrics.sample import Sample
from vlm.metrics.tokens import TOKENIZERS

# The references of every sample of a data set, whatever part of it is being scored.
Corpus = Sequence[tuple[str, ...]]
Words = Mapping[str, str]  # a metric's settings, each with its default filled in
Scorer = Callable[[Words, Sequence[Sample], Corpus], list[float]]


def _exact_match(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    return [exact.exact_match(sample.answer, sample.references) for sample in samples]


def _rouge_l(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    cut = TOKENIZERS[settings["tokenizer"]]
    return [
        rouge.rouge_l(cut(one.answer), [cut(text) for text in one.references]) for one in samples
    ]


def _cider(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    cut = TOKENIZERS[settings["tokenizer"]]
    frequencies = _frequencies(settings["tokenizer"], tuple(corpus))
    return [
        cider_d.cider(cut(one.answer), [cut(text) for text in one.references], frequencies)
        for one in samples
    ]


@lru_cache(maxsize=8)
def _frequencies(tokenizer: str, corpus: tuple[tuple[str, ...], ...]) -> cider_d.Frequencies:
    """Counted once a data set, not once a candidate."""
    cut = TOKENIZERS[tokenizer]
    return cider_d.count_frequencies([cut(text) for text in references] for references in corpus)


def _vqa_accuracy(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    return [vqa.vqa_accuracy(sample.answer, sample.references) for sample in samples]


def _choice_accuracy(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    return [choice.choice_accuracy(sample) for sample in samples]


def _accuracy(settings: Words, samples: Sequence[Sample], corpus: Corpus) -> list[float]:
    return [concluding.number_accuracy(sample, settings["language"]) for sample in samples]


SCORERS: dict[str, Scorer] = {
    "exact_match": _exact_match,
    "rouge_l": _rouge_l,
    "cider": _cider,
    "vqa_accuracy": _vqa_accuracy,
    "choice_accuracy": _choice_accuracy,
    "accuracy": _accuracy,
}


def score(
    metric: str,
    settings: Mapping[str, str],
    samples: Sequence[Sample],
    corpus: Corpus | None = None,
) -> tuple[float, ...]:
    """One value a sample, in their order: in [0, 1], but for cider, which is about 0 to 10.

    metric and settings are those of `merge_dsl.meaning.metrics.METRICS`; a setting that is left out
    has its default. `corpus` are the references of the whole data set, on which cider counts its
    frequencies; without it they are counted on `samples`, which is only right when these are the
    whole. A sample that fails its language gate has 0. Raises MetricError for a metric or setting
    that is unknown or a sample without references, MissingExtra for a tokeniser not installed.
    """
    if metric not in SCORERS:
        raise MetricError(f"{metric!r} does not score answers", f"use {', '.join(SCORERS)}")
    words = _checked(metric, settings)
    for sample in samples:
        if not sample.references:
            raise MetricError("it has no references", "add one, or leave it out", sample.id)
    corpus = corpus if corpus is not None else [sample.references for sample in samples]
    values = SCORERS[metric](words, samples, corpus)
    language = words.get("language", "any")
    return tuple(
        0.0 if is_gated(language, sample.answer, sample.references) else value
        for sample, value in zip(samples, values, strict=True)
    )


def _checked(metric: str, settings: Mapping[str, str]) -> Words:
    """The settings with defaults filled in. Raises MetricError for one that the signature lacks."""
    known = METRICS[metric].settings
    for name, word in settings.items():
        if word not in known.get(name, ()):
            allowed = "; ".join(f"{key} = {' | '.join(words)}" for key, words in known.items())
            raise MetricError(
                f"{metric} has no setting {name} = {word}", f"it has: {allowed or 'no settings'}"
            )
    return {name: settings.get(name, words[0]) for name, words in known.items()}


__all__ = ["SCORERS", "Corpus", "Sample", "score"]
