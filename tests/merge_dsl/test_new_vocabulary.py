"""What a lint says of `vocabulary`: which words help where vocabularies differ, and what a result has then."""

import json
from pathlib import Path

import pytest

from merge_dsl.meaning.tokenizers import Kind, kind_in, kind_of
from merge_dsl.text.diagnostics import Diagnostic
from tests.merge_dsl.conftest import HEAD, Lint

WORDY = HEAD + 'model wordy from "file:wordy"\n'
BLIND = "merge cup {\n  keep language.layers from base\n  embed, head by linear {\n"
SEEING = (
    "merge cup {\n  keep vision, projector, language.layers from eyes\n  embed, head by linear {\n"
)


def found(lint: Lint, text: str, code: str) -> list[Diagnostic]:
    return [d for d in lint(text).diagnostics if d.code == code]


def test_the_ways_out_fit_the_host(lint: Lint) -> None:
    (blind,) = found(lint, f"{WORDY}{BLIND}    take base\n    take wordy\n  }}\n}}\n", "M405")
    assert blind.help is not None
    assert "`vocabulary = union` or `shared`" in blind.help and "whole" not in blind.help
    (seeing,) = found(lint, f"{WORDY}{SEEING}    take eyes\n    take wordy\n  }}\n}}\n", "M405")
    assert seeing.help is not None and "`vocabulary = union`, `shared` or `whole`" in seeing.help


def test_whole_leads_to_union_where_nobody_sees(lint: Lint) -> None:
    words = "    vocabulary = whole\n    take base\n    take wordy\n  }\n}\n"
    (one,) = found(lint, WORDY + BLIND + words, "M416")
    assert one.help is not None and "write `vocabulary = union`" in one.help


@pytest.mark.parametrize(("word", "count"), [("shared", 1), ("union", 0)])
def test_how_many_tokens_a_result_has(word: str, count: int, lint: Lint) -> None:
    """As many as its host where the host's tokenizer stays, and nobody knows how many else."""
    first = f"    vocabulary = {word}\n    take base\n    take wordy\n  }}\n}}\n"
    second = BLIND.replace("cup", "tea") + "    take cup\n    take wordy\n  }\n}\n"
    assert len(found(lint, WORDY + BLIND + first + second, "M405")) == count


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (
            {"model": {"type": "BPE", "vocab": {}}, "decoder": {"type": "ByteLevel"}},
            "byte-level BPE",
        ),
        ({"model": {"vocab": []}, "pre_tokenizer": {"type": "Metaspace"}}, "SentencePiece Unigram"),
        (
            {
                "model": {"type": "BPE", "vocab": {}},
                "normalizer": {"normalizers": [{"type": "Prepend", "prepend": "▁"}]},
            },
            "SentencePiece BPE",
        ),
        (
            {"model": {"type": "WordPiece", "vocab": {}, "continuing_subword_prefix": "##"}},
            "WordPiece with `##`",
        ),
    ],
)
def test_kinds_of_tokenizers(table: dict[str, object], kind: str) -> None:
    assert str(kind_of(table)) == kind


def test_a_file_that_cannot_be_read_is_of_no_kind(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"model": 1}', "null"):
        (tmp_path / "tokenizer.json").write_text(text)
        assert kind_in(tmp_path) is None
    (tmp_path / "tokenizer.json").unlink()
    assert kind_in(tmp_path) is None
    table = {"model": {"type": "BPE", "vocab": {}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(table))
    assert kind_in(tmp_path) == Kind("BPE", "")
