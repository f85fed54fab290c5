"""Facts come from config and headers; folders that lie are refused; unknown stays unknown."""

import json
import struct
from pathlib import Path

import pytest

from merge_dsl.meaning.facts import Facts, FactsError, facts_of, known_models, read_facts
from merge_dsl.space.candidate import Place
from tests.merge_dsl.conftest import LANGUAGE, Lint, merge_recipe, write_llm, write_vlm


def test_a_vlm(world: Path) -> None:
    facts = read_facts(world / "eyes")
    assert (facts.layers, facts.hidden, facts.intermediate, facts.vocab) == (4, 8, 16, 10)
    assert (facts.vision_layers, facts.vision_hidden, facts.image_token) == (2, 6, 9)
    assert facts.sees and facts.speaks and facts.tied is False
    assert facts.weight_bytes == 4 * (facts.parameters or 0) > 0


def test_a_tower_and_a_language_model(world: Path) -> None:
    tower, base = read_facts(world / "tower"), read_facts(world / "base")
    assert (tower.sees, tower.speaks, tower.vision_layers, tower.layers) == (True, False, 2, None)
    assert (base.sees, base.speaks, base.rope_theta) == (False, True, 10000.0)
    assert read_facts(world / "tied").tied is True


def test_shapes_fill_what_a_config_leaves_out(tmp_path: Path) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    facts = read_facts(folder)
    assert (facts.layers, facts.hidden, facts.vocab, facts.heads) == (4, 8, 10, None)


def test_a_config_alone_will_do(tmp_path: Path) -> None:
    folder = write_vlm(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    facts = read_facts(folder)
    assert (facts.layers, facts.vision_layers, facts.parameters) == (4, 2, None)


def header(table: object, body: bytes = b"") -> bytes:
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + body


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut off"),
        (b"1234", "cut off"),
        (struct.pack("<Q", 2**63) + b"{}", "cut off"),
        (struct.pack("<Q", 4) + b"{]{]", "no JSON"),
        (header([1]), "no table"),
        (header({"a": ENTRY}), "behind its end"),
        (header({"a": ENTRY | {"shape": [3]}}, bytes(8)), "does not fit"),
        (header({"a": ENTRY | {"shape": [-2]}}, bytes(8)), "no tensor"),
        (header({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8)), "does not fit"),
        (header({"a": 3}), "no tensor"),
    ],
)
def test_headers_that_lie(tmp_path: Path, content: bytes, said: str) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(FactsError, match=said):
        read_facts(folder)


@pytest.mark.parametrize("config", ["", "[1]", "{", '"x"', "\udcff"])
def test_configs_that_cannot_be_read(tmp_path: Path, config: str) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "config.json").write_bytes(config.encode(errors="surrogateescape"))
    with pytest.raises(FactsError):
        read_facts(folder)


def test_strange_values_are_unknown(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    strange = dict.fromkeys(LANGUAGE, "four") | {"text_config": 7, "vision_config": []}
    (folder / "config.json").write_text(json.dumps(strange))
    facts = read_facts(folder)
    assert facts.layers is None and facts.hidden is None and not facts.sees


def test_config_and_weights_must_agree(tmp_path: Path) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps(LANGUAGE | {"num_hidden_layers": 40}))
    with pytest.raises(FactsError, match="layers 40, the weights have 4"):
        read_facts(folder)


def test_shards(tmp_path: Path) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "a.safetensors"}}))
    assert read_facts(folder).layers == 4
    for table in ({"x": "b.safetensors"}, {"x": "../a.safetensors"}, {"x": 3}):
        index.write_text(json.dumps({"weight_map": table}))
        with pytest.raises(FactsError):
            read_facts(folder)
    (folder / "b.safetensors").write_bytes((folder / "a.safetensors").read_bytes())
    index.write_text(json.dumps({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}))
    with pytest.raises(FactsError, match=r"is in b\.safetensors and in an earlier shard"):
        read_facts(folder)
    index.write_text("{}")
    with pytest.raises(FactsError, match="weight_map"):
        read_facts(folder)


def test_the_bundled_table() -> None:
    llava = known_models()["llava-hf/llava-v1.6-mistral-7b-hf"]
    assert (llava.layers, llava.vision_layers, llava.hidden) == (32, 24, 4096)
    assert facts_of(Place("hf", "nobody/nothing"), None) is None
    assert isinstance(facts_of(Place("hf", "mistralai/Mistral-7B-v0.1"), None), Facts)


def test_a_damaged_model_is_a_diagnostic(lint: Lint, world: Path) -> None:
    broken = world / "broken"
    if not broken.exists():
        write_llm(broken)
        (broken / "model.safetensors").write_bytes(b"12345678901234")
    text = merge_recipe("  language.layers by linear { take tongue }\n")
    loaded = lint(text.replace('"file:tongue"', '"file:broken"'))
    assert loaded.recipe is None
    assert [(d.code, loaded.source.slice(d.span)) for d in loaded.diagnostics] == [
        ("M411", '"file:broken"')
    ]
