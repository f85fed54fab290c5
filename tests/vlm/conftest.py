"""Small random models in the real layout: a LLaVA, and two LLMs that share its decoder."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from vlm.compat import ensure_torchvision

ensure_torchvision()

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import (  # noqa: E402
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from merge_dsl.meaning.methods import METHODS  # noqa: E402
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin  # noqa: E402
from tests.vlm.words import japanese_tokenizer  # noqa: E402

if TYPE_CHECKING:
    from vlm.weights.source import Source

LAYERS = 3
UNITS = tuple(f"language.layers.{i}" for i in range(LAYERS))
KEPT = (
    "vision.embed",
    "vision.layers.0",
    "vision.layers.1",
    "vision.norm",
    "projector",
    "language.embed",
    "language.norm",
    "language.head",
)
CHAT = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>\n{% else %}{{ p['text'] }}"
    "{% endif %}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on four sentences."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(["What is it?", "a red apple", "赤いリンゴ", "これは何？"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
        chat_template=CHAT,
        padding_side="left",
    )


def text_config(tokenizer: PreTrainedTokenizerFast, **changes: int) -> LlamaConfig:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    return LlamaConfig(
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
        **({"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} | sizes | changes),
    )


def save_language_model(
    folder: Path, tokenizer: PreTrainedTokenizerFast, seed: int, **changes: int
) -> Path:
    torch.manual_seed(seed)
    model = LlamaForCausalLM(text_config(tokenizer, **changes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_llava(folder: Path, tokenizer: PreTrainedTokenizerFast, seed: int, **kwargs: str) -> Path:
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text_config(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    model = LlavaForConditionalGeneration(config)
    model.save_pretrained(folder, **kwargs)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
        ),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def parents(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> Mapping[str, Path]:
    """`eyes` is sharded, `base` and `tongue` are single files."""
    root = tmp_path_factory.mktemp("parents")
    return {
        "base": save_language_model(root / "base", tokenizer, seed=1),
        "tongue": save_language_model(root / "tongue", tokenizer, seed=2),
        "eyes": save_llava(root / "eyes", tokenizer, seed=3, max_shard_size="60KB"),
    }


@pytest.fixture(scope="session")
def japanese() -> PreTrainedTokenizerFast:
    return japanese_tokenizer()


@pytest.fixture(scope="session")
def two(
    parents: Mapping[str, Path],
    japanese: PreTrainedTokenizerFast,
    tmp_path_factory: pytest.TempPathFactory,
) -> "dict[str, Source]":
    """The small LLaVA, and a language model of its decoder with another, larger vocabulary."""
    from vlm.weights.source import open_source

    torch.manual_seed(9)
    folder = tmp_path_factory.mktemp("japanese")
    LlamaForCausalLM(
        text_config(japanese, bos_token_id=1, eos_token_id=0, pad_token_id=2)
    ).save_pretrained(folder)
    japanese.save_pretrained(folder)
    places = {"eyes": parents["eyes"], "tongue": folder}
    return {name: open_source(name, place) for name, place in places.items()}


@pytest.fixture
def place(parents: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parents, data and the recipe, and the current directory beside it."""
    from tests.vlm.tiny import RECIPE, rows, save_rows

    for name, folder in parents.items():
        (tmp_path / name).symlink_to(folder)
    save_rows(tmp_path / "rows.parquet", rows())
    (tmp_path / "tiny.merge").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path


Told = Callable[..., str]


@pytest.fixture
def told(place: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Evolve a recipe that must not run; what is said of it."""

    from tests.vlm.tiny import evolve

    def run(text: str, *arguments: str, code: int = 1) -> str:
        (place / "tiny.merge").write_text(text, encoding="utf-8")
        capsys.readouterr()
        assert evolve(*arguments) == code
        return capsys.readouterr().err

    return run


def student(
    method: str = "linear",
    host: float = 0.5,
    guest: float = 0.5,
    *,
    base: bool = False,
    density: float | None = None,
    epsilon: float = 0.0,
    seed: int | None = None,
    kept: tuple[str, ...] = KEPT,
    **shared: float,
) -> Candidate:
    """The merge that everything here is about: LLaVA's layers blended with an LLM's."""

    def settings(weight: float) -> dict[str, tuple[float, ...]]:
        values = {"weight": (weight,) * LAYERS}
        given = {} if density is None else {"density": density, "epsilon": epsilon}
        return values | {name: (value,) * LAYERS for name, value in given.items()}

    ingredients = (
        Ingredient(Origin("eyes", "language"), settings(host)),
        Ingredient(Origin("tongue"), settings(guest)),
    )
    given = {
        name: setting.default
        for name, setting in METHODS[method].settings.items()
        if setting.scope == "shared" and setting.default is not None
    }
    everywhere = {name: (value,) * LAYERS for name, value in (given | shared).items()}
    origin = Origin("base") if base else None
    blend = Blend(UNITS, method, origin, ingredients, everywhere, seed)
    return Candidate("student", {}, (Keep(kept, Origin("eyes")),), (blend,))


def read_json(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
