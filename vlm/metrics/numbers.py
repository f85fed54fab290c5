"""The numbers that a text says: text goes in, exact fractions come out, in the order of the text.

Answers write one number in many ways: 1234, 1,234, １２３４, 千二百三十四, 一二三四, 1千234. All are read
as one value, exactly, so that "12.0" equals "12" and "0.1" equals "10分の1". Evaluators in use look for
digits by a pattern and drop commas afterwards: "1,234円" is 234 to them, "マイナス5" is 5, and
"十二個です" is nothing. What is not read: number words of other languages, powers of ten as 1e5.
"""

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

DIGITS = {
    **{letter: value for value, letter in enumerate("〇一二三四五六七八九")},
    **{"零": 0, "壱": 1, "弐": 2, "参": 3},
}
TENS = {"十": 10, "拾": 10, "百": 100, "千": 1000}
MYRIADS = {"万": 10**4, "萬": 10**4, "億": 10**8, "兆": 10**12, "京": 10**16}

# A kanji numeral alone is as often a part of a word. It is a number where the only kanji beside it
# are a counter behind it, or a word of order or amount before it.
COUNTERS = "個人匹本枚円台羽冊歳才年月日時分秒度回倍点頭足杯箱袋組件通軒階割銭"
BEFORE = "第約計各残"
WORDS = re.compile(
    "万が一|八百屋|七五三|十五夜|四六時中|一つ一つ|一人一人|一歩一歩|一[人つ個]あたり|十分[にな]"
)
NAMES = re.compile(  # A4, CO2, m2: their digits count nothing
    r"(?<![A-Za-z])(?:[A-Z]{1,2}\d+(?![\d.,])|[ckm]?m[23](?!\w))", re.ASCII
)

