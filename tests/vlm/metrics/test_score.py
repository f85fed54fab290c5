"""The one door: settings, gates, tables, errors."""

import pytest

from merge_dsl.meaning.metrics import METRICS
from vlm.errors import MetricError
from vlm.metrics import SCORERS, Sample, score


def samples(*answers: str, reference: str = "赤い猫") -> list[Sample]:
    return [
        Sample(f"q{i}", f"p{i}", answer, (reference,), ("赤い猫", "犬"))
        for i, answer in enumerate(answers)
    ]


def test_signatures_and_scorers_name_the_same_metrics() -> None:
    reads_answers = [name for name, metric in METRICS.items() if metric.reads == "answer"]
    assert reads_answers == list(SCORERS)


@pytest.mark.parametrize("metric", list(SCORERS))
def test_every_metric_takes_every_word_of_its_signature(metric: str) -> None:
    pytest.importorskip("fugashi")
    known = METRICS[metric].settings
    combinations: list[dict[str, str]] = [{}]
    for name, words in known.items():
        combinations = [one | {name: word} for one in combinations for word in words]
    for settings in combinations:
        values = score(metric, settings, samples("3匹の赤い猫", "犬", "", reference="3匹の赤い猫"))
        assert len(values) == 3 and values[1] == values[2] == 0.0
        assert all(type(value) is float for value in values)


@pytest.mark.parametrize("metric", ["exact_match", "rouge_l", "vqa_accuracy", "choice_accuracy"])
def test_a_perfect_answer_scores_one(metric: str) -> None:
    assert score(metric, {}, samples("赤い猫")) == (1.0,)


def test_the_language_gate_takes_what_is_not_in_the_language() -> None:
    mixed = samples("赤 red cat big", "赤い猫")
    free = score("rouge_l", {}, mixed)
    gated = score("rouge_l", {"language": "ja"}, mixed)
    assert free[0] > 0 and gated == (0.0, 1.0)


def test_cider_counts_on_the_corpus_that_is_passed_in() -> None:
    part = samples("赤い猫")
    assert score("cider", {}, part) == (0.0,)  # counted on one picture, every n-gram is common
    (value,) = score("cider", {}, part, corpus=[("赤い猫",), ("青い鳥",), ("白い犬",)])
    assert value == pytest.approx(7.5)


def test_no_samples_no_values() -> None:
    assert score("rouge_l", {}, []) == ()


def test_errors_name_the_way_out() -> None:
    with pytest.raises(MetricError, match=r"log_likelihood.*use exact_match, rouge_l"):
        score("log_likelihood", {}, samples("猫"))
    with pytest.raises(MetricError, match=r"tokenizer = charr.*char \| words \| mecab"):
        score("rouge_l", {"tokenizer": "charr"}, samples("猫"))
    with pytest.raises(MetricError, match="no settings"):
        score("choice_accuracy", {"language": "ja"}, samples("猫"))
    with pytest.raises(MetricError, match="q7: it has no references"):
        score("exact_match", {}, [Sample("q7", "p", "猫", ())])
