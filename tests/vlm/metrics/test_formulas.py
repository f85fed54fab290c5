"""Each formula against another writing of it: published packages, or a plain one in this file."""

import math
import random
from collections.abc import Sequence

import pytest

from vlm.metrics.cider import cider, count_frequencies, ngrams
from vlm.metrics.exact import exact_match
from vlm.metrics.rouge import longest_common_subsequence, rouge_l
from vlm.metrics.tokens import TOKENIZERS, characters
from vlm.metrics.vqa import vqa_accuracy

LETTERS = "猫犬が。aB c１"


def texts(count: int, longest: int, seed: int, letters: str = LETTERS) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(letters, k=draw.randint(0, longest))) for _ in range(count)]


def table_lcs(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for x in one:
        above, row = row, [0]
        for j, y in enumerate(other):
            row.append(above[j] + 1 if x == y else max(above[j + 1], row[j]))
    return row[-1]


def test_longest_common_subsequence_equals_the_table() -> None:
    for one, other in zip(texts(400, 40, 1), texts(400, 40, 2), strict=True):
        found = longest_common_subsequence(one, other)
        assert found == table_lcs(one, other) == longest_common_subsequence(other, one)


@pytest.mark.parametrize("tokenizer", ["char", "words"])
def test_rouge_l_equals_rouge_score(tokenizer: str) -> None:
    scorer_module = pytest.importorskip("rouge_score.rouge_scorer")

    class Cut:
        def tokenize(self, text: str) -> list[str]:
            return TOKENIZERS[tokenizer](text)

    scorer = scorer_module.RougeScorer(["rougeL"], tokenizer=Cut())
    cut = TOKENIZERS[tokenizer]
    answers, references = texts(150, 30, 3), texts(450, 30, 4)
    for i, answer in enumerate(answers):
        three = references[3 * i : 3 * i + 3]
        published = scorer.score_multi(three, answer)["rougeL"].fmeasure
        found = rouge_l(cut(answer), [cut(one) for one in three])
        assert found == pytest.approx(published, abs=1e-12)


def test_rouge_l_at_its_ends() -> None:
    assert rouge_l(list("招き猫"), [list("招き猫")]) == 1.0  # rouge_score's own tokenizer gives 0
    assert rouge_l([], [list("猫")]) == rouge_l(list("猫"), [[]]) == 0.0
    assert rouge_l(list("赤い猫"), [list("犬"), list("赤い犬")]) == pytest.approx(2 / 3)


def captions(seed: int, samples: int = 40) -> tuple[list[str], list[list[str]]]:
    """Answers and one to five references each, of tokens joined by spaces."""
    draw = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(30)]

    def caption() -> str:
        return " ".join(draw.choices(vocabulary, k=draw.randint(1, 14)))

    references = [[caption() for _ in range(draw.randint(1, 5))] for _ in range(samples)]
    answers = [draw.choice([caption(), draw.choice(one)]) for one in references]
    return answers, references


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cider_equals_pycocoevalcap_where_the_corpus_is_what_is_scored(seed: int) -> None:
    published = pytest.importorskip("pycocoevalcap.cider.cider")
    answers, references = captions(seed)
    answers[0] = ""  # an empty answer is scored, too
    _, expected = published.Cider().compute_score(
        dict(enumerate(references)), {i: [text] for i, text in enumerate(answers)}
    )
    frequencies = count_frequencies([one.split() for one in each] for each in references)
    for answer, each, value in zip(answers, references, expected, strict=True):
        found = cider(answer.split(), [one.split() for one in each], frequencies)
        assert found == pytest.approx(value, abs=1e-6)


def test_cider_of_a_part_does_not_depend_on_the_part() -> None:
    """Counted on one picture, every n-gram is common and scores 0; pinned frequencies keep it."""
    _, references = captions(5)
    caption = next(one.split() for each in references for one in each if len(one.split()) > 3)
    whole = count_frequencies([one.split() for one in each] for each in references)
    assert cider(caption, [caption], whole) == pytest.approx(10.0)
    assert cider(caption, [caption], count_frequencies([[caption]])) == 0.0


def test_cider_is_damped_by_length_and_clipped() -> None:
    frequencies = count_frequencies([[list("赤い猫")], [list("青い鳥")], [list("白い犬")]])
    full = cider(list("赤い猫"), [list("赤い猫")], frequencies)
    assert full == pytest.approx(7.5)  # three of four n-gram lengths
    repeated = cider(list("赤い猫赤い猫"), [list("赤い猫")], frequencies)
    assert 0 < repeated < full * math.exp(-(3**2) / 72) + 1e-9
    assert cider([], [list("赤い猫")], frequencies) == 0.0


def test_ngrams_counts() -> None:
    assert ngrams(list("aab")) == {
        ("a",): 2, ("b",): 1, ("a", "a"): 1, ("a", "b"): 1, ("a", "a", "b"): 1
    }  # fmt: skip


@pytest.mark.parametrize("matching", range(11))
def test_vqa_accuracy_of_ten_annotators_is_the_published_formula(matching: int) -> None:
    references = ["cat"] * matching + [f"other {i}" for i in range(10 - matching)]
    pieces = []
    for left_out in range(10):
        others = references[:left_out] + references[left_out + 1 :]
        pieces.append(min(1.0, others.count("cat") / 3))
    assert vqa_accuracy("The cat.", references) == pytest.approx(sum(pieces) / 10)


def test_vqa_accuracy_of_few_annotators() -> None:
    assert vqa_accuracy("招き猫です。", ["招き猫"]) == 1.0
    assert vqa_accuracy("猫", ["招き猫"]) == 0.0
    assert vqa_accuracy("猫", ["猫", "猫"]) == 1.0
    assert vqa_accuracy("猫", ["猫", "犬"]) == 0.5
    assert vqa_accuracy("猫", ["猫", "猫", "猫"]) == 1.0


def test_exact_match_is_equality_after_nfkc() -> None:
    assert exact_match(" 招き猫 ", ["犬", "招き猫"]) == 1.0
    assert exact_match("ＡＢＣ", ["ABC"]) == 1.0
    assert exact_match("招き猫。", ["招き猫"]) == 0.0
    assert exact_match("", ["猫"]) == 0.0
    assert characters("") == []
