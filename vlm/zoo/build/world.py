"""Builds the embedded world from nothing: `python -m vlm.zoo.build --out FOLDER`.

The steps, in their order, each from a seed of its own: drawings and tasks, tokenizer, base language
model, tower, the English VLM in three stages (it reads, it names, it answers in English), the Japanese
language model, and two towers that go on from the VLM's, each on its own hands. On one machine the
same seeds give the same bytes: one torch thread, because sums of floats depend on their order.
"""

import argparse
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlm.compat import ensure_torchvision

ensure_torchvision()

import datasets  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import (  # noqa: E402
    CLIPImageProcessorPil,
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from vlm.zoo.build import lessons, sums, tasks, words  # noqa: E402
from vlm.zoo.build.concepts import Concept, read_concepts  # noqa: E402
from vlm.zoo.build.hands import tune_tower  # noqa: E402
from vlm.zoo.build.language import train_base, tune_text  # noqa: E402
from vlm.zoo.build.lessons import Fact  # noqa: E402
from vlm.zoo.build.numbers import tune_numbers  # noqa: E402
from vlm.zoo.build.pictures import SIZE, drawings  # noqa: E402
from vlm.zoo.build.reading import name_pictures, read_pictures  # noqa: E402
from vlm.zoo.build.seeing import Album, aim_at, assemble, teach_pictures  # noqa: E402
from vlm.zoo.build.sources import HANDS, read_json  # noqa: E402
from vlm.zoo.build.stories import Side  # noqa: E402
from vlm.zoo.build.tokenizer import train_tokenizer  # noqa: E402
from vlm.zoo.build.tower import MEAN, STD, train_tower  # noqa: E402
from vlm.zoo.build.training import say  # noqa: E402
from vlm.zoo.build.words import Language  # noqa: E402

RECKONERS = 6  # how many first layers learn to read stories and to reckon
READERS = 4  # how many first layers learn to read pictures; the others learn to answer in English
SEEN = tuple(hand for hand in HANDS if hand != tasks.HAND)
VIEWS = 16  # of each drawing that language models learn from: one as it is, the others augmented

LANGUAGES: tuple[Language, ...] = ("en", "ja")


def build(out: Path, work: Path) -> None:
    """Write `data/*.parquet` and `models/*` under `out`.

    `work` keeps the npm archives and what each step made: a build that was stopped goes on behind the
    last whole step. An empty one builds everything.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    concepts = read_concepts(work / "archives")
    labels = {language: group_labels(work / "archives", language) for language in LANGUAGES}
    rows = list(drawings(concepts, work / "archives"))
    write_tables(rows, labels["ja"], out / "data")
    facts = facts_of(concepts, labels)
    write_problems(facts, out / "data")
    tokenizer = train_tokenizer(corpus(facts), [fact.sign for fact in facts])
    pixels, shown = album_of(rows, concepts)

    def base_model() -> LlamaForCausalLM:
        return train_base(tokenizer, lessons.bilingual(facts), steps=4000, seed=1)

    def tower_model() -> CLIPVisionModel:
        return train_tower(pixels, shown, steps=4000, seed=1)

    def japanese_model() -> LlamaForCausalLM:
        teacher = lessons.japanese(facts)
        return tune_text(base, tokenizer, teacher, steps=1200, peak=1e-3, seed=3, title="japanese")

    def album(model: LlavaForConditionalGeneration) -> Album:
        return Album(model, views=VIEWS, seed=5).fill(pixels, shown)

    def reading_model() -> LlavaForConditionalGeneration:
        model = assemble(tower, base, tokenizer, seed=4)
        views = album(model)
        aim_at(model.model.multi_modal_projector, views)
        teacher = lessons.looking(facts)
        settings: dict[str, Any] = {"steps": 4000, "peak": 2e-3, "seed": 6, "depth": READERS}
        return read_pictures(model, base, tokenizer, facts, teacher, views, **settings)

    def naming_model() -> LlavaForConditionalGeneration:
        teachers = (lessons.english_names(facts), lessons.looking(facts, english=0.0))
        settings: dict[str, Any] = {"steps": 2000, "peak": 1.5e-3, "seed": 16, "depth": READERS}
        views = album(reading)
        return name_pictures(reading, base, tokenizer, facts, teachers, views, **settings)

    def english_model() -> LlavaForConditionalGeneration:
        teacher, last = lessons.english_eyes(facts), slice(READERS, None)
        settings: dict[str, Any] = {"steps": 1000, "peak": 6e-4, "seed": 17, "layers": last}
        return teach_pictures(naming, tokenizer, teacher, album(naming), **settings)

    def counting_model() -> LlamaForCausalLM:
        teacher = sums.counting(facts, english=0.5)
        settings: dict[str, Any] = {"steps": 300, "peak": 1.5e-3, "seed": 21, "title": "counting"}
        return tune_numbers(
            base, tokenizer, teacher, layers=slice(RECKONERS), rows=True, **settings
        )

    def reckoning_model() -> LlamaForCausalLM:
        teacher = sums.arithmetic(facts, bare=0.2, english=0.35)
        settings: dict[str, Any] = {"steps": 900, "peak": 1.5e-3, "seed": 22, "title": "reckoning"}
        return tune_numbers(
            counting, tokenizer, teacher, layers=slice(RECKONERS), rows=True, **settings
        )

    def math_model() -> LlamaForCausalLM:
        teacher, last = sums.arithmetic(facts, 0.2, 0.4, answered="en"), slice(RECKONERS, None)
        settings: dict[str, Any] = {"steps": 250, "peak": 6e-4, "seed": 23, "title": "math"}
        return tune_numbers(reckoning, tokenizer, teacher, layers=last, **settings)

    def tuned_tower(hands: tuple[str, ...], seed: int) -> CLIPVisionModel:
        teacher = lessons.english_names(facts, lessons.PLAIN)
        settings: dict[str, Any] = {"steps": 900, "peak": 5e-4, "seed": seed, "title": hands[0]}
        return tune_tower(english, tokenizer, teacher, *album_of(rows, concepts, hands), **settings)

    def noto_tower() -> CLIPVisionModel:
        return tuned_tower(("noto", "noto-v1"), seed=11)

    def fluent_tower() -> CLIPVisionModel:
        return tuned_tower(("fluent",), seed=12)

    base = made(work / "base", LlamaForCausalLM, base_model)
    tower = made(work / "tower", CLIPVisionModel, tower_model)
    reading = made(work / "reading", LlavaForConditionalGeneration, reading_model)
    naming = made(work / "naming", LlavaForConditionalGeneration, naming_model)
    english = made(work / "english", LlavaForConditionalGeneration, english_model)
    japanese = made(work / "japanese", LlamaForCausalLM, japanese_model)
    noto = made(work / "tower-noto", CLIPVisionModel, noto_tower)
    fluent = made(work / "tower-fluent", CLIPVisionModel, fluent_tower)
    counting = made(work / "counting", LlamaForCausalLM, counting_model)
    reckoning = made(work / "reckoning", LlamaForCausalLM, reckoning_model)
    math = made(work / "math", LlamaForCausalLM, math_model)
    save(base, tokenizer, out / "models" / "emoji-llm-base")
    save(japanese, tokenizer, out / "models" / "emoji-llm-ja")
    save(math, tokenizer, out / "models" / "emoji-llm-math")
    save(english, tokenizer, out / "models" / "emoji-vlm-en")  # last: it names its processor in it
    save(noto, image_processor(), out / "models" / "tower-noto")
    save(fluent, image_processor(), out / "models" / "tower-fluent")


def made(folder: Path, kind: Any, make: Callable[[], Any]) -> Any:
    """What a step made, in fp32, read back if it has been made before; written beside, then renamed."""
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        make().save_pretrained(part)
        part.rename(folder)
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def group_labels(cache: Path, language: Language) -> dict[str, str]:
    """CLDR's own word for each emoji group: "food_drink" -> 食事と飲み物."""
    path = f"main/{language}/characterLabels.json"
    labels = read_json("labels", cache, path)["main"][language]["characterLabels"]
    return {key: label.lower() for key, label in labels.items()}


def write_tables(rows: Sequence[dict[str, Any]], labels: dict[str, str], folder: Path) -> None:
    """The drawings that parents learn from, and the tasks on the hand they never see."""
    folder.mkdir(parents=True, exist_ok=True)
    unseen = [row for row in rows if row["hand"] == tasks.HAND]
    tables = {
        "emoji-drawings": [row for row in rows if row["hand"] != tasks.HAND],
        "emoji-ja": tasks.shuffled(tasks.naming(unseen, "ja")),
        "emoji-en": tasks.shuffled(tasks.naming(unseen, "en")),
        "emoji-vqa-ja": tasks.shuffled(tasks.cultural_vqa(unseen, labels)),
    }
    for name, table in tables.items():
        features = datasets.Dataset.from_list(table).cast_column("image", datasets.Image())
        features.to_parquet(str(folder / f"{name}.parquet"))
        say(f"{name}: {len(table)} rows")


def write_problems(facts: Sequence[Fact], folder: Path) -> None:
    """The word problems, which need no picture."""
    sides: tuple[tuple[Side, int, int], ...] = (("search", 200, 31), ("report", 400, 32))
    table = [
        row for side, count, seed in sides for row in sums.word_problems(facts, side, count, seed)
    ]
    datasets.Dataset.from_list(table).to_parquet(str(folder / "math-ja.parquet"))
    say(f"math-ja: {len(table)} rows")


def facts_of(concepts: Sequence[Concept], labels: dict[Language, dict[str, str]]) -> list[Fact]:
    """Concepts as the lessons want them. A group of fewer than five borrows peers from everywhere."""
    groups: dict[str, list[int]] = {}
    for index, concept in enumerate(concepts):
        groups.setdefault(concept.group, []).append(index)
    facts = []
    for index, concept in enumerate(concepts):
        kin = groups[concept.group]
        kin = kin if len(kin) >= 5 else list(range(len(concepts)))
        facts.append(
            Fact(
                sign=concept.character,
                names={"en": concept.name_en, "ja": concept.name_ja},
                keywords={"en": concept.keywords_en, "ja": concept.keywords_ja},
                groups={language: labels[language][concept.group] for language in LANGUAGES},
                culture=concept.culture,
                peers=tuple(i for i in kin if i != index),
            )
        )
    return facts


def corpus(facts: Sequence[Fact]) -> list[str]:
    """What the tokenizer is trained on: names twice, keywords, options as they are laid out, questions."""
    texts = []
    for fact in facts:
        for language in LANGUAGES:
            name = fact.names[language]
            texts += [name, name, *fact.keywords[language], fact.groups[language]]
    for start in range(0, 720, len(words.LETTERS)):
        four = facts[start : start + len(words.LETTERS)]
        for question in (words.FITTING, words.CULTURE):
            for language in LANGUAGES:
                options = [fact.names[language] for fact in four]
                texts.append(words.with_options(question[language], options))
    for question in words.QUESTIONS:
        for text in question.values():
            texts += [text] * 50
    return texts


def album_of(
    rows: Sequence[dict[str, Any]], concepts: Sequence[Concept], hands: Sequence[str] = SEEN
) -> tuple[Tensor, Tensor]:
    """Drawings of some hands, all but the unseen one: uint8 (n, 3, 64, 64), and what each shows (n)."""
    index = {concept.code: i for i, concept in enumerate(concepts)}
    seen = [row for row in rows if row["hand"] in hands]
    arrays = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) for row in seen]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor([index[row["code"]] for row in seen])


