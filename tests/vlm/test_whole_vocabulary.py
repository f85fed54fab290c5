"""`vocabulary = whole`: another parent's tokenizer, with the image tokens of the one that sees moved over."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoTokenizer

from merge_dsl.cli import main
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import read_json
from tests.vlm.families import FAMILIES, IMAGE
from tests.vlm.making import build, prompt, save
from tests.vlm.test_vocabulary import EMBED, HEAD, spoken
from tests.vlm.tiny import QUICK, evolve
from tests.vlm.words import named_tokenizer
from vlm.errors import MergeError
from vlm.reader import open_reader
from vlm.resident import Resident
from vlm.weights.own_files import LISTED, ORIGINS
from vlm.weights.source import Source, open_source
from vlm.weights.writer import PROVENANCE, write_model


@pytest.fixture(scope="module")
def child(two: dict[str, Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "child"
    write_model(spoken("whole"), two, out, recipe="r\n", dtype="fp32")
    return out


def test_rows_come_from_whom_the_tokens_are(
    child: Path, two: dict[str, Source], tokenizer: Any, japanese: Any
) -> None:
    own, other = tokenizer.get_vocab(), japanese.get_vocab()
    image = len(other)  # behind the donor's last token
    found = open_source("child", child)
    for role in (EMBED, HEAD):
        eyes, tongue, rows = (s.tensor(role) for s in (two["eyes"], two["tongue"], found))
        for token, row in other.items():
            expected = tongue[row].double()
            if token in own:
                expected = (expected + eyes[own[token]].double()) / 2
            torch.testing.assert_close(rows[row].double(), expected, atol=1e-7, rtol=1e-6)
        assert torch.equal(rows[image], eyes[own["<image>"]])
        padding = tongue.double().mean(dim=0)
        for row in rows[image + 1 :]:
            torch.testing.assert_close(row.double(), padding, atol=1e-7, rtol=1e-6)
    origins = json.loads((child / "merge_origins.json").read_text())["vocabulary"]
    moved = {"row": image, "from": "eyes", "its row": own["<image>"]}
    assert origins["of"] == "tongue" and origins["moved"] == {"<image>": moved}
    assert "the tokenizer is `tongue`'s, with `<image>` added" in (child / "README.md").read_text()


def test_it_is_asked_and_answers(child: Path, japanese: Any) -> None:
    reader = open_reader(child, sees=True)
    words = "赤いリンゴ what"
    assert reader.tokenizer(words)["input_ids"] == japanese(words)["input_ids"]
    model, info = AutoModelForImageTextToText.from_pretrained(child, output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"]
    config, image = model.config, len(japanese)
    assert config.image_token_id == reader.tokenizer.convert_tokens_to_ids("<image>") == image
    assert config.text_config.vocab_size == model.lm_head.out_features
    for ids in (config.text_config, model.generation_config):
        assert (ids.bos_token_id, ids.eos_token_id, ids.pad_token_id) == (1, 0, 2)
    asked = reader.processor(
        images=Image.new("RGB", (16, 16), "red"), text="<image>\n何？", return_tensors="pt"
    )
    assert (asked["input_ids"] == image).sum() == 4
    with torch.inference_mode():
        said = model.generate(**asked, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        seen = model(**asked).logits
        asked["pixel_values"] = -asked["pixel_values"]
        assert not torch.equal(seen, model(**asked).logits)  # it looks at the picture
    assert said.shape[1] == asked["input_ids"].shape[1] + 3


def test_the_same_in_memory(child: Path, two: dict[str, Source]) -> None:
    resident = Resident(spoken("whole"), two)
    resident.put(spoken("whole", weight=0.9))
    state = resident.put(spoken("whole")).state_dict()
    written = AutoModelForImageTextToText.from_pretrained(child).state_dict()
    assert state.keys() == written.keys()
    for name, tensor in written.items():
        assert torch.equal(state[name], tensor), name
    assert resident.host.folder.is_dir() and open_reader(resident.host.folder, sees=True)


SEARCHED = """  embed, head by linear {
    vocabulary = whole
    take tongue
  }
