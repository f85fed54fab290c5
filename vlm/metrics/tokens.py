"""Tokenisers: text goes in, tokens come out. A score is only comparable under the same tokeniser.

The names are those of `merge_dsl.meaning.metrics.TOKENIZER`.
"""

import re
from collections.abc import Callable
from functools import cache

from vlm.errors import MissingExtra
from vlm.metrics.normal import plain

Tokenizer = Callable[[str], list[str]]

# Pictographs, and the joiners and selectors between them; published Japanese scores drop them.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u200d\u20e3\ufe0e\ufe0f\U000e0020-\U000e007f]+"
)


def characters(text: str) -> list[str]:
    """Every character that is no space, after NFKC, in lower case. It splits any language."""
    return list(plain(text).casefold().replace(" ", ""))


def words(text: str) -> list[str]:
    """Runs of letters and digits, after NFKC, in lower case; punctuation is dropped.

    Japanese has no spaces: a whole sentence is one word here. Use "char" or "mecab" for it.
    """
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", plain(text).casefold())


def morphemes(text: str) -> list[str]:
    """MeCab with unidic-lite, as the published Japanese ROUGE-L scores cut their texts.

    Emoji are dropped, then NFKC, then MeCab; case and punctuation stay. The published scores
    normalise with neologdn, which also shortens runs of ー and 〜: texts that hold such runs can
    differ. Raises MissingExtra where fugashi or unidic-lite is not installed.
    """
    cut: str = _tagger()(plain(_EMOJI.sub("", text)))
    return cut.split()


@cache
def _tagger() -> Callable[[str], str]:
    """One MeCab tagger a process: starting it takes 54 ms, a sentence 13 µs."""
    try:
        import fugashi
        import unidic_lite
    except ImportError as error:
        raise MissingExtra(
            'the tokenizer "mecab" needs fugashi and unidic-lite',
            "install them with `pip install 'awase[ja]'`, or write `tokenizer = char`",
        ) from error
    # The dictionary is named, because fugashi prefers another one where both are installed.
    folder = unidic_lite.DICDIR
    tagger = fugashi.GenericTagger(f'-Owakati -r "{folder}/dicrc" -d "{folder}"')
    parse: Callable[[str], str] = tagger.parse
    return parse


TOKENIZERS: dict[str, Tokenizer] = {"char": characters, "words": words, "mecab": morphemes}
