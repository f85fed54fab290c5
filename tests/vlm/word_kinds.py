"""A small tokenizer of each kind, learnt from a few sentences."""

import json
from collections import Counter
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.vlm.words import learnt

ENGLISH = ["it is an apple", "a red apple and a green pear", "what is it? it is a cat"] * 3
JAPANESE = ["これは青い猫である", "赤いリンゴと緑の梨", "何が見えますか", "an apple"] * 3
TEXTS = [*ENGLISH[:3], *JAPANESE[:4], "apple リンゴ café 猫!", "  two  blanks ", "x赤いapple緑"]


def byte_level(words: list[str], size: int, *special: str) -> Tokenizer:
    return learnt(words, special, size)


def pieces(words: list[str], size: int, *special: str) -> Tokenizer:
    """SentencePiece's BPE as Llama 2 has it: bytes to fall back on, and `▁` for a space."""
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    lone = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", *special, *lone], show_progress=False
    )
    inner.train_from_iterator(words, trainer)
    table = json.loads(inner.to_str())
    table["added_tokens"] = [e for e in table["added_tokens"] if e["content"] not in lone]
    return Tokenizer.from_str(json.dumps(table))


def unigram(words: list[str], size: int, *special: str) -> Tokenizer:
    """Letters, and pairs and triples of letters by how often they are; longer ones are likelier than their parts."""
    spelt = ["▁" + word for line in words for word in line.split()]
    runs = Counter(w[i : i + n] for w in spelt for n in (2, 3) for i in range(len(w) - n + 1))
    letters = sorted(set("▁" + "".join(TEXTS)) - {" ", "\n"})
    table = [(name, 0.0) for name in ("<unk>", *special)]
    table += [(letter, -9.0 - number / 100) for number, letter in enumerate(letters)]
    common = sorted(runs, key=lambda run: (-runs[run], run))[: size - len(table)]
    table += [(run, -10.0 - number / 100) for number, run in enumerate(common)]
    inner = Tokenizer(models.Unigram(table, unk_id=0, byte_fallback=False))
    inner.add_special_tokens(["<unk>", *special])
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    return inner


MAKERS: dict[str, Any] = {"byte-level": byte_level, "SentencePiece": pieces, "Unigram": unigram}
SIZES = {"byte-level": (300, 420), "SentencePiece": (330, 420), "Unigram": (90, 120)}
