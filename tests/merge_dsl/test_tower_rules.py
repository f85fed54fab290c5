"""Towers, adapters and GGUF files as a lint sees them: facts from headers, and what cannot be run."""

import json
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merge_dsl.cli import main
from merge_dsl.commands.common import job_of, open_recipe, target_of
from merge_dsl.commands.mistake import Mistake
from merge_dsl.meaning.clip import tag_of
from merge_dsl.meaning.facts import FactsError, read_facts
from merge_dsl.meaning.load import load_recipe
from merge_dsl.meaning.places import locate
from merge_dsl.rules.not_yet import not_yet
from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.text.diagnostics import Diagnostic
from tests.merge_dsl.conftest import write_safetensors, write_vlm

CONFIG = {
    "model_cfg": {
        "embed_dim": 4,
        "quick_gelu": True,
        "vision_cfg": {"layers": 2, "width": 6, "head_width": 3, "mlp_ratio": 2.0,
                       "image_size": 28, "patch_size": 14},
        "text_cfg": {"layers": 5},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}  # fmt: skip


def write_clip(folder: Path, **vision: Any) -> Path:
    """A folder of open_clip; its text tower is taller than its image encoder."""
    folder.mkdir(parents=True)
    config = json.loads(json.dumps(CONFIG))
    config["model_cfg"]["vision_cfg"] |= vision
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    shapes = {"visual.class_embedding": (6,), "visual.conv1.weight": (6, 3, 14, 14)}
    shapes |= {f"visual.transformer.resblocks.{n}.ln_1.weight": (6,) for n in range(2)}
    shapes |= {f"transformer.resblocks.{n}.ln_1.weight": (4,) for n in range(5)}
    write_safetensors(folder / "open_clip_model.safetensors", shapes)
    return folder


def write_eyes(folder: Path, **tower: Any) -> Path:
    """The LLaVA of the other tests, with more said of its tower."""
    write_vlm(folder)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] |= {"hidden_act": "quick_gelu", "image_size": 28, "patch_size": 14}
    config["vision_config"] |= tower
    (folder / "config.json").write_text(json.dumps(config))
    pixels = {"image_mean": [0.48] * 3, "image_std": [0.26] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    return folder


RECIPE = """recipe t

model eyes from "file:eyes"
model clip from "file:clip"

merge student {
  keep projector, language from eyes
  vision by soup {
    SETTING
    take eyes.vision
    take clip
  }
}

write student to "out"
"""


def said(folder: Path, setting: str = "", text: str = RECIPE) -> dict[str, Diagnostic]:
    path = folder / "t.merge"
    path.write_text(text.replace("    SETTING\n", f"    {setting}\n" if setting else ""))
    return {d.code: d for d in load_recipe(path).diagnostics}


def test_facts_of_a_folder_of_open_clip(tmp_path: Path) -> None:
    facts = read_facts(write_clip(tmp_path / "clip"))
    assert (facts.sees, facts.speaks, facts.vision_layers, facts.vision_hidden) == (
        True, False, 2, 6,
    )  # fmt: skip
    assert (facts.vision_act, facts.vision_heads, facts.layer_scale) == ("quick_gelu", 2, False)
    (tmp_path / "clip" / "open_clip_config.json").write_text("{}")
    with pytest.raises(FactsError, match="cannot be read"):
        read_facts(tmp_path / "clip")


def test_aya_vision_is_no_tower(tmp_path: Path) -> None:
    config = {"model_type": "aya_vision", "text_config": {}, "vision_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = read_facts(tmp_path)
    assert facts.sees and facts.speaks


def test_a_tower_of_open_clip_runs_and_its_pixels_are_a_note(tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes")
    write_clip(tmp_path / "clip")
    found = said(tmp_path)
    assert found["V510"].severity == "note" and "folded" in (found["V510"].help or "")
    assert not {"N199", "V504", "V509"} & found.keys()
    recipe = load_recipe(tmp_path / "t.merge").recipe
    assert recipe is not None and not_yet(recipe, "student") == []


def test_quick_gelu_against_gelu_is_an_error(tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes", hidden_act="gelu")
    write_clip(tmp_path / "clip")
    assert said(tmp_path)["V509"].severity == "error"


def test_another_grid_wants_a_word(tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes")
    write_clip(tmp_path / "clip", image_size=56)
    found = said(tmp_path)
    assert found["V504"].severity == "error" and "resize = bicubic" in (found["V504"].help or "")
    assert "V504" not in said(tmp_path, "resize = bicubic")
    recipe = load_recipe(tmp_path / "t.merge").recipe
    assert recipe is not None
    (blend,) = fill(compile_space(recipe, "student"), (), 0).blends
    assert set(blend.settings["resize"]) == {"bicubic"}
    layers = RECIPE.replace("vision by soup", "keep vision.embed, vision.norm from eyes\n"
                            "  vision.layers by soup")  # fmt: skip
    assert said(tmp_path, "", layers)["V504"].severity == "warning"


def test_other_patches_are_an_error_with_the_word_too(tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes")
    write_clip(tmp_path / "clip", patch_size=7)
    assert said(tmp_path, "resize = bicubic")["V504"].severity == "error"


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("resize = cubic", "K205"),
        ("resize = 0.5", "K205"),
        ("resize = choice bicubic | bilinear", "K205"),
        ("resize = bicubic at vision.embed", "K205"),
        ("resiz = bicubic", "N104"),
    ],
)
def test_a_word_that_is_none(setting: str, code: str, tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes")
    write_clip(tmp_path / "clip")
    assert code in said(tmp_path, setting)


def test_resize_belongs_to_a_tower_and_to_the_whole_blend(tmp_path: Path) -> None:
    write_eyes(tmp_path / "eyes")
    write_clip(tmp_path / "clip")
    inner = RECIPE.replace("take clip", "take clip { resize = bicubic }").replace(
        "    SETTING\n", ""
    )
    assert "K205" in said(tmp_path, "", inner)
    other = RECIPE.replace("vision by", "keep vision from eyes\n  language.layers by")
    other = other.replace("take eyes.vision", "take eyes").replace("take clip", "take eyes")
    assert "N104" in said(tmp_path, "resize = bicubic", other)


def test_a_tag_is_looked_up_in_the_hub_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("importlib.util").find_spec("open_clip") or pytest.skip("no open_clip")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    tag = tag_of("ViT-L-14/openai")
    assert tag is not None and tag.quick_gelu and tag.repository
    laion = tag_of("ViT-B-32/laion2b_s34b_b79k")
    assert laion is not None and not laion.quick_gelu
    assert tag_of("ViT-B-32/nothing") is None and tag_of("nothing") is None
    assert locate("open_clip:ViT-L-14/openai", "model", tmp_path).path is None
    home = tmp_path / f"models--{tag.repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "snapshots" / "abc").mkdir(parents=True)
    found = locate("open_clip:ViT-L-14/openai", "model", tmp_path)
    assert found.path == home / "snapshots" / "abc"


HUB = """recipe t

model leaf from "hf:org/leaf" { revision = "v1" }

merge cup {
  keep language from leaf
}

write cup to "out"
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A hub that has one model, and what it was asked."""
    from tests.merge_dsl.conftest import write_llm

    asked: list[tuple[Any, ...]] = []

    def snapshot_download(
        name: str, *, revision: str, allow_patterns: list[str], token: Any
    ) -> str:
        asked.append((name, revision, token))
        home = tmp_path / "hub" / "models--org--leaf"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / revision).write_text("abc")
        (home / "snapshots").mkdir()
        write_llm(home / "snapshots" / "abc")
        return str(home)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(
        snapshot_download=snapshot_download))  # fmt: skip
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / "t.merge").write_text(HUB)
    return asked


def test_nothing_is_fetched_unless_it_is_asked_for(
    hub: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "t.merge")
    assert main(["lint", path]) == 0
    assert main(["plan", path]) == main(["merge", path]) == 2
    assert "--download" in capsys.readouterr().err
    assert hub == []


def test_the_pinned_revision_is_fetched_once(
    hub: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "t.merge")
    source, recipe = open_recipe(path, download=True)
    job = job_of(source, recipe, target_of(recipe))
    assert hub == [("org/leaf", "v1", False)]  # no token but the environment's
    assert job.models["leaf"].name == "abc" and job.recipe.models["leaf"].facts is not None
    open_recipe(path, download=True)
    assert len(hub) == 1


def test_a_token_comes_from_the_environment(
    hub: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "from-the-environment")
    open_recipe(str(tmp_path / "t.merge"), download=True)
    assert hub[0][2] == "from-the-environment"


@pytest.mark.parametrize("why", ["offline", "not installed", "unreachable"])
def test_a_hub_that_does_not_answer_is_said(
    why: str, hub: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> str:
        raise ConnectionError("no route\nto the hub")

    if why == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    elif why == "not installed":
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    else:
        monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=down))
    with pytest.raises(Mistake) as caught:
        open_recipe(str(tmp_path / "t.merge"), download=True)
    assert caught.value.code == 2
    wanted = {"offline": "HF_HUB_OFFLINE", "not installed": "awase[hub]", "unreachable": "no route"}
    assert wanted[why] in str(caught.value)


def gguf(path: Path, count: int | None = None, tensors: int = 1) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    numbers = {"block_count": 3, "embedding_length": 32, "feed_forward_length": 48,
               "attention.head_count": 4, "attention.head_count_kv": 2}  # fmt: skip
    body = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    for key, value in numbers.items():
        body += text(f"llama.{key}") + struct.pack("<II", 4, value)
    body += text("llama.rope.freq_base") + struct.pack("<If", 6, 10000.0)
    body += text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.0, 1.0)
    body += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    body += text("token_embd.weight") + struct.pack("<I2QIQ", 2, 32, 2, 8, 0)
    entries = len(numbers) + 4 if count is None else count
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + body)
    return path


