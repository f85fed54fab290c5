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


def save_llava_next(folder: Path, tokenizer: Any, seed: int, tower_layers: int = 2) -> None:
    torch.manual_seed(seed)
    config = t.LlavaNextConfig(
        vision_config=t.CLIPVisionConfig(
            hidden_size=32, intermediate_size=48, **TOWER | {"num_hidden_layers": tower_layers}
        ),
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


def save_clip(folder: Path, seed: int) -> None:
    """A whole CLIP, as the tower's own checkpoint is."""
    torch.manual_seed(seed)
    vision = {"hidden_size": 32, "intermediate_size": 48, **TOWER, "num_hidden_layers": 24}
    text = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "vocab_size": 64}
    config = t.CLIPConfig(
        vision_config=vision, text_config=text | {"num_attention_heads": 2}, projection_dim=16
    )
    t.CLIPModel(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}
    t.CLIPImageProcessorPil(**size).save_pretrained(folder)


def test_hybrid_polyglot(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Towers souped, language models blended for two aims at once, and a road through the result."""
    monkeypatch.chdir(tmp_path)
    save_llava_next(Path("llava"), tokenizer, seed=1, tower_layers=24)
    for seed, name in enumerate(("shisa", "math", "mistral"), 2):
        save_mistral(Path(name), tokenizer, seed=seed)
    for seed, name in enumerate(("eyes", "chart_eyes"), 7):
        save_clip(Path(name), seed)
    some = rows(6)
    save_rows(Path("captions.parquet"), some)
    save_rows(Path("dev.parquet"), [row | {"split": "train"} for row in some[:2]])
    save_rows(Path("test.parquet"), [row | {"split": "test"} for row in some[4:]])
    models = ("llava", "eyes", "chart_eyes", "shisa", "math", "mistral")
    names = {name: name for name in models} | {"vqa_dev": "dev.parquet", "vqa_500": "test.parquet"}
    names |= dict.fromkeys(("coco.captions_ja_dev", "coco.captions_ja_test"), "captions.parquet")
    stand_ins = [word for pair in names.items() for word in ("--with", "=".join(pair))]
    recipe = str(RECIPES / "hybrid_polyglot.merge")
    assert main(["evolve", recipe, "--trials", "3", "--quiet", *stand_ins]) == 0

    run = Path("runs/hybrid_polyglot")
    first = [one for one in records(run / "student") if one["kind"] == "trial"]
    assert len(first) == 3 and all(len(one["aims"]) == 2 for one in first)  # type: ignore[arg-type]
    assert len(records(run)) == 6  # with header, mean and end
    model = t.AutoModelForImageTextToText.from_pretrained("out/hybrid_polyglot")
    assert model.config.model_type == "llava_next"
    assert main(["merge", str(run / "best.merge"), "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/hybrid_polyglot"))


def test_route_jp_math(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A road through two language models, found among 192 slots; no picture anywhere."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("jp", "math"), 2):
        save_mistral(Path(name), tokenizer, seed=seed)
    some = [
        {
            "question": f"{i}たす{i}は？",
            "answer": str(2 * i),
            "split": "search" if i < 3 else "test",
        }
        for i in range(5)
    ]
    save_rows(Path("gsm.parquet"), some[:3])
    save_rows(Path("mgsm.parquet"), some)
    names = {"jp": "jp", "math": "math", "gsm_dev": "gsm.parquet", "mgsm_test": "mgsm.parquet"}
    stand_ins = [word for pair in names.items() for word in ("--with", "=".join(pair))]
    recipe = str(RECIPES / "route_jp_math.merge")
    assert main(["evolve", recipe, "--trials", "3", "--quiet", *stand_ins]) == 0

    trials = [one for one in records(Path("runs/route_jp_math")) if one["kind"] == "trial"]
    assert len(trials) == 4 and all(one["score"] == 0.0 or one["excess"] for one in trials)
    model = t.AutoModelForCausalLM.from_pretrained("out/route_jp_math")
    assert 24 <= model.config.num_hidden_layers <= 48
    assert main(["merge", "runs/route_jp_math/best.merge", "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/route_jp_math"))
