"""Which option an answer names, and that no letter is found inside a word."""

import pytest

from vlm.errors import MetricError
from vlm.metrics.choice import choice_accuracy, count_failures, parse_choice
from vlm.metrics.sample import Sample

OPTIONS = ("招き猫", "天狗", "鯉のぼり", "青い鳥")


@pytest.mark.parametrize(
    "answer",
    [
        "B", "b", "(B)", "Ｂ", "（Ｂ）", "B.", "Ｂ．", "B。", "Bです", "Bです。",
        "B. 天狗", "B: 天狗", "B、天狗", "B) 天狗", "B 天狗", "(B) 天狗",
        "答え：B", "答え: B", "答えはB", "答えはBです。", "正解は「B」です", "選択肢B",
        "天狗", "天狗です。", "これは天狗だと思います", "天狗 (B)",
        "The answer is B", "The answer is B.", "the answer is (B) because of its nose",
        "Answer: B. 天狗", "The correct option is B: 天狗", "I think it is B.",
        "Bが正解です", "私はBを選びます", "**B**", "\\boxed{B}", "`B`",
    ],
)  # fmt: skip
def test_b(answer: str) -> None:
    assert parse_choice(answer, OPTIONS) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "", "answer", "The answer", "A dog", "It is a bird", "Baseball", "E", "AB", "A型", "Aさん",
        "ビタミンA", "天狗か招き猫", "A or B", "A、B", "A. B. C. D.", "答えはAです。答えはBです。",
        "①", "犬", "B-2",
    ],
)  # fmt: skip
def test_none(answer: str) -> None:
    assert parse_choice(answer, OPTIONS) is None


def test_an_option_that_is_a_letter_is_meant_by_its_text() -> None:
    blood = ("B", "A", "O", "AB")
    assert [parse_choice(text, blood) for text in blood] == [0, 1, 2, 3]
    assert parse_choice("答えはA型です", ("B型", "A型", "O型", "AB型")) == 1


def test_an_option_inside_another_gives_way_to_it() -> None:
    assert parse_choice("それは青い鳥でしょう", ("鳥", "青い鳥")) == 1
    assert parse_choice("それは鳥でしょう", ("鳥", "青い鳥")) == 0


def test_a_latin_option_is_not_found_inside_a_word() -> None:
    assert parse_choice("many cattle here", ("dog", "cat")) is None
    assert parse_choice("There is a cat here", ("a dog", "a cat")) == 1


def sample(answer: str, reference: str = "B") -> Sample:
    return Sample("q1", "p1", answer, (reference,), OPTIONS)


def test_accuracy_takes_a_letter_or_a_text_as_reference() -> None:
    assert choice_accuracy(sample("B")) == choice_accuracy(sample("Ｂ", "天狗")) == 1.0
    assert choice_accuracy(sample("C")) == choice_accuracy(sample("犬", "天狗")) == 0.0


def test_failures_are_counted() -> None:
    assert count_failures([sample("B"), sample("answer"), sample("A or B"), sample("C")]) == 2


def test_samples_that_cannot_be_scored_say_so() -> None:
    with pytest.raises(MetricError, match="q1: the question has no options"):
        choice_accuracy(Sample("q1", "p1", "B", ("B",)))
    with pytest.raises(MetricError, match="none of its options"):
        choice_accuracy(sample("B", "犬"))
