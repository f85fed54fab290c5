"""Embeddings of two vocabularies: rows of one token are blended, all others are the host's."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from merge_dsl.cli import main
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import KEPT, UNITS, text_config
from vlm.anatomy.parts import Role
from vlm.errors import MergeError
from vlm.resident import Resident
from vlm.weights.source import Source, open_source
from vlm.weights.tokens import Words, check_same, shared_rows
from vlm.weights.writer import write_model

EMBED, HEAD = Role("language.embed", "weight"), Role("language.head", "weight")


def spoken(word: str | None = "shared", weight: float = 0.5) -> Candidate:
    """`embed, head by linear { vocabulary = shared; take eyes; take tongue }`, all else kept."""
    ends = ("language.embed", "language.head")
    kept = (*(unit for unit in KEPT if unit not in ends), *UNITS)
    takes = tuple(
        Ingredient(Origin(name), {"weight": (w, w)})
        for name, w in (("eyes", 1 - weight), ("tongue", weight))
    )
    settings: dict[str, tuple[str | float, ...]] = {"normalize": (1.0, 1.0)}
    if word:
        settings["vocabulary"] = (word, word)
    blend = Blend(ends, "linear", None, takes, settings)
    return Candidate("student", {}, (Keep(kept, Origin("eyes")),), (blend,))


def test_shared_tokens_are_blended_and_all_others_kept(
    two: dict[str, Source], tokenizer, japanese, tmp_path: Path
) -> None:
    write_model(spoken(), two, tmp_path / "out", recipe="r\n", dtype="fp32")
    child = open_source("child", tmp_path / "out")
    own, other = tokenizer.get_vocab(), japanese.get_vocab()
    both = own.keys() & other.keys()
    assert 256 < len(both) < min(len(own), len(other))  # all bytes, and some words
    assert any(own[token] != other[token] for token in both)
    assert "<image>" in own and "<image>" not in other
    for role in (EMBED, HEAD):
        eyes, tongue, found = (s.tensor(role) for s in (two["eyes"], two["tongue"], child))
        assert found.shape == eyes.shape != tongue.shape
        for token, row in own.items():
            if token in both:
                mean = (eyes[row].double() + tongue[other[token]].double()) / 2
                torch.testing.assert_close(found[row].double(), mean, atol=1e-7, rtol=1e-6)
            else:
                assert torch.equal(found[row], eyes[row]), token


def test_the_same_in_memory(two: dict[str, Source], tmp_path: Path) -> None:
    resident = Resident(spoken(), two)
    resident.put(spoken(weight=0.9))
    state = resident.put(spoken(weight=0.3)).state_dict()
    write_model(spoken(weight=0.3), two, tmp_path / "out", recipe="r\n", dtype="fp32")
    child = open_source("child", tmp_path / "out")
    assert torch.equal(state["model.language_model.embed_tokens.weight"], child.tensor(EMBED))
    assert torch.equal(state["lm_head.weight"], child.tensor(HEAD))


def test_without_the_word_they_are_refused(two: dict[str, Source], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="write `vocabulary = union` or `shared`"):
        write_model(spoken(None), two, tmp_path / "out", recipe="r\n")


def test_one_size_and_other_tokens_are_refused_too(
    two: dict[str, Source], tokenizer, japanese, tmp_path: Path
) -> None:
    LlamaForCausalLM(text_config(tokenizer)).save_pretrained(tmp_path / "tongue")
    japanese.save_pretrained(tmp_path / "tongue")
    both = {**two, "tongue": open_source("tongue", tmp_path / "tongue")}
    with pytest.raises(MergeError, match=r"row \d+ is '.*' in eyes and '.*' in tongue"):
        write_model(spoken(None), both, tmp_path / "out", recipe="r\n")
    write_model(spoken(), both, tmp_path / "out", recipe="r\n")


def test_a_parent_without_a_tokenizer(two: dict[str, Source], japanese, tmp_path: Path) -> None:
    LlamaForCausalLM(text_config(japanese)).save_pretrained(tmp_path / "mute")
    both = {**two, "tongue": open_source("tongue", tmp_path / "mute")}
    with pytest.raises(MergeError, match=r"tongue has no tokenizer\.json"):
        write_model(spoken(), both, tmp_path / "out", recipe="r\n")


RECIPE = """recipe words

