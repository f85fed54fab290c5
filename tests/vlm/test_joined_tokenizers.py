"""One tokenizer learns the tokens of others: those are reached, and all that it knew stays as it was."""

import json
import random
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from tests.vlm.word_kinds import ENGLISH, JAPANESE, MAKERS, SIZES, TEXTS, byte_level, unigram
from vlm.compat import ensure_torchvision
from vlm.errors import MergeError
from vlm.weights.joined import Joined, join
from vlm.weights.joined_files import write_joined
from vlm.weights.tokens import Words, tokens_of

ensure_torchvision()

from transformers import AutoTokenizer  # noqa: E402


def save(folder: Path, tokenizer: Tokenizer) -> Words:
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return Words(folder, tokenizer.get_vocab_size())


def both(tmp_path: Path, host: Tokenizer, *donors: Tokenizer) -> tuple[Joined, Tokenizer]:
    words = {f"donor{i}": save(tmp_path / f"donor{i}", d) for i, d in enumerate(donors)}
    found = join("host", save(tmp_path / "host", host), words)
    return found, Tokenizer.from_str(json.dumps(found.whole))


def written(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("kind", MAKERS)
def test_it_writes_in_fewer_tokens_and_forgets_nothing(kind: str, tmp_path: Path) -> None:
    make, (small, large) = MAKERS[kind], SIZES[kind]
    host, donor = make(ENGLISH, small, "<s>", "<image>"), make(JAPANESE, large, "</s>", "<s>")
    host.add_special_tokens([AddedToken("<late>", special=True)])  # behind all of its words
    found, child = both(tmp_path, host, donor)
    for name, number in host.get_vocab().items():
        assert child.token_to_id(name) == number
    own = host.get_vocab_size()
    assert found.size == child.get_vocab_size() > own
    assert {t.new for t in found.given["donor0"]} == set(range(own, found.size))
    meant = tokens_of(Words(tmp_path / "donor0", donor.get_vocab_size())).keys()
    save(tmp_path / "child", child)
    assert meant <= tokens_of(Words(tmp_path / "child", found.size)).keys()
    fewer = 0
    for text in TEXTS:
        ids, before = written(child, text), written(host, text)
        if kind != "Unigram":
            assert child.decode(ids) == text
        assert child.decode(before) == host.decode(before)
        assert len(ids) <= len(before)
        if all(number < own for number in ids):
            assert ids == before
        fewer += len(ids) < len(before)
    assert fewer >= 4
    japanese = JAPANESE[0]
    assert len(written(child, japanese)) <= len(written(donor, japanese)) + 2
    assert written(child, "apple<late>is<image>") == written(host, "apple<late>is<image>")


@pytest.mark.parametrize("kind", MAKERS)
def test_what_has_no_added_token_is_written_as_before(kind: str, tmp_path: Path) -> None:
    """Whatever the words: the host's merges come first, and the added ones make added tokens alone."""
    make, (small, large) = MAKERS[kind], SIZES[kind]
    host, donor = make(ENGLISH, small), make([*ENGLISH[::-1], *JAPANESE, "pale apes leap"], large)
    _, child = both(tmp_path, host, donor)
    draw, letters = random.Random(0), "aelp ist猫赤"
    same = 0
    for _ in range(500):
        text = "".join(draw.choices(letters, k=8))
        ids, before = written(child, text), written(host, text)
        assert child.decode(ids) == child.decode(before)
        if max(ids) < host.get_vocab_size():
            assert ids == before
            same += 1
    assert same > 5


def test_added_tokens_keep_their_flags_and_are_found(tmp_path: Path) -> None:
    host, donor = byte_level(ENGLISH, 300, "<s>"), byte_level(JAPANESE, 320, "<s>", "<turn>")
    donor.add_tokens([AddedToken("<tool>", lstrip=True, special=False, normalized=False)])
    donor.add_special_tokens([AddedToken("<end>", rstrip=True, special=True)])
    found, child = both(tmp_path, host, donor)
    assert [entry["content"] for entry in found.entries] == ["<turn>", "<tool>", "<end>"]
    flags = {token.content: token for token in child.get_added_tokens_decoder().values()}
    assert flags["<tool>"].lstrip and not flags["<tool>"].special
    assert flags["<end>"].rstrip and flags["<end>"].special and flags["<turn>"].special
    ids = written(child, "an apple <tool>猫<end>")
    assert {child.token_to_id("<tool>"), child.token_to_id("<end>")} <= set(ids)
    assert "<end>" not in child.decode(ids) and "<tool>" in child.decode(ids)


def test_three_and_nothing_new(tmp_path: Path) -> None:
    host, one = byte_level(ENGLISH, 300, "<s>"), byte_level(JAPANESE, 320, "<s>")
    two = byte_level(["ein roter Apfel", "eine grüne Birne"] * 3, 320, "<s>", "<de>")
    found, child = both(tmp_path, host, one, two, host)
    first, second, third = found.given.values()
    assert first and second and not third
    assert second[0].new == first[-1].new + 1
    names = [token.name for token in found.tokens]
    assert len(names) == len(set(names))
    assert len(written(child, "ein roter Apfel")) < len(written(host, "ein roter Apfel"))
    alone = join("host", Words(tmp_path / "host", 300), {"host": Words(tmp_path / "host", 300)})
    assert alone.whole == json.loads((tmp_path / "host" / "tokenizer.json").read_text())


def test_a_token_that_the_hosts_merges_cut_otherwise(tmp_path: Path) -> None:
    """The donor makes `abc` of `a` and `bc`, the host joins `ab` first: a merge of `ab` and `c` is added.
    `abcd` would be `ab`, `cd`; `xyz` three pieces of which no two are a token."""

    def bpe(vocab: str, *merges: tuple[str, str]) -> Tokenizer:
        words = {word: number for number, word in enumerate(vocab.split())}
        inner = Tokenizer(models.BPE(words, list(merges)))
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        inner.decoder = decoders.ByteLevel()
        return inner

    host = bpe("a b c d x y z w ab cd xw", ("a", "b"), ("c", "d"), ("x", "w"))
    donor = bpe(
        "a b c d x y z w bc abc abcd yz wyz xwyz",
        *(("b", "c"), ("a", "bc"), ("abc", "d"), ("y", "z"), ("w", "yz"), ("x", "wyz")),
    )
    found, child = both(tmp_path, host, donor)
    for word in ("abc", "abcd", "yz", "bc", "xwyz"):
        assert written(child, word) == [child.token_to_id(word)], word
    assert written(child, "wyz") == [child.token_to_id("wyz")]
    assert found.unreached == 0


def test_what_no_merge_reaches_is_counted(tmp_path: Path) -> None:
    def bpe(table: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
        inner = Tokenizer(models.BPE(table, merges))
        inner.decoder = decoders.ByteLevel()
        return inner

    letters = {letter: number for number, letter in enumerate("abcd")}
    host = bpe({**letters, "ab": 4, "cd": 5}, [("a", "b"), ("c", "d")])
    donor = bpe(
        {**letters, "bc": 4, "da": 5, "bcda": 6},
        [("b", "c"), ("d", "a"), ("bc", "da")],
    )
    found, child = both(tmp_path, host, donor)
    assert found.unreached == 1  # `b`, `cd`, `a`, and neither `bcd` nor `cda` is a token
    assert written(child, "bcda") == written(host, "bcda")
    assert written(child, "bcbc") == [child.token_to_id("bc")] * 2


def test_words_alone(tmp_path: Path) -> None:
    def words(*names: str) -> Tokenizer:
        table = {name: number for number, name in enumerate(("?", *names))}
        inner = Tokenizer(models.WordLevel(table, unk_token="?"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return inner

    _, child = both(tmp_path, words("an", "apple"), words("apple", "und"))
    assert written(child, "an apple und eve") == [1, 2, 3, 0]


ENDS = ("</s>", "<|endoftext|>")  # which the classes add where they are missing
CLASSES = (
    ("LlamaTokenizer", "SentencePiece"),
    ("Qwen2Tokenizer", "byte-level"),
    ("PreTrainedTokenizerFast", "Unigram"),
)


@pytest.mark.parametrize(("named", "kind"), CLASSES)
def test_classes_that_build_their_own(named: str, kind: str, tmp_path: Path) -> None:
    """Some classes of transformers take words and merges out of the file, and put the rest together anew."""
    make, sizes = MAKERS[kind], SIZES[kind]
    host, donor = (
        make(t, n, "<s>", *ENDS) for t, n in zip((ENGLISH, JAPANESE), sizes, strict=True)
    )
    donor.add_special_tokens([AddedToken("<new>", special=True)])
    found, _ = both(tmp_path, host, donor)
    said = {"tokenizer_class": named, "bos_token": "<s>", "extra_special_tokens": ["<s>"]}
    (tmp_path / "host" / "tokenizer_config.json").write_text(json.dumps(said))
    (tmp_path / "out").mkdir()
    write_joined(found, found.size, tmp_path / "host", tmp_path / "out")
    before, child = (AutoTokenizer.from_pretrained(tmp_path / n) for n in ("host", "out"))
    assert before.get_vocab().items() <= child.get_vocab().items()
    assert all(child.convert_tokens_to_ids(token.name) == token.new for token in found.tokens)
    new = child.convert_tokens_to_ids("<new>")
    assert child(JAPANESE[0] + "<new>")["input_ids"].count(new) == 1
    assert new in child.all_special_ids and "<new>" in child.all_special_tokens
    ids, old = (tokenizer(JAPANESE[0])["input_ids"] for tokenizer in (child, before))
    assert len(ids) < len(old)
    assert child.decode(ids, skip_special_tokens=True).strip() == JAPANESE[0]


@pytest.mark.parametrize("host", MAKERS)
@pytest.mark.parametrize("donor", MAKERS)
def test_two_kinds_are_refused(host: str, donor: str, tmp_path: Path) -> None:
    if host == donor:
        return
    with pytest.raises(
        MergeError, match=r"cannot be joined: host's is .* and donor0's is"
    ) as error:
        both(tmp_path, MAKERS[host](ENGLISH, 300), MAKERS[donor](JAPANESE, 400))
    assert "`vocabulary = shared`, or `whole`" in error.value.way_out


def test_a_gap_in_a_list_of_pieces(tmp_path: Path) -> None:
    words = save(tmp_path / "gap", unigram(ENGLISH, 60))
    path = tmp_path / "gap" / "tokenizer.json"
    table = json.loads(path.read_text())
    table["added_tokens"].append({"id": 99, "content": "<far>", "special": True})
    path.write_text(json.dumps(table))
    other = save(tmp_path / "other", unigram(JAPANESE, 80))
    with pytest.raises(MergeError, match=r"of host has no token \d+, but later ones"):
        join("host", Words(words.folder, 120), {"other": other})
    with pytest.raises(MergeError, match="has 100 tokens, its embedding 60 rows"):
        join("host", Words(words.folder, 60), {"other": other})