def test_facts_of_a_gguf_file(tmp_path: Path) -> None:
    facts = read_facts(gguf(tmp_path / "small.gguf"))
    assert (facts.model_type, facts.layers, facts.hidden, facts.heads) == ("llama", 3, 32, 4)
    assert (facts.kv_heads, facts.vocab, facts.rope_theta, facts.head_dim) == (2, 2, 10000.0, 8)
    assert (facts.tied, facts.parameters, facts.weight_bytes) == (True, 64, 256)
    (tmp_path / "t.merge").write_text(
        'recipe t\n\nmodel a from "file:small.gguf"\n\nmerge m {\n  keep language from a\n}\n'
    )
    assert main(["lint", str(tmp_path / "t.merge")]) == 0
    assert main(["lock", str(tmp_path / "t.merge")]) == 0


@pytest.mark.parametrize("damage", ["letters", "cut", "count", "tensors", "type", "length"])
def test_a_gguf_file_that_lies_is_not_believed(damage: str, tmp_path: Path) -> None:
    count, tensors = 1 << 40 if damage == "count" else None, 2 if damage == "tensors" else 1
    path = gguf(tmp_path / "small.gguf", count, tensors)
    data = bytearray(path.read_bytes())
    if damage == "letters":
        data[:4] = b"GGML"
    elif damage == "cut":
        del data[100:]
    elif damage == "type":
        at = data.index(b"llama.block_count") + len("llama.block_count")
        data[at : at + 4] = struct.pack("<I", 77)
    elif damage == "length":
        at = data.index(b"general.architecture") + len("general.architecture") + 4
        data[at : at + 8] = struct.pack("<Q", 1 << 60)
    path.write_bytes(bytes(data))
    (tmp_path / "t.merge").write_text(
        'recipe t\n\nmodel a from "file:small.gguf"\n\nmerge m {\n  keep language from a\n}\n'
    )
    assert "M411" in {d.code for d in load_recipe(tmp_path / "t.merge").diagnostics}


def test_an_import_allows_no_code(tmp_path: Path) -> None:
    from tests.merge_dsl.conftest import write_llm

    write_llm(tmp_path / "odd")
    (tmp_path / "inner.merge").write_text(
        'recipe inner\n\nmodel odd from "file:odd" { remote_code = run }\n'
    )
    outer = tmp_path / "outer.merge"
    outer.write_text('recipe outer\n\nuse "inner.merge" as inner\n\nmerge m {\n'
                     "  keep language from inner.odd\n}\n")  # fmt: skip
    inner = load_recipe(tmp_path / "inner.merge").recipe
    assert inner is not None and inner.models["odd"].runs_code
    recipe = load_recipe(outer).recipe
    assert recipe is not None and not recipe.models["inner.odd"].runs_code
