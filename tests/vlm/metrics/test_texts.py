"""Normal forms, tokenisers and the language gate."""

import sys

import pytest

from merge_dsl.meaning.metrics import LANGUAGE, TOKENIZER
from vlm.errors import MissingExtra
from vlm.metrics.language import LANGUAGES, is_english, is_gated, is_japanese
from vlm.metrics.normal import bare, plain
from vlm.metrics.tokens import TOKENIZERS, _tagger, characters, morphemes, words


def test_plain_folds_widths_and_spaces_and_nothing_else() -> None:
    assert plain(" Ｔｈｅ\u3000 ｶﾀｶﾅ\n猫。 ") == "The カタカナ 猫。"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("招き猫です。", "招き猫"),
        ("招き猫．", "招き猫"),
        ("食べます。", "食べ"),
        ("ます", "ます"),  # a trout is no ending
        ("二つ の 猫", "二つの猫"),
        ("「天狗」！", "天狗"),
        ("The Cat!", "cat"),
        ("three dogs", "3 dogs"),
        ("1,234", "1234"),
        ("-5", "-5"),
        ("3-5", "3 5"),
        ("3.5 kg.", "3.5 kg"),
        ("", ""),
        ("!!", ""),
    ],
)
def test_bare_keeps_the_content(text: str, left: str) -> None:
    assert bare(text) == left
    assert bare(left) == left


def test_an_apostrophe_parts_no_word() -> None:
    assert bare("don't") == bare("dont") == bare("don’t")


def test_characters_and_words() -> None:
    assert characters("ＡB c 猫。") == ["a", "b", "c", "猫", "。"]
    assert words("Don't stop, the 2 猫たち。") == ["don't", "stop", "the", "2", "猫たち"]
    assert characters(" ") == words("。") == []


def test_mecab_cuts_as_the_published_scores_do() -> None:
    pytest.importorskip("fugashi")
    pytest.importorskip("unidic_lite")
    cut = morphemes("猫が👍\ufe0fマットの上に座っています。ＡＢＣ")
    assert cut == ["猫", "が", "マット", "の", "上", "に", "座っ", "て", "い", "ます", "。", "ABC"]


def test_mecab_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fugashi", None)
    _tagger.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"pip install 'awase\[ja\]'"):
            morphemes("猫")
    finally:
        _tagger.cache_clear()


@pytest.mark.parametrize(
    "text", ["東京", "寿司", "はい", "YouTubeの動画", "これは maneki-neko です", "カー", "１２３人"]
)
def test_japanese(text: str) -> None:
    assert is_japanese(text) and not is_english(text)


@pytest.mark.parametrize(
    "text", ["a red car", "The word is 東京", "Café déjà-vu", "It's 5 o'clock"]
)
def test_english(text: str) -> None:
    assert is_english(text) and not is_japanese(text)


@pytest.mark.parametrize("text", ["", "12", "👍", "…", "한국어"])
def test_neither(text: str) -> None:
    assert not is_english(text) and not is_japanese(text)


def test_the_gate_shuts_only_where_a_reference_is_in_the_language() -> None:
    assert is_gated("ja", "a cat", ["猫"])
    assert is_gated("ja", "", ["猫", "cat"])
    assert not is_gated("ja", "猫です", ["猫"])
    assert not is_gated("ja", "a cat", ["1868", "NHK"])
    assert not is_gated("any", "a cat", ["猫"])
    assert is_gated("en", "猫", ["a cat"])


def test_tables_hold_what_the_signatures_name() -> None:
    assert tuple(TOKENIZERS) == TOKENIZER
    assert ("any", *LANGUAGES) == LANGUAGE
