"""`vocabulary = union`: the host's tokenizer with the tokens of all parents, and a row for each."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
)

from merge_dsl.cli import main
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.families import FAMILIES, IMAGE
from tests.vlm.making import build, prompt, save
from tests.vlm.test_vocabulary import EMBED, HEAD, spoken
from tests.vlm.test_whole_vocabulary import SEARCHED
from tests.vlm.tiny import QUICK, evolve
from tests.vlm.words import named_tokenizer
from vlm.errors import MergeError
from vlm.reader import open_reader
from vlm.resident import Resident
from vlm.weights.own_files import ORIGINS
from vlm.weights.source import Source, open_source
from vlm.weights.writer import PROVENANCE, write_model

JAPANESE = "これは青い猫である"
ENDS = ("language.embed", "language.head")


def union(host: Source, *parents: str, method: str = "linear", base: str = "") -> Candidate:
    """All of a model but its words, which it has from everyone."""
    kept = tuple(unit for unit in host.anatomy.units if unit not in ENDS)
    takes = tuple(Ingredient(Origin(name), {"weight": (1.0, 1.0)}) for name in parents)
    settings: dict[str, Any] = {"vocabulary": ("union", "union")}
    settings |= {"normalize": (1.0, 1.0)} if method == "linear" else {"scale": (1.0, 1.0)}
    blend = Blend(ENDS, method, Origin(base) if base else None, takes, settings)
    return Candidate("child", {}, (Keep(kept, Origin(host.name)),), (blend,))


@pytest.fixture(scope="module")
def child(two: dict[str, Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("union") / "child"
    write_model(spoken("union"), two, out, recipe="r\n", dtype="fp32")
    return out


def test_rows_come_from_whom_the_tokens_are(
    child: Path, two: dict[str, Source], tokenizer: Any, japanese: Any
) -> None:
    own, other = tokenizer.get_vocab(), japanese.get_vocab()
    joined = AutoTokenizer.from_pretrained(child).get_vocab()
    assert own.items() <= joined.items() and joined.keys() == own.keys() | other.keys()
    found = open_source("child", child)
    for role in (EMBED, HEAD):
        eyes, tongue, rows = (s.tensor(role) for s in (two["eyes"], two["tongue"], found))
        for token, row in joined.items():
            given = [t[v[token]] for t, v in ((eyes, own), (tongue, other)) if token in v]
            mean = sum(one.double() for one in given) / len(given)
            torch.testing.assert_close(rows[row].double(), mean, atol=1e-7, rtol=1e-6)
            if len(given) == 1:
                assert torch.equal(rows[row], given[0]), token
        assert len(rows) == len(joined)
    origins = json.loads((child / "merge_origins.json").read_text())["vocabulary"]
    added = {"first row": len(own), "last row": len(joined) - 1}
    counts = {"rows": len(rows), "tokens": len(joined), "not reached": 1}
    assert origins == {**counts, "added": {"tongue": added}}
    said = f"are those of `eyes`, with {len(joined) - len(own)} tokens of `tongue` added."
    assert said in (child / "README.md").read_text()


def test_it_is_asked_and_answers(
    child: Path, two: dict[str, Source], tokenizer: Any, japanese: Any
) -> None:
    reader = open_reader(child, sees=True)
    ids = reader.tokenizer(JAPANESE)["input_ids"]
    assert len(ids) < len(tokenizer(JAPANESE)["input_ids"]) and reader.tokenizer.decode(ids)
    assert reader.tokenizer.decode(ids) == JAPANESE
    model, info = AutoModelForImageTextToText.from_pretrained(child, output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"]
    config, before = model.config, two["eyes"].config
    assert config.image_token_id == before.image_token_id == tokenizer.get_vocab()["<image>"]
    assert config.text_config.vocab_size == model.lm_head.out_features
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(config.text_config, key) == getattr(before.text_config, key)
    picture = Image.new("RGB", (16, 16), "red")
    asked = reader.processor(images=picture, text=f"<image>\n{JAPANESE}", return_tensors="pt")
    assert (asked["input_ids"] == config.image_token_id).sum() == 4
    with torch.inference_mode():
        said = model.generate(**asked, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert said.shape[1] == asked["input_ids"].shape[1] + 3


def test_the_same_in_memory(child: Path, two: dict[str, Source]) -> None:
    resident = Resident(spoken("union"), two)
    resident.put(spoken("union", weight=0.9))
    state = resident.put(spoken("union")).state_dict()
    written = AutoModelForImageTextToText.from_pretrained(child).state_dict()
    assert state.keys() == written.keys()
    for name, tensor in written.items():
        assert torch.equal(state[name], tensor), name
    assert open_reader(resident.host.folder, sees=True)


def test_a_host_that_is_not_blended(two: dict[str, Source], tokenizer: Any, tmp_path: Path) -> None:
    """`take tongue` alone: the host's own tokens keep their rows, all others are the tongue's."""
    write_model(union(two["eyes"], "tongue"), two, tmp_path / "out", recipe="r\n", dtype="fp32")
    found = open_source("child", tmp_path / "out").tensor(EMBED)
    joined = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    other = AutoTokenizer.from_pretrained(two["tongue"].folder).get_vocab()
    eyes, tongue = two["eyes"].tensor(EMBED), two["tongue"].tensor(EMBED)
    for token, row in joined.items():
        expected = tongue[other[token]] if token in other else eyes[row]
        assert torch.equal(found[row], expected), token


@pytest.mark.parametrize("name", ["qwen2_vl", "gemma3"])
def test_other_families(name: str, tmp_path: Path) -> None:
    """Untied and tied, words under other names in the config."""
    family, words = FAMILIES[name], ("<a>", "<b>", "<c>", "<d>")
    partner = family.partner()
    partner.vocab_size = 130
    save(build(family.config(), seed=1), tmp_path / "eyes", family)
    save(build(partner, seed=2), tmp_path / "tongue", family)
    named_tokenizer(IMAGE, *words).save_pretrained(tmp_path / "eyes")
    named_tokenizer(128, "<日本>").save_pretrained(tmp_path / "tongue")
    sources = {n: open_source(n, tmp_path / n) for n in ("eyes", "tongue")}
    candidate = union(sources["eyes"], "tongue")
    write_model(candidate, sources, tmp_path / "out", recipe="r\n")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    first = IMAGE + len(words)
    assert model.config.image_token_id == IMAGE
    assert tokenizer.get_vocab()["<日本>"] == first + 128 - IMAGE
    assert len(tokenizer) == first + 128 - IMAGE + 1
    inputs = prompt(model, family)
    with torch.inference_mode():
        said = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        resident = Resident(candidate, sources).put(candidate)
        assert torch.equal(model(**inputs).logits, resident(**inputs).logits)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 3


def test_a_run_speaks_with_all_words(
    place: Path, two: dict[str, Source], tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "tongue").unlink()
    (place / "tongue").symlink_to(two["tongue"].folder)
    recipe = QUICK.replace("projector, embed, head from eyes", "projector from eyes")
    searched = SEARCHED.replace("whole", "union")
    recipe = recipe.replace("  language.layers by", searched + "  language.layers by")
    (place / "tiny.merge").write_text(recipe, encoding="utf-8")
    assert main(["lint", str(place / "tiny.merge"), "--ignore", "D705,V505,X306"]) == 0
    assert evolve() == 0, capsys.readouterr().err
    assert len(AutoTokenizer.from_pretrained("out/tiny")) > len(tokenizer)
    assert main(["merge", "runs/tiny/best.merge", "--out", "again"]) == 0
    for file in Path("out/tiny").iterdir():
        if file.name not in (PROVENANCE, ORIGINS):  # which say where the recipe lies
            assert file.read_bytes() == (Path("again") / file.name).read_bytes(), file.name


def test_what_cannot_be_joined_is_said(two: dict[str, Source], tmp_path: Path) -> None:
    eyes = two["eyes"]
    folder = Path(shutil.copytree(two["tongue"].folder, tmp_path / "tongue"))
    named_tokenizer(300).save_pretrained(folder)
    other = {**two, "tongue": open_source("tongue", folder)}
    (one,) = spoken("union").blends
    taken = one._replace(units=ENDS[1:], settings={**one.settings, "vocabulary": ("whole",)})
    half = spoken("union")._replace(blends=(one._replace(units=ENDS[:1]),))
    mixed = half._replace(blends=(*half.blends, taken))
    difference = {**two, "tongue": replace(two["tongue"], difference=True)}
    added = union(eyes, "tongue", method="task_arithmetic", base="eyes")
    for sources, candidate, said in (
        (other, spoken("union"), "eyes's is byte-level BPE and tongue's is WordLevel"),
        (two, mixed, "one model has one vocabulary"),
        (two, half, "is not said of language.head"),
        (difference, added, "tongue is a difference, and brings no tokens"),
    ):
        with pytest.raises(MergeError, match=said):
            write_model(candidate, sources, tmp_path / "out", recipe="r\n")
        assert not (tmp_path / "out").exists()


def test_an_image_token_without_a_name(two: dict[str, Source], tmp_path: Path) -> None:
    """Its number would become another token's."""
    folder = Path(shutil.copytree(two["eyes"].folder, tmp_path / "eyes"))
    config = json.loads((folder / "config.json").read_text())
    config["image_token_index"] = two["eyes"].tensor(EMBED).shape[0] + 5
    (folder / "config.json").write_text(json.dumps(config))
    both = {**two, "eyes": open_source("eyes", folder)}
    with pytest.raises(MergeError, match=r"says image_token_index \d+, and it has no such token"):
        write_model(spoken("union"), both, tmp_path / "out", recipe="r\n")
