"""Small tokenizers in the layout of the hub."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from vlm.compat import ensure_torchvision

ensure_torchvision()

from transformers import PreTrainedTokenizerFast  # noqa: E402


def learnt(
    words: Sequence[str], special: Sequence[str], size: int, pieces: bool = True
) -> Tokenizer:
    """A byte-level BPE trained on a few sentences; without `pieces` it has no single bytes."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if pieces else [],
        show_progress=False,
    )
    inner.train_from_iterator(words, trainer)
    return inner


def small_tokenizer() -> PreTrainedTokenizerFast:
    """Fewer tokens than the models of `families.py` have rows."""
    return PreTrainedTokenizerFast(
        tokenizer_object=learnt(["a red apple"], ["<pad>", "<s>", "</s>"], 90, pieces=False),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
    )


def japanese_tokenizer() -> PreTrainedTokenizerFast:
    """A larger vocabulary, learnt from other words and so in another order, without an image token."""
    words = ["これは青い猫である", "赤いリンゴと緑の梨", "is it an apple or what", "何が見えますか"]
    return PreTrainedTokenizerFast(
        tokenizer_object=learnt(words * 2, ["</s>", "<s>", "<pad>", "<unk>"], 400),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
    )


def named_tokenizer(count: int, *names: str, **special: str) -> PreTrainedTokenizerFast:
    """Words that are numbers, `w5`; the last tokens are special and have these names."""
    inner = Tokenizer(models.WordLevel({f"w{i}": i for i in range(count)}, unk_token="w3"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="w0", bos_token="w1", eos_token="w2", **special
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(names)})
    return tokenizer
