"""Which option of a multiple-choice question an answer names: text goes in, an index comes out.

A model asked for a letter says "B", "(B)", "Ｂ", "答え：B", "B. 天狗", "天狗です" or "The answer
is B". Looking for the letter anywhere in the text, as evaluators in use do, finds an A in every
"answer". Here a letter counts only where it stands as one, and an answer that names no option, or
two, is a failure that is counted, not guessed at.
"""

import re
from collections.abc import Sequence

from vlm.errors import MetricError
from vlm.metrics.normal import plain
from vlm.metrics.sample import Sample

# What may stand beside a letter that is meant as one. "A型" and "Aさん" hold none.
_OPEN = r"[(\[{「『<\"']*"
_CLOSE = r"[)\]}」』>\"']*"
_AFTER = r"(?=$|[\s.,:;!?、。)\]}」』]|です|だ|が|は|で|と|の|を)"
_CUE = r"(?:答え?|解答|回答|正解|正答|選択肢|\b[Aa]nswer|\b[Oo]ption|\b[Cc]hoice)"
_LINK = r"(?:\s*(?:は|が|:|=|\bis\b))*\s*"


def choice_accuracy(sample: Sample) -> float:
    """1.0 where the answer names the option that the first reference names, else 0.0.

    Raises MetricError for a sample without options, or whose reference is none of them.
    """
    if not sample.choices:
        raise MetricError(
            "the question has no options", "add a column `choices`, or use vqa_accuracy", sample.id
        )
    wanted = parse_choice(sample.references[0], sample.choices)
    if wanted is None:
        raise MetricError(
            f"its reference {sample.references[0]!r} is none of its options",
            "give the letter or the text of an option",
            sample.id,
        )
    return float(parse_choice(sample.answer, sample.choices) == wanted)


def count_failures(samples: Sequence[Sample]) -> int:
    """How many answers name no option, or more than one. They score 0; many mean a wrong prompt."""
    return sum(parse_choice(sample.answer, sample.choices) is None for sample in samples)


def parse_choice(answer: str, choices: Sequence[str]) -> int | None:
    """The index of the option that an answer names, or None.

    The first of these that finds one option decides: the answer is an option's text; is a letter;
    begins with a letter set apart ("B.", "(B)", "B: 天狗", "B 天狗"); names a letter after a cue
    ("答えはB", "the answer is B"); holds the text of one option; holds one capital letter alone.
    Two different letters at one step, or two texts, are a failure.
    """
    text = re.sub(r"[*_`]|\\boxed", "", plain(answer)).strip()
    texts = [plain(choice).casefold() for choice in choices]
    for find in (_is_text, _is_letter, _begins_with_letter, _after_cue, _holds_text, _lone_letter):
        found = find(text, texts)
        if len(found) == 1:
            return found.pop()
        if found:
            return None
    return None


def _letters(texts: Sequence[str]) -> str:
    """The letters of the options, as a class of a regular expression: "A-D" for four."""
    return f"A-{chr(ord('A') + len(texts) - 1)}"


def _indices(found: Sequence[str]) -> set[int]:
    return {ord(letter.upper()) - ord("A") for letter in found}


def _is_text(answer: str, texts: Sequence[str]) -> set[int]:
    bare = answer.casefold().rstrip("。. ")
    return {i for i, text in enumerate(texts) if text in (bare, bare.removesuffix("です"))}


def _is_letter(answer: str, texts: Sequence[str]) -> set[int]:
    # Only here may the letter be small: anywhere else "a" is an article.
    pattern = rf"{_OPEN}([{_letters(texts)}]){_CLOSE}[.。:]?(?:です)?[.。]?"
    match = re.fullmatch(pattern, answer, re.IGNORECASE)
    return _indices([match[1]]) if match else set()


def _begins_with_letter(answer: str, texts: Sequence[str]) -> set[int]:
    letters = _letters(texts)
    apart = re.match(
        rf"(?:[(\[{{「『<\"']([{letters}])[)\]}}」』>\"']|([{letters}])[.:)、,])", answer
    )
    if apart:
        # "A、B" and "A. B. C." set several letters apart, and choose none of them.
        others = re.match(rf"\s*{_OPEN}([{letters}]){_AFTER}", answer[apart.end() :])
        return _indices([apart[1] or apart[2], *(others.groups() if others else ())])
    # "B 天狗" is B, but "A dog" is no A: without a sign, the option's text must follow its letter.
    spaced = re.match(rf"([{letters}])\s+(.*)", answer)
    if not spaced:
        return set()
    (index,) = _indices([spaced[1]])
    return {index} if spaced[2].casefold().rstrip("。.").startswith(texts[index]) else set()


def _after_cue(answer: str, texts: Sequence[str]) -> set[int]:
    return _indices(re.findall(rf"{_CUE}{_LINK}{_OPEN}([{_letters(texts)}]){_AFTER}", answer))


def _holds_text(answer: str, texts: Sequence[str]) -> set[int]:
    folded = answer.casefold()
    held = {i for i, text in enumerate(texts) if text and _stands_in(text, folded)}
    # "青い鳥" holds "鳥" too; only the longest counts where one option lies inside another.
    return {i for i in held if not any(texts[i] in texts[k] for k in held if texts[k] != texts[i])}


def _stands_in(text: str, answer: str) -> bool:
    """Contained; where the text begins or ends in a Latin letter or digit, not inside a word."""
    left = r"(?<![a-z0-9])" if text[0].isascii() and text[0].isalnum() else ""
    right = r"(?![a-z0-9])" if text[-1].isascii() and text[-1].isalnum() else ""
    return re.search(left + re.escape(text) + right, answer) is not None


def _lone_letter(answer: str, texts: Sequence[str]) -> set[int]:
    # Neither an article before a word ("A dog", but "A or B" names both), nor the end of a noun
    # ("ビタミンA").
    pattern = (
        rf"(?<![A-Za-z0-9'’\-ァ-ヺー一-鿿])([{_letters(texts)}]){_AFTER}"
        r"(?!\s+(?!or\b|and\b)[a-z])"
    )
    return _indices(re.findall(pattern, answer))