model eyes from "file:{eyes}"
model tongue from "file:{tongue}"

merge student {{
  keep vision, projector, language.layers from eyes
  embed, head by linear {{
    vocabulary = {word}
    take eyes {{ weight = 0.7 }}
    take tongue {{ weight = 0.3 }}
  }}
}}

write student to "out" {{ dtype = fp32 }}
"""


def written(folder: Path, two: dict[str, Source], word: str) -> Path:
    places = {name: source.folder for name, source in two.items()}
    path = folder / "words.merge"
    path.write_text(RECIPE.format(word=word, **places), encoding="utf-8")
    return path


def test_from_the_text_of_a_recipe(
    two: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, two, "shared")
    assert main(["lint", str(path)]) == 0
    assert main(["merge", str(path)]) == 0
    child = open_source("child", tmp_path / "out")
    assert child.tensor(EMBED).shape == two["eyes"].tensor(EMBED).shape


@pytest.mark.parametrize(
    ("word", "said"),
    [("shred", "did you mean `shared`?"), ("0.5", "K205")],
)
def test_other_words(
    word: str,
    said: str,
    two: dict[str, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["merge", str(written(tmp_path, two, word))]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def save_tokens(folder: Path, vocab: object, kind: str, added: Mapping[str, int]) -> Path:
    folder.mkdir()
    named = [{"id": row, "content": text, "special": True} for text, row in added.items()]
    step = {"type": "ByteLevel"} if kind == "bytes" else {"type": "Metaspace"}
    model = {"type": "BPE" if isinstance(vocab, dict) else "Unigram", "vocab": vocab}
    whole = {"model": model, "decoder": step, "added_tokens": named}
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder


def test_two_spellings_of_one_token(tmp_path: Path) -> None:
    """`Ġapple` and `▁apple`, `æĹ¥` and `日`, a lone byte: by what they stand for."""
    one = save_tokens(
        tmp_path / "one",
        {"Ġapple": 0, "æĹ¥": 1, "æ": 2, "A": 3, "only": 4, "</s>": 5},
        "bytes",
        {"</s>": 5},
    )
    other = save_tokens(
        tmp_path / "other",
        [["</s>", 0], ["<0xE6>", 0], ["<0x41>", 0], ["▁apple", 0], ["日", 0], ["A", 0], ["an", 0]],
        "spaces",
        {"</s>": 0},
    )
    rows = shared_rows(Words(one, 6), {"other": Words(other, 7)})
    assert rows.host.tolist() == [0, 1, 2, 3, 5]
    assert rows.of["other"].tolist() == [3, 4, 1, 5, 0]
    assert shared_rows(Words(one, 2), {"other": Words(other, 7)}).host.tolist() == [0, 1]
    with pytest.raises(MergeError, match="share no token"):
        shared_rows(Words(one, 6), {"other": Words(other, 0)})
    with pytest.raises(MergeError, match="row 0 is ' apple' in one and '</s>' in other"):
        check_same([("one", Words(one, 6)), ("other", Words(other, 7))])


def test_a_damaged_tokenizer_is_no_traceback(tmp_path: Path) -> None:
    one = save_tokens(tmp_path / "one", {"a": 0}, "bytes", {})
    for text in ("{", "[]", '{"model": {"vocab": [1]}}', '{"model": {"vocab": {"a": null}}}'):
        (one / "tokenizer.json").write_text(text)
        with pytest.raises(MergeError, match=r"tokenizer\.json cannot be read"):
            shared_rows(Words(one, 1), {"other": Words(one, 1)})
