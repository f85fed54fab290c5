"""A recipe for real models runs unchanged on small random ones in the same layout."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as t

from merge_dsl.cli import main
from tests.vlm.conftest import CHAT
from tests.vlm.tiny import records, rows, save_rows, weights

RECIPES = Path(__file__).parents[2] / "recipes"
TOWER = {"num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}


def decoder(tokenizer: Any) -> t.MistralConfig:
    """Mistral 7B v0.1 but for its width: 32 layers, grouped heads, a sliding window."""
    return t.MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=32,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        pad_token_id=0,
    )


def save_mistral(folder: Path, tokenizer: Any, seed: int) -> None:
    torch.manual_seed(seed)
    t.MistralForCausalLM(decoder(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_llava_next(folder: Path, tokenizer: Any, seed: int) -> None:
    torch.manual_seed(seed)
    config = t.LlavaNextConfig(
        vision_config=t.CLIPVisionConfig(hidden_size=32, intermediate_size=48, **TOWER),
        text_config=decoder(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[16, 16], [16, 32]],
        vision_feature_layer=-2,
        tie_word_embeddings=False,
    )
    t.LlavaNextForConditionalGeneration(config).save_pretrained(folder, max_shard_size="300KB")
    t.LlavaNextProcessor(
        image_processor=t.LlavaNextImageProcessorPil(
            size={"shortest_edge": 16},
            crop_size={"height": 16, "width": 16},
            image_grid_pinpoints=config.image_grid_pinpoints,
        ),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    ).save_pretrained(folder)


def test_evovlm_jp(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_llava_next(Path("llava"), tokenizer, seed=1)
    save_mistral(Path("shisa"), tokenizer, seed=2)
    save_mistral(Path("mistral"), tokenizer, seed=3)
    some = rows(6)
    many = [some[i % 2] | {"id": str(i), "split": "train"} for i in range(200)]
    save_rows(Path("dev.parquet"), many)  # as many rows as the recipe looks at
    save_rows(Path("test.parquet"), [row | {"split": "test"} for row in some[4:]])
    names = {"llava": "llava", "shisa": "shisa", "mistral": "mistral"}
    names |= {"vqa_dev": "dev.parquet", "vqa_500": "test.parquet", "in_the_wild": "test.parquet"}
    stand_ins = [word for pair in names.items() for word in ("--with", "=".join(pair))]
    recipe = str(RECIPES / "evovlm_jp.merge")
    assert main(["evolve", recipe, "--trials", "3", "--quiet", *stand_ins]) == 0

    trials = [one for one in records(Path("runs/evovlm_jp")) if one["kind"] == "trial"]
    assert len(trials) == 4 and all(one["score"] is not None for one in trials)  # the mean too
    model = t.AutoModelForImageTextToText.from_pretrained("out/evovlm_jp")
    assert model.config.model_type == "llava_next" and model.dtype is torch.bfloat16
    assert main(["merge", "runs/evovlm_jp/best.merge", "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/evovlm_jp"))
