"""What numbers a text says, and whether an answer concludes with the right one."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_dsl.meaning.metrics import METRICS
from vlm.errors import MetricError
from vlm.metrics import Sample, score
from vlm.metrics.numbers import last_number, read_numbers

READ = {
    # a festival, and a number that begins like it
    "七五三です": "",
    "七五三〇〇": "75300",
    # digits of every width, and commas
    "12": "12",
    "１２個です": "12",
    "答えは12個です。": "12",
    "1,234円": "1234",
    "１，２３４円": "1234",
    "1,234,567.5": "2469135/2",
    "1,2,3": "1 2 3",
    "12,345,67": "12 345 67",
    "1,2345": "1 2345",
    "5、3、2": "5 3 2",
    "12.0": "12",
    "3.14.": "157/50",
    ".5": "1/2",
    "50%": "50",
    "50％です": "50",
    "①": "1",
    # signs, and hyphens that are none
    "-5": "-5",
    "−３": "-3",
    "マイナス5度": "-5",
    "マイナス 五": "-5",
    "負の5": "-5",
    "▲1,200": "-1200",
    "-$5": "-5",
    "minus 5": "-5",
    "y=-3": "-3",
    "気温は-5度": "-5",
    "(-3)": "-3",
    "The answer is -5": "-5",
    "答えは -5": "-5",
    "10-5": "10 5",
    "10 - 5 = 5": "10 5 5",
    "10 -5": "10 5",
    "(5)-3": "5 3",
    "5–10個": "5 10",
    "- 5個": "5",
    "COVID-19": "19",
    # fractions and dates
    "3/4": "3/4",
    "１／２": "1/2",
    "½": "1/2",
    "1½": "3/2",
    "1 1/2": "3/2",
    "1と1/2": "3/2",
    "4分の3": "3/4",
    "四分の三": "3/4",
    "2と4分の3": "11/4",
    "-1/2": "-1/2",
    "3と4": "3 4",
    "1/0": "1 0",
    "2026/11/25": "2026 11 25",
    "11/25/2026": "11 25 2026",
    # kanji by unit and by place, alone and behind digits
    "三百二十一": "321",
    "二〇": "20",
    "二〇二六年": "2026",
    "一二三四": "1234",
    "千二百三十四": "1234",
    "十二個です": "12",
    "百一": "101",
    "三千万": "30000000",
    "十億": "1000000000",
    "二万三千": "23000",
    "参拾五": "35",
    "零": "0",
    "3万2千": "32000",
    "2千5百": "2500",
    "1千234": "1234",
    "2万5": "20005",
    "1.5万円": "15000",
    "1億2,500万": "125000000",
    "千五千": "1005 1000",
    "3二": "3 2",
    # what only looks like a number
    "一緒に": "",
    "一番": "",
    "三角": "",
    "万が一": "",
    "八百屋で": "",
    "十分に": "",
    "十分": "10",
    "零下": "",
    "七です": "7",
    "三人": "3",
    "第三": "3",
    "答えは五": "5",
    "12です。一人で数えました": "12",
    "一緒に数えて5個": "5",
    "A4の紙が3枚": "3",
    "CO2は5": "5",
    "12m2": "12",
    "12m²": "12",
    "": "",
    "わかりません": "",
    # what conclusions look like
    "3個と2個で5個": "3 2 5",
    "#### 1,080": "1080",
    r"\boxed{12}": "12",
    "x=12": "12",
}


@pytest.mark.parametrize(("text", "numbers"), READ.items())
def test_numbers_are_read_as_a_reader_would(text: str, numbers: str) -> None:
    assert [str(number) for number in read_numbers(text)] == numbers.split()


def kanji(value: int) -> str:
    """A whole number as it is written in Japanese, 一 left out before 十, 百 and 千 (一千万 aside)."""
    if value == 0:
        return "零"
    found = ""
    for power, myriad in ((16, "京"), (12, "兆"), (8, "億"), (4, "万"), (0, "")):
        group = value // 10**power % 10**4
        for ten, unit in ((3, "千"), (2, "百"), (1, "十"), (0, "")):
            digit = group // 10**ten % 10
            if digit:
                found += ("" if digit == 1 and unit else "一二三四五六七八九"[digit - 1]) + unit
        found += myriad if group else ""
    return found


WHOLE = st.integers(0, 10**20 - 1)


@given(WHOLE)
def test_kanji_numerals_come_back(value: int) -> None:
    assert last_number(kanji(value) + "です") == value


@given(WHOLE)
def test_digits_by_place_and_by_myriad_come_back(value: int) -> None:
    place = "".join("〇一二三四五六七八九"[int(digit)] for digit in str(value))
    mixed = ""
    for power, myriad in ((16, "京"), (12, "兆"), (8, "億"), (4, "万"), (0, "")):
        group = value // 10**power % 10**4
        mixed += f"{group}{myriad}" if group else ""
    assert last_number(place) == value
    assert last_number(mixed or "0") == value


@given(st.fractions(-(10**9), 10**9, max_denominator=10**4), st.sampled_from(["{}", "答え: {}個"]))
def test_digits_commas_and_signs_come_back(value: Fraction, around: str) -> None:
    assert last_number(around.format(value)) == value
    assert last_number(around.format(f"{int(value):,}")) == int(value)
    assert last_number(around.format(f"{float(value):.3f}")) == Fraction(f"{float(value):.3f}")


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    read_numbers(text)


@given(st.text(alphabet="0123456789,.一二十百千万億-/と分の 個", max_size=12))
def test_what_is_almost_a_number_can_be_read(text: str) -> None:
    read_numbers(text)


def accuracy(answer: str, *references: str, language: str = "any") -> float:
    settings = {"answer": "number", "language": language}
    return score("accuracy", settings, [Sample("row 1", "p", answer, references)])[0]


def test_the_last_number_counts_and_values_are_compared() -> None:
    assert accuracy("3個と2個で、答えは5個です。", "5") == 1.0
    assert accuracy("5個です。3個と2個を足しました。", "5") == 0.0
    assert (
        accuracy("12.0", "12")
        == accuracy("十二", "12.0")
        == accuracy("1,080円", "#### 1080")
        == 1.0
    )
    assert accuracy("0.5", "1/3", "2分の1") == 1.0  # any reference will do
    assert accuracy("-5", "5") == accuracy("", "5") == accuracy("りんごです", "5") == 0.0


def test_the_answer_itself_must_be_in_the_language() -> None:
    """References are bare numbers, so what they are written in says nothing."""
    assert accuracy("答えは18です", "18", language="ja") == 1.0
    assert accuracy("18個", "18", language="ja") == accuracy("十八", "18", language="ja") == 1.0
    assert accuracy("The answer is 18", "18", language="ja") == 0.0
    assert accuracy("18", "18", language="ja") == accuracy("18", "18", language="en") == 0.0
    assert accuracy("The answer is 18", "18", language="en") == 1.0
    assert accuracy("答えは17です", "18", language="ja") == 0.0
    assert accuracy("18", "18") == 1.0


def test_a_reference_without_a_number_is_an_error_that_names_its_row() -> None:
    with pytest.raises(MetricError) as caught:
        accuracy("5", "りんご")
    assert caught.value.where == "row 1" and "りんご" in caught.value.what


def test_number_is_the_default_and_the_only_kind_of_answer() -> None:
    assert METRICS["accuracy"].settings["answer"] == ("number",)
    assert score("accuracy", {}, [Sample("1", "p", "5個", ("5",))]) == (1.0,)
