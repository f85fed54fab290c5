"""Ways to make two spellings of one answer equal: text goes in, its plain form comes out.

`plain` is for every metric. `bare` is for visual question answering only, where "招き猫です。" and
"招き猫" are one answer; a caption's ending is part of the caption.
"""

import re
import unicodedata

# The endings that JDocQA's evaluation drops, so that a polite answer equals a curt one.
_POLITE_ENDING = re.compile(r"(?:です|ます)$")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_NUMBER_WORDS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip


def plain(text: str) -> str:
    """NFKC (full-width Ａ is A, half-width ｶ is カ), and every run of whitespace one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def bare(text: str) -> str:
    """What is left of an answer when only its content is to be compared.

    `plain`, lower case, no punctuation, no polite ending です or ます, no space beside Japanese
    letters, no English article, number words up to ten as digits. Rules of the VQA evaluation
    (Antol et al. 2015, arXiv:1505.00468) where they concern English, of JDocQA where Japanese.
    Apostrophes go too, so that "dont" equals "don't" without a table of contractions. Inside a
    number a comma goes, a point and a minus sign stay.
    """
    lowered = plain(text).casefold()
    lowered = re.sub(r"(?<=\d),(?=\d)", "", lowered)
    kept = "".join(_kept(lowered, at) for at in range(len(lowered)))
    words = [_NUMBER_WORDS.get(word, word) for word in _ARTICLE.sub(" ", kept).split()]
    joined = re.sub(r"(?<=[^\x00-\u02ff]) | (?=[^\x00-\u02ff])", "", " ".join(words))
    return _POLITE_ENDING.sub("", joined) or joined


def _kept(text: str, at: int) -> str:
    """The character at `at` as `bare` keeps it: punctuation parts words, an apostrophe does not."""
    letter = text[at]
    if letter in "'’":
        return ""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    is_point = letter == "." and before.isdigit()
    is_sign = letter == "-" and before in " "
    if (is_point or is_sign) and after.isdigit():
        return letter
    return " " if unicodedata.category(letter)[0] == "P" else letter