def save(model: Any, reader: PreTrainedTokenizerFast | CLIPImageProcessorPil, folder: Path) -> None:
    """An ordinary transformers checkpoint in fp16, with its tokenizer, processor, or a tower's pixels."""
    model.half().eval()
    if not isinstance(model, CLIPVisionModel):
        model.generation_config.max_new_tokens = 24
    model.save_pretrained(folder)
    config = folder / "config.json"
    plain = without_paths(json.loads(config.read_text(encoding="utf-8")))
    config.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if isinstance(model, LlavaForConditionalGeneration):
        reader = processor_of(reader, model)
    reader.save_pretrained(folder)
    model.float()
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"{folder.name}: {size / 1e6:.1f} MB")


def without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """A config that says nothing of the machine it was made on."""
    return {
        key: without_paths(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key != "_name_or_path"
    }


def image_processor() -> CLIPImageProcessorPil:
    """Pictures to 64 pixels on [-1, 1]."""
    return CLIPImageProcessorPil(
        size={"shortest_edge": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def processor_of(
    tokenizer: PreTrainedTokenizerFast, model: LlavaForConditionalGeneration
) -> LlavaProcessor:
    """Pictures as `image_processor` has them; sixteen image tokens a picture."""
    return LlavaProcessor(
        image_processor=image_processor(),
        tokenizer=tokenizer,
        patch_size=model.config.vision_config.patch_size,
        vision_feature_select_strategy=model.config.vision_feature_select_strategy,
        num_additional_image_tokens=1,  # the class token, which the strategy takes off again
        chat_template=tokenizer.chat_template,
    )


def main() -> None:
    """The command line of the builder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--work", type=Path, default=Path("build/zoo"))
    options = parser.parse_args()
    build(options.out, options.work)


if __name__ == "__main__":
    main()
