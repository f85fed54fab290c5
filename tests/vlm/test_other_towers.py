"""A tower comes with the projector that reads it, of whatever width, grid or kind; another is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from merge_dsl.cli import main
from tests.vlm.conftest import CHAT, text_config
from vlm.errors import MergeError
from vlm.weights.source import open_source
from vlm.weights.writer import write_model

RECIPE = """recipe seer

model eyes from "file:eyes"
model other from "file:other"
model tongue from "file:tongue"

merge seer {{
  keep {kept}
  language by linear {{
    take eyes.language
    take tongue
  }}
}}

write seer to "seer" {{ dtype = fp32 }}
"""
WITH_ITS_OWN = "vision, projector from other"
APART = "vision from other\n  keep projector from eyes"
SIZES = {"num_hidden_layers": 3, "num_attention_heads": 2}
TOWERS: dict[str, tuple[Any, int]] = {  # a tower, and the image tokens that its pictures become
    "wider": (CLIPVisionConfig(hidden_size=48, intermediate_size=64, image_size=16, patch_size=8, **SIZES), 4),
    "finer": (CLIPVisionConfig(hidden_size=32, intermediate_size=48, image_size=16, patch_size=4, **SIZES), 16),
    "larger": (CLIPVisionConfig(hidden_size=32, intermediate_size=48, image_size=24, patch_size=8, **SIZES), 9),
    "siglip": (SiglipVisionConfig(hidden_size=32, intermediate_size=48, image_size=16, patch_size=8,
                                  vision_use_head=False, **SIZES), 4),
}  # fmt: skip


def save_other(folder: Path, tokenizer: Any, vision: Any, tokens: int) -> None:
    """A LLaVA with the same language model under another tower; it reads another layer of it too."""
    torch.manual_seed(7)
    clip, side = vision.model_type == "clip_vision_model", vision.image_size
    strategy = "default" if clip else "full"
    config = LlavaConfig(
        vision_config=vision,
        text_config=text_config(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=tokens,
        vision_feature_layer=-2,
        vision_feature_select_strategy=strategy,
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    pixels = (
        CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
        if clip
        else SiglipImageProcessorPil(size={"height": side, "width": side})
    )
    LlavaProcessor(
        image_processor=pixels,
        tokenizer=tokenizer,
        patch_size=vision.patch_size,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=int(clip),
        chat_template=CHAT,
    ).save_pretrained(folder)


@pytest.fixture
def place(parents: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("eyes", "tongue"):
        (tmp_path / name).symlink_to(parents[name])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(kept: str, command: str) -> int:
    Path("seer.merge").write_text(RECIPE.format(kept=kept), encoding="utf-8")
    more = ["--quiet"] if command == "merge" else ["--ignore", "V505"]
    return main([command, "seer.merge", *more])


@pytest.mark.parametrize("kind", TOWERS)
def test_a_tower_with_its_own_projector(
    kind: str, place: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    vision, tokens = TOWERS[kind]
    save_other(place / "other", tokenizer, vision, tokens)
    assert asked(WITH_ITS_OWN, "lint") == 0, capsys.readouterr().out
    assert asked(WITH_ITS_OWN, "merge") == 0, capsys.readouterr().err
    child, other = open_source("child", Path("seer")), open_source("other", Path("other"))
    for role in other.anatomy.shapes:
        if not role.unit.startswith("language."):
            assert torch.equal(child.tensor(role), other.tensor(role)), role
    model, info = AutoModelForImageTextToText.from_pretrained("seer", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "mismatched_keys", "unexpected_keys"))
    seen, wanted = (
        c.vision_config.to_dict() | {"dtype": None} for c in (model.config, other.config)
    )
    assert seen == wanted
    for field in ("vision_feature_layer", "vision_feature_select_strategy", "image_seq_length"):
        assert getattr(model.config, field) == getattr(other.config, field)
    processor = AutoProcessor.from_pretrained("seer", backend="pil")
    picture = Image.new("RGB", (20, 20), "red")
    inputs = processor(images=picture, text="<image>\nWhat is it?", return_tensors="pt")
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == tokens
    with torch.inference_mode():
        said = model.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 2


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("wider", "V503", "reads 32 features; `other` gives 48"),
        ("finer", "V504", "patch size 8 (`eyes`) against 4 (`other`)"),
        ("larger", "V504", "image size 16 (`eyes`) against 24 (`other`)"),
        ("siglip", "M413", "`eyes` has `embeddings.class_embedding`; that of `other` has no such"),
    ],
)
def test_a_tower_under_another_projector(
    kind: str, code: str, said: str, place: Path, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    save_other(place / "other", tokenizer, *TOWERS[kind])
    assert asked(APART, "lint") == 1
    found = capsys.readouterr().out
    assert code in found and said in found
    assert asked(APART, "merge") == 1 and not Path("seer").exists()


def test_rows_of_other_tokens_are_refused(place: Path, tokenizer: Any, japanese: Any) -> None:
    """The result has the tokenizer of the projector's model: rows that are kept must be of its tokens."""
    from merge_dsl.space.candidate import Candidate, Keep, Origin

    save_other(place / "other", tokenizer, *TOWERS["wider"])
    LlamaForCausalLM(text_config(tokenizer)).save_pretrained("alien")
    japanese.save_pretrained("alien")
    both = {name: open_source(name, Path(name)) for name in ("other", "alien")}
    units = both["other"].anatomy.units
    speech = tuple(unit for unit in units if unit.startswith("language."))
    seeing = tuple(unit for unit in units if unit not in speech)
    keeps = (Keep(seeing, Origin("other")), Keep(speech, Origin("alien")))
    with pytest.raises(MergeError, match=r"row \d+ is '.*' in other and '.*' in alien"):
        write_model(Candidate("seer", {}, keeps, ()), both, Path("out"), recipe="r\n")
