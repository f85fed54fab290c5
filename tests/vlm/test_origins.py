"""Where models come from: GGUF files, code that they bring, processors that are absent."""

import importlib.util
import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import transformers

from vlm.errors import MissingExtra, ModelError
from vlm.reader import open_reader
from vlm.resident import load_model
from vlm.weights import gguf
from vlm.weights.source import open_source, open_sources

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path(__file__).with_name("ran").touch()
Path({mark!r}).touch()
class OddConfig(LlamaConfig):
    model_type = "odd"
class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig
"""


@pytest.fixture
def odd(
    parents: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """A model that needs code of its own, and the file that this code leaves when it is run."""
    cache = tmp_path / "modules"
    for module in (transformers.dynamic_module_utils, transformers.utils.hub):
        if hasattr(module, "HF_MODULES_CACHE"):
            monkeypatch.setattr(module, "HF_MODULES_CACHE", str(cache))
    folder, mark = tmp_path / "odd", tmp_path / "mark"
    shutil.copytree(parents["tongue"], folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "odd"
    config["architectures"] = ["OddForCausalLM"]
    config["auto_map"] = {
        "AutoConfig": "code.OddConfig",
        "AutoModelForCausalLM": "code.OddForCausalLM",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(CODE.format(mark=str(mark)))
    return folder, mark


def test_code_of_a_model_is_never_run(odd: tuple[Path, Path]) -> None:
    folder, mark = odd
    with pytest.raises(ModelError, match="brings code of its own") as caught:
        open_source("odd", folder)
    assert "remote_code = run" in caught.value.way_out
    with pytest.raises(ModelError):
        open_sources({"odd": folder}, trusted={"another"})
    with pytest.raises(ModelError, match="brings code of its own"):
        load_model(folder, sees=False)
    assert not mark.exists()


def test_code_of_a_model_is_run_where_the_recipe_allows_it(odd: tuple[Path, Path]) -> None:
    folder, mark = odd
    source = open_sources({"odd": folder}, trusted={"odd"})["odd"]
    assert mark.exists() and source.trusted
    assert "language.layers.2" in source.anatomy.units
    assert load_model(folder, sees=False, trusted=True).config.model_type == "odd"


def test_a_model_without_a_processor_is_said(parents: Mapping[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(parents["eyes"], tmp_path / "eyes"))
    for file in (*folder.glob("*processor*.json"), *folder.glob("tokenizer*")):
        file.unlink()
    with pytest.raises(ModelError, match="its processor cannot be read"):
        open_reader(folder, sees=True)


def gguf_file(path: Path, **said: int) -> Path:
    """A GGUF file of no tensors, whose header says what a small llama's does."""
    keys = {"block_count": 3, "embedding_length": 32, "feed_forward_length": 48,
            "attention.head_count": 4, "attention.head_count_kv": 2, **said}  # fmt: skip

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    body = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    for key, value in keys.items():
        body += text(f"llama.{key}") + struct.pack("<II", 4, value)
    body += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys) + 2) + body)
    return path


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "awase" / "gguf"


def test_a_gguf_file_needs_its_extra(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name)
    )
    with pytest.raises(MissingExtra, match=r"awase\[gguf\]"):
        open_source("small", gguf_file(tmp_path / "small.gguf"))
    assert not cached.exists()


def test_a_gguf_file_is_dequantised_once(
    parents: Mapping[str, Path],
    cached: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What transformers makes of the file is stood in for: what reads it is an extra (`test_real_model.py` reads one)."""
    file, calls = gguf_file(tmp_path / "small.gguf"), []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    real = transformers.AutoModelForCausalLM.from_pretrained
    words = transformers.AutoTokenizer.from_pretrained

    def model(folder: Path, *, gguf_file: str, **how: Any) -> Any:
        how.pop("quantization_config", None)
        calls.append((folder, gguf_file))
        return real(parents["tongue"], **how)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", model)
    monkeypatch.setattr(
        transformers.AutoTokenizer,
        "from_pretrained",
        lambda folder, *, gguf_file, **how: words(parents["tongue"], **how),
    )
    first, again = open_source("small", file), open_source("small", file)
    assert calls == [(tmp_path, "small.gguf")]
    assert first.folder == again.folder and first.folder.parent == cached
    other = open_source("tongue", parents["tongue"])
    assert all((first.tensor(r) == other.tensor(r)).all() for r in other.names)
    assert [p.name for p in cached.iterdir()] == [first.folder.name]
    gguf_file(file, block_count=2)
    open_source("small", file)
    assert len(calls) == 2  # another file of the same name


def test_a_damaged_gguf_file_leaves_nothing_behind(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUFnothing")
    with pytest.raises(ModelError, match="cannot be dequantised"):
        open_source("small", file)
    assert list(cached.iterdir()) == []
    assert gguf.as_folder(tmp_path) == tmp_path
