"""Which language a short text is in, by its letters: text goes in, yes or no comes out.

Merged models slip from one language into another, and an English caption can share enough
characters with a Japanese one to look like an answer. A metric with `language = ja` therefore
gives 0 to an answer that is not Japanese where the reference is; so does Akiba et al. 2024
(arXiv:2403.13187), by fastText's language identification. Letters need no model and do not err on
short answers such as 東京; what they cannot do is tell Chinese from Japanese written in kanji
alone.
"""

import re
from collections.abc import Callable, Sequence

from vlm.metrics.normal import plain

# A character of Japanese says about as much as a word of English, so each counts as one.
_JAPANESE = re.compile(
    "[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"  # kana and the long vowel mark
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"  # 々 〆 〇, kanji
)
_LATIN_WORD = re.compile("[a-z\u00df-\u00f6\u00f8-\u024f]+(?:['’-][a-z\u00df-\u024f]+)*")


def japanese_share(text: str) -> float | None:
    """Japanese characters among these and Latin words together; None where there is neither."""
    lowered = plain(text).casefold()
    japanese, latin = len(_JAPANESE.findall(lowered)), len(_LATIN_WORD.findall(lowered))
    return japanese / (japanese + latin) if japanese + latin else None


def is_japanese(text: str) -> bool:
    """At least half of the text is Japanese. False for a text without letters."""
    share = japanese_share(text)
    return share is not None and share >= 0.5


def is_english(text: str) -> bool:
    """More than half of the text is in Latin letters. False for a text without letters."""
    share = japanese_share(text)
    return share is not None and share < 0.5


LANGUAGES: dict[str, Callable[[str], bool]] = {"ja": is_japanese, "en": is_english}


def is_gated(language: str, answer: str, references: Sequence[str]) -> bool:
    """Whether an answer scores 0 for its language: a reference is in it and the answer is not.

    Where all references are "1868" or "NHK", `language` "ja" gates nothing. "any" never does.
    """
    if language == "any":
        return False
    speaks = LANGUAGES[language]
    return any(speaks(reference) for reference in references) and not speaks(answer)