"""


def test_a_run_speaks_with_the_taken_words(
    place: Path, two: dict[str, Source], japanese: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "tongue").unlink()
    (place / "tongue").symlink_to(two["tongue"].folder)
    recipe = QUICK.replace("projector, embed, head from eyes", "projector from eyes")
    recipe = recipe.replace("  language.layers by", SEARCHED + "  language.layers by")
    (place / "tiny.merge").write_text(recipe, encoding="utf-8")
    assert main(["lint", str(place / "tiny.merge"), "--ignore", "D705,V505,X306"]) == 0
    assert evolve() == 0, capsys.readouterr().err
    assert len(AutoTokenizer.from_pretrained("out/tiny")) == len(japanese) + 1
    assert main(["merge", "runs/tiny/best.merge", "--out", "again"]) == 0
    one, other = (read_json(Path(out) / ORIGINS) for out in ("out/tiny", "again"))
    # The recipe lies deeper in the one than in the other, and its addresses say so.
    assert one.pop(LISTED).keys() == other.pop(LISTED).keys() and one == other
    for file in Path("out/tiny").iterdir():
        if file.name not in (PROVENANCE, ORIGINS):
            assert file.read_bytes() == (Path("again") / file.name).read_bytes(), file.name


QWEN_WORDS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
GEMMA_WORDS = ("<image_soft_token>", "<start_of_image>", "<end_of_image>")


@pytest.mark.parametrize(
    ("name", "words", "rows", "total"),
    [("qwen2_vl", QWEN_WORDS, 128, 192), ("gemma3", GEMMA_WORDS, 130, 133)],
)
def test_other_families(
    name: str, words: tuple[str, ...], rows: int, total: int, tmp_path: Path
) -> None:
    """Untied with several tokens around a picture, and tied; a donor with rows to spare and without."""
    family = FAMILIES[name]
    partner = family.partner()
    partner.vocab_size = rows
    partner.bos_token_id, partner.eos_token_id, partner.pad_token_id = 4, 5, None
    save(build(family.config(), seed=1), tmp_path / "eyes", family)
    save(build(partner, seed=2), tmp_path / "tongue", family)
    named_tokenizer(IMAGE, *words).save_pretrained(tmp_path / "eyes")
    count = rows - 2 if rows % 64 == 0 else rows
    named_tokenizer(count - 1, "<日本>").save_pretrained(tmp_path / "tongue")
    sources = {n: open_source(n, tmp_path / n) for n in ("eyes", "tongue")}
    write_model(whole(sources["eyes"], "tongue"), sources, tmp_path / "out", recipe="r\n")
    child = open_source("child", tmp_path / "out")
    eyes, tongue, found = (s.tensor(EMBED) for s in (*sources.values(), child))
    assert found.shape[0] == total
    assert torch.equal(found[:count], tongue[:count])
    for i in range(len(words)):
        assert torch.equal(found[count + i], eyes[IMAGE + i])
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.config.image_token_id == count == tokenizer.convert_tokens_to_ids(words[0])
    speech = model.config.text_config
    assert (speech.bos_token_id, speech.eos_token_id, speech.pad_token_id) == (4, 5, 0)
    inputs = prompt(model, family)
    with torch.inference_mode():
        said = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        resident = Resident(whole(sources["eyes"], "tongue"), sources).put(
            whole(sources["eyes"], "tongue")
        )
        assert torch.equal(model(**inputs).logits, resident(**inputs).logits)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 3


def whole(eyes: Source, *donors: str, ends: tuple[str, ...] = ()) -> Candidate:
    """All of a VLM but its words, which are the donor's."""
    ends = ends or ("language.embed", "language.head")
    kept = tuple(unit for unit in eyes.anatomy.units if unit not in ends)
    takes = tuple(Ingredient(Origin(n), {"weight": (1.0,) * len(ends)}) for n in donors)
    settings: dict[str, Any] = {
        "normalize": (1.0,) * len(ends),
        "vocabulary": ("whole",) * len(ends),
    }
    blend = Blend(ends, "linear", None, takes, settings)
    return Candidate("child", {}, (Keep(kept, Origin(eyes.name)),), (blend,))


def test_what_is_missing_is_said(two: dict[str, Source], tmp_path: Path) -> None:
    eyes = two["eyes"]
    for candidate, said in (
        (whole(eyes, "eyes"), "the one model beside eyes, and the blend has none"),
        (whole(eyes, "tongue", "third"), "the blend has third, tongue"),
        (whole(eyes, "tongue", ends=("language.embed",)), "is not said of language.head"),
    ):
        with pytest.raises(MergeError, match=said):
            write_model(candidate, {**two, "third": two["tongue"]}, tmp_path / "o", recipe="r\n")


@pytest.mark.parametrize("name", ["eyes", "tongue"])
def test_a_parent_without_a_tokenizer(name: str, two: dict[str, Source], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(two[name].folder, tmp_path / name))
    (folder / "tokenizer.json").unlink()
    both = {**two, name: open_source(name, folder)}
    with pytest.raises(MergeError, match=rf"{name} has no tokenizer\.json"):
        write_model(spoken("whole"), both, tmp_path / "out", recipe="r\n")


def test_an_image_token_without_a_name(two: dict[str, Source], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(two["eyes"].folder, tmp_path / "eyes"))
    config = json.loads((folder / "config.json").read_text())
    config["image_token_index"] = 5000
    (folder / "config.json").write_text(json.dumps(config))
    both = {**two, "eyes": open_source("eyes", folder)}
    with pytest.raises(MergeError, match="says image_token_index 5000, and it has no such token"):
        write_model(spoken("whole"), both, tmp_path / "out", recipe="r\n")


def test_an_older_host_that_leaves_its_image_token_out(
    two: dict[str, Source], tmp_path: Path
) -> None:
    """4.x wrote no default, LLaVA's is 32000: the number is written out where it is another now."""
    family, host = FAMILIES["llava"], tmp_path / "eyes"
    config = family.config()
    config.text_config.vocab_size, config.image_token_index = 32064, 32000
    save(build(config, seed=1), host, family, "hub")
    named_tokenizer(32000, "<image>").save_pretrained(host)
    table = json.loads((host / "config.json").read_text())
    for key in ("image_token_index", "image_token_id"):
        table.pop(key, None)
    (host / "config.json").write_text(json.dumps(table))
    partner = family.partner()
    partner.vocab_size = 128
    save(build(partner, seed=2), tmp_path / "tongue", family)
    named_tokenizer(100).save_pretrained(tmp_path / "tongue")
    both = {name: open_source(name, tmp_path / name) for name in ("eyes", "tongue")}
    write_model(whole(both["eyes"], "tongue"), both, tmp_path / "out", recipe="r\n")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    assert (model.config.image_token_id, model.config.text_config.vocab_size) == (100, 128)
    tokens = json.loads((host / "tokenizer.json").read_text())
    tokens["added_tokens"] = [e for e in tokens["added_tokens"] if e["content"] != "<image>"]
    (host / "tokenizer.json").write_text(json.dumps(tokens))
    with pytest.raises(MergeError, match=r"says image_token_i\w+ 32000, and it has no such token"):
        write_model(whole(both["eyes"], "tongue"), both, tmp_path / "again", recipe="r\n")
