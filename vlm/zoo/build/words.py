"""Every sentence that the models of the world are asked, in both languages, and how it is answered.

One table, so that lessons and tasks cannot drift apart. A question about a picture and the same
question about a description differ only in what stands before it.
"""

from collections.abc import Sequence
from typing import Literal

Language = Literal["en", "ja"]
LETTERS = "ABCD"

NAME: dict[Language, str] = {"en": "What is in the picture?", "ja": "この絵は何ですか。"}
KEYWORDS: dict[Language, str] = {"en": "Which words go with it?", "ja": "関連する言葉は何ですか。"}
GROUP: dict[Language, str] = {"en": "What kind of thing is it?", "ja": "これは何の仲間ですか。"}
FITTING: dict[Language, str] = {
    "en": "Which word fits the picture?",
    "ja": "この絵に合う言葉はどれですか。",
}
CULTURE: dict[Language, str] = {
    "en": "Which of these does the picture show?",
    "ja": "日本の何を描いた絵ですか。",
}
FESTIVAL: dict[Language, str] = {
    "en": "Which custom does the picture show?",
    "ja": "どの行事や遊びの絵ですか。",
}

QUESTIONS = (NAME, KEYWORDS, GROUP, FITTING, CULTURE, FESTIVAL)

COMMA: dict[Language, str] = {"en": ", ", "ja": "、"}


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with its lettered options, one a line."""
    lines = (f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))
    return "\n".join((question, *lines))
