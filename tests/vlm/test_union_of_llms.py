"""`vocabulary = union` of language models, which see nothing: a base, padding, tied heads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from tests.vlm.conftest import text_config
from tests.vlm.test_union_vocabulary import JAPANESE, union
from tests.vlm.test_vocabulary import EMBED
from vlm.resident import Resident
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model


def language(folder: Path, tokenizer: Any, seed: int, **changes: Any) -> Source:
    torch.manual_seed(seed)
    LlamaForCausalLM(text_config(tokenizer, **changes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return open_source(folder.name, folder)


@pytest.fixture
def three(tmp_path: Path, tokenizer: Any, japanese: Any) -> dict[str, Source]:
    """Language models: one, another with the words of the first and more, one with other words."""
    more = AutoTokenizer.from_pretrained(
        language(tmp_path / "one", tokenizer, 1).folder,
    )
    more.add_tokens([AddedToken("<tool>", special=False), AddedToken("<turn>", special=True)])
    other = AutoTokenizer.from_pretrained(
        language(tmp_path / "three", japanese, 3).folder,
    )
    other.add_tokens([AddedToken("<turn>", special=True)])
    return {
        "one": open_source("one", tmp_path / "one"),
        "two": language(tmp_path / "two", more, 2),
        "three": language(tmp_path / "three", other, 3),
    }


def test_language_models_that_see_nothing(three: dict[str, Source], tmp_path: Path) -> None:
    candidate = union(three["one"], "one", "two", "three")
    write_model(candidate, three, tmp_path / "out", recipe="r\n", dtype="fp32")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    vocabularies = [AutoTokenizer.from_pretrained(s.folder).get_vocab() for s in three.values()]
    joined = tokenizer.get_vocab()
    assert joined.keys() == set().union(*vocabularies)
    found = open_source("child", tmp_path / "out").tensor(EMBED)
    tables = [source.tensor(EMBED) for source in three.values()]
    for token, row in joined.items():
        given = [t[v[token]] for t, v in zip(tables, vocabularies, strict=True) if token in v]
        mean = sum(one.double() for one in given) / len(given)
        torch.testing.assert_close(found[row].double(), mean, atol=1e-7, rtol=1e-6)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.config.vocab_size == len(found)
    asked = tokenizer(f"{JAPANESE}<turn><tool>", return_tensors="pt", return_token_type_ids=False)
    assert asked["input_ids"][0, -2:].tolist() == [joined["<turn>"], joined["<tool>"]]
    assert tokenizer.decode(asked["input_ids"][0], skip_special_tokens=True) == f"{JAPANESE}<tool>"
    with torch.inference_mode():
        said = model.generate(**asked, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        assert said.shape[1] == asked["input_ids"].shape[1] + 3
        resident = Resident(candidate, three).put(candidate)
        assert torch.equal(resident(**asked).logits, model(**asked).logits)


def test_a_base_and_differences(three: dict[str, Source], tmp_path: Path) -> None:
    """Shared tokens by the method; of one that only some have, the base counts as any other."""
    both = {name: three[name] for name in ("one", "two", "three")}
    candidate = union(both["one"], "two", "three", method="task_arithmetic", base="one")
    write_model(candidate, both, tmp_path / "out", recipe="r\n", dtype="fp32")
    joined = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    vocabularies = [AutoTokenizer.from_pretrained(s.folder).get_vocab() for s in both.values()]
    found = open_source("child", tmp_path / "out").tensor(EMBED).double()
    one, two, three_ = (source.tensor(EMBED).double() for source in both.values())

    def rows(token: str) -> list[Any]:
        tables = zip((one, two, three_), vocabularies, strict=True)
        return [table[known[token]] for table, known in tables if token in known]

    shared, some = "</s>", next(t for t in vocabularies[0] if t not in vocabularies[2])
    base, left, right = rows(shared)
    torch.testing.assert_close(found[joined[shared]], left + right - base, atol=1e-6, rtol=1e-5)
    base, left = rows(some)
    torch.testing.assert_close(found[joined[some]], (base + left) / 2, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("rows", "tied"), [(512, True), (512, False), (320, False), (320, True)])
def test_padding_is_used_first_and_never_likeliest(
    rows: int, tied: bool, tokenizer: Any, japanese: Any, tmp_path: Path
) -> None:
    """A host with rows to spare: added tokens take those, and what is beyond is the mean of all tokens."""
    both = {}
    for seed, (name, words) in enumerate((("host", tokenizer), ("guest", japanese))):
        torch.manual_seed(seed)
        config = text_config(words)
        config.vocab_size, config.tie_word_embeddings = rows if name == "host" else 350, tied
        LlamaForCausalLM(config).save_pretrained(tmp_path / name)
        words.save_pretrained(tmp_path / name)
        both[name] = open_source(name, tmp_path / name)
    candidate = union(both["host"], "host", "guest")
    write_model(candidate, both, tmp_path / "out", recipe="r\n", dtype="fp32")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    count = len(AutoTokenizer.from_pretrained(tmp_path / "out"))
    assert 320 < count < 384 and model.config.vocab_size == max(rows, 384)
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    host, found = both["host"].tensor(EMBED), open_source("c", tmp_path / "out").tensor(EMBED)
    if rows == 512:
        assert torch.equal(found[count:], host[count:])
    else:
        mean = found[:count].double().mean(dim=0)
        torch.testing.assert_close(found[count:].double(), mean.expand(384 - count, -1))
        head = model.lm_head.weight
        likeliest = (torch.randn(500, head.shape[1]) @ head.T).argmax(dim=1)
        assert likeliest.max() < count
    state = Resident(candidate, both).put(candidate).state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor), name