_KANJI = re.compile("[\u3400-\u9fff\uf900-\ufaff々]")
_ARABIC = r"\d+(?:,\d+)*(?:\.\d+)?|(?<!\d)\.\d+"
_NUMERALS = "".join((*DIGITS, *TENS, *MYRIADS))
_RUN = re.compile(rf"(?:{_ARABIC}|[{_NUMERALS}])+", re.ASCII)
_PART = re.compile(rf"{_ARABIC}|[{''.join(DIGITS)}]+|[{_NUMERALS}]", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_PIECE = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_MINUS = re.compile(
    r"(?:(?:マイナス|負の|\bminus|\bnegative)\s*|(?<![A-Za-z0-9)\]}%])(?<![0-9)\]}%] )[-\u2010-\u2013\u2212▲])"
    r"[$¥€£]?$",
    re.IGNORECASE,
)
_RAISED = re.compile("[\u00b2\u00b3\u00b9\u2070-\u2079]")  # NFKC would make m² m2
_VULGAR = re.compile("(?<=\\d)(?=[\u00bc-\u00be\u2150-\u215e])")  # and of 1½ it would make 11⁄2


class Number(NamedTuple):
    """A value, and where in the text it stands."""

    start: int
    end: int
    value: Fraction


def last_number(text: str) -> Fraction | None:
    """The number that a text ends on, or None where it says none."""
    numbers = read_numbers(text)
    return numbers[-1] if numbers else None


def read_numbers(text: str) -> tuple[Fraction, ...]:
    """Every number of a text, in its order.

    * NFKC: full-width digits, commas and points are plain ones; ½ is 1/2, m² holds no number.
    * Commas join groups of three, all of them or none: "1,234" is one number, "1,2,3" three. A list
      without spaces, "100,200", cannot be told from a number and is one.
    * A sign is - or − or ▲ that touches a number and stands behind none, マイナス, 負の, minus, negative.
    * 3/4, ¾ and 4分の3 are fractions, 1と1/2 and 1½ are one and a half; 2026/11/25 is three numbers.
    * 50% is 50.
    * Kanji: by place (二〇) or by unit (三百二十一), units behind digits too (3万2千, 1.5億). A lone
      kanji is read only where no digit stands in the text and no other kanji beside it (`COUNTERS`
      and `BEFORE` aside): 一緒, 三角, 一人あたり and 万が一 are words.
    """
    plain = _VULGAR.sub("と", _RAISED.sub("", text))
    plain = " ".join(unicodedata.normalize("NFKC", plain).split())
    plain = NAMES.sub(lambda match: "_" * len(match[0]), plain)
    return tuple(number.value for number in _joined(plain, list(_signless(plain))))


def _signless(text: str) -> Iterator[Number]:
    words = [match.span() for match in WORDS.finditer(text)]
    has_digits = re.search(r"\d", text, re.ASCII) is not None
    for run in _RUN.finditer(text):
        is_kanji = not re.search(r"\d", run[0], re.ASCII)
        if is_kanji and any(low <= run.start() and run.end() <= high for low, high in words):
            continue  # 七五三 is a festival, 七五三〇〇 a number
        if is_kanji and len(run[0]) == 1 and (has_digits or not _stands_alone(text, run)):
            continue
        yield from _values(run[0], run.start())


def _stands_alone(text: str, run: re.Match[str]) -> bool:
    before, after = text[: run.start()][-1:], text[run.end() :][:1]
    return not (_KANJI.match(before) and before not in BEFORE) and not (
        _KANJI.match(after) and after not in COUNTERS
    )


def _values(run: str, offset: int) -> Iterator[Number]:
    """The numbers of a run of digits and numerals without a gap: mostly one.

    (a · 1000 + b · 100 + c · 10 + d) · 10^(4k), summed over falling k. What breaks the fall of units
    begins a number of its own.
    """
    parts = [
        (match.start() + at, match.start() + at + len(piece), piece)
        for match in _PART.finditer(run)
        for at, piece in _pieces(match[0])
    ]
    start, end = 0, 0
    done = section = Fraction(0)
    pending: Fraction | None = None
    ten, myriad = Fraction(10**4), Fraction(10**20)  # the smallest units so far
    for low, high, piece in parts:
        number = _value(piece)
        unit = TENS.get(piece) or MYRIADS.get(piece)
        if number is not None:
            fits = pending is None and low == end and number < min(ten, myriad)
            fits = fits or low == start
        elif piece in TENS:
            fits = TENS[piece] < ten
        else:
            fits = MYRIADS[piece] < myriad
        if not fits:
            yield Number(offset + start, offset + end, done + section + (pending or 0))
            start, done, section, pending = low, Fraction(0), Fraction(0), None
            ten, myriad = Fraction(10**4), Fraction(10**20)
        if number is not None:
            pending = number
        elif piece in TENS:
            section += (1 if pending is None else pending) * TENS[piece]
            ten, pending = Fraction(TENS[piece]), None
        else:
            assert unit is not None
            whole = section + (pending or 0)
            done += (whole if section or pending is not None else 1) * unit
            section, pending = Fraction(0), None
            ten, myriad = Fraction(10**4), Fraction(unit)
        end = high
    yield Number(offset + start, offset + end, done + section + (pending or 0))


def _pieces(part: str) -> Iterator[tuple[int, str]]:
    """Digits whose commas group by three are one piece; otherwise commas part them."""
    if "," not in part or _GROUPED.fullmatch(part):
        yield 0, part
    else:
        for match in _PIECE.finditer(part):
            yield match.start(), match[0]


def _value(piece: str) -> Fraction | None:
    """What digits say, or None for a unit. A decimal point may stand first: ".5"."""
    if piece[0] in DIGITS:
        return Fraction("".join(str(DIGITS[letter]) for letter in piece))
    if piece in TENS or piece in MYRIADS:
        return None
    return Fraction("0" + piece.replace(",", ""))


def _joined(text: str, numbers: list[Number]) -> Iterator[Number]:
    """Signs put on, and fractions made of their two or three numbers."""
    at = 0
    while at < len(numbers):
        first = numbers[at]
        is_minus = _MINUS.search(text[: first.start]) is not None
        used, value = 1, first.value
        whole = _gap(text, numbers, at) in ("と", " ") and value.denominator == 1
        part = _fraction(text, numbers, at + 1) if whole else None
        if part is not None and part < 1:
            used, value = 3, value + part
        else:
            part = _fraction(text, numbers, at)
            if part is not None:
                used, value = 2, part
        last = numbers[at + used - 1]
        yield Number(first.start, last.end, -value if is_minus else value)
        at += used


def _gap(text: str, numbers: list[Number], at: int) -> str | None:
    """What stands between a number and the next; None behind the last."""
    if at + 1 >= len(numbers):
        return None
    return text[numbers[at].end : numbers[at + 1].start]


def _fraction(text: str, numbers: list[Number], at: int) -> Fraction | None:
    """a/b or b分のa, from numbers `at` and `at + 1`; None where they make none."""
    gap = _gap(text, numbers, at)
    if gap is None:
        return None
    left, right = numbers[at].value, numbers[at + 1].value
    if gap == "分の" and left:
        return right / left
    is_date = "/" in (_gap(text, numbers, at + 1) or "") or text[: numbers[at].start].endswith("/")
    if gap.strip() in ("/", "⁄") and right and not is_date:
        return left / right
    return None
