"""Small files of a model that say what cannot be: one diagnostic that names the file, nothing written."""

import json
from pathlib import Path

import pytest

from merge_dsl.cli import main
from tests.vlm.test_bad_input import own, told
from tests.vlm.test_stream import RECIPE
from tests.vlm.tiny import evolve
from tests.vlm.towers import contrastive, save_open_clip

VISION = ("vision_config",)
TEXT = ("text_config",)


def say(file: Path, at: tuple[str, ...], value: object) -> None:
    """Put a value into a JSON file, at this place."""
    table = inner = json.loads(file.read_text(encoding="utf-8"))
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    file.write_text(json.dumps(table), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "at", "value", "said"),
    [
        ("tongue", ("num_hidden_layers",), "x", "num_hidden_layers"),
        ("tongue", ("rms_norm_eps",), "x", "rms_norm_eps"),
        ("tongue", ("head_dim",), 0, "cannot build a 'llama' model"),
        ("tongue", ("head_dim",), -1, "cannot build a 'llama' model"),
        ("tongue", ("model_type",), [], "unhashable"),
        ("eyes", TEXT, "x", "config.json cannot be read"),
        ("eyes", (*VISION, "hidden_size"), None, "hidden_size"),
        ("eyes", (*VISION, "patch_size"), 0, "cannot build a 'llava' model"),
        ("eyes", ("tie_word_embeddings",), "x", "tie_word_embeddings"),
    ],
)
def test_a_config(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    at: tuple[str, ...],
    value: object,
    said: str,
) -> None:
    say(own(place, name) / "config.json", at, value)
    error = told(place, capsys)
    assert said in error and len(error.splitlines()) == 2  # what, and the way out


def test_a_config_that_is_looked_at_when_the_model_is_loaded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(own(place, "eyes") / "config.json", (*TEXT, "attention_dropout"), "x")
    assert evolve() == 1
    error = capsys.readouterr().err
    assert "attention_dropout" in error and "fetch the file anew" in error


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', "\xff", "[" * 100_000])
def test_a_config_that_is_none(place: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (own(place, "eyes") / "config.json").write_text(text, encoding="latin-1")
    assert "config.json" in told(place, capsys)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (("model_cfg",), "x", "open_clip_config.json"),
        (("model_cfg", "vision_cfg"), [], "has no tower"),
        (("model_cfg", "vision_cfg", "width"), "x", "describes no tower"),
        (("model_cfg", "vision_cfg", "width"), None, "describes no tower"),
        (("model_cfg", "vision_cfg", "head_width"), 0, "M401"),
        (("model_cfg", "vision_cfg", "layers"), "x", "describes no tower"),
        (("model_cfg", "vision_cfg", "mlp_ratio"), float("inf"), "describes no tower"),
        (("model_cfg", "vision_cfg", "norm_kwargs"), "x", "describes no tower"),
        (("preprocess_cfg", "std"), [3, 3], "a deviation of 2"),
    ],
)
def test_a_config_of_open_clip(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    at: tuple[str, ...],
    value: object,
    said: str,
) -> None:
    for seed, name in enumerate(("a", "b")):
        save_open_clip(tmp_path / name, contrastive(seed))
    say(tmp_path / "b" / "open_clip_config.json", at, value)
    recipe = tmp_path / "r.merge"
    recipe.write_text(SOUP, encoding="utf-8")
    assert main(["merge", str(recipe), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["lint", "--deep", str(recipe)]) in (0, 1)


SOUP = """recipe soup

model a from "file:a"
model b from "file:b"

merge soup {
  vision by linear {
    take a
    take b
  }
}
"""


def test_a_processor_whose_pictures_have_no_size(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("image_processor", "crop_size", "height")
    say(own(place, "eyes") / "processor_config.json", at, "x")
    assert "processor_config.json gives pictures a size that is no number" in told(place, capsys)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("processor_config.json", "{"),
        ("preprocessor_config.json", ""),
        ("generation_config.json", "[]"),
        ("tokenizer_config.json", '{"a": 1,}'),
        ("special_tokens_map.json", '"x"'),
        ("tokenizer.json", '{"model": '),
        ("chat_template.json", "[" * 100_000),
        ("something.json", "\xff"),
    ],
)
def test_a_file_that_would_be_copied_and_is_no_json(
    place: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (own(place, "eyes") / name).write_text(text, encoding="latin-1")
    assert f"eyes/{name} " in told(place, capsys)


@pytest.mark.parametrize("name", ["generation_config.json", "something.json"])
def test_a_search_does_not_begin_where_its_winner_cannot_be_written(
    place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (own(place, "eyes") / name).write_text("{", encoding="utf-8")
    assert evolve() == 1
    assert f"eyes/{name} cannot be read" in capsys.readouterr().err
    assert not list(Path().rglob("journal.jsonl"))


def test_a_broken_file_of_a_parent_that_gives_no_files_is_nobodys_matter(place: Path) -> None:
    (own(place, "tongue") / "generation_config.json").write_text("{", encoding="utf-8")
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["merge", "../one.merge", "--quiet"]) == 0
