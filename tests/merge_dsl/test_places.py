"""Where addresses lead, without fetching anything."""

from pathlib import Path

import pytest

from merge_dsl.meaning import places
from merge_dsl.meaning.places import locate
from merge_dsl.space.candidate import Place


def test_files_are_relative_to_the_recipe(world: Path) -> None:
    found = locate("file:base", "model", world)
    assert found.path == world / "base" and found.place.address == str(world / "base")
    assert (
        locate("file:../x/./base", "model", world / "x").place
        == locate("file:x/base", "model", world).place
    )
    assert locate("file:d.jsonl", "data", world).path == world / "d.jsonl"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("file:none", "model"), ("file:d.jsonl", "model"), ("file:none", "data"), ("base", "model"),
        ("ftp:base", "model"), ("file:", "data"), ("hf:a b", "model"), ("hf:../x", "model"),
        ("file:a\0b", "model"), ("zoo:../models", "model"), ("zoo:none", "data"),
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere_say_why(world: Path, address: str, kind: places.Kind) -> None:
    found = locate(address, kind, world)
    assert found.path is None and found.problem


def test_the_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert locate("hf:org/name", "model", tmp_path) == places.Located(Place("hf", "org/name"), None)
    snapshot = tmp_path / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--org--name" / "refs").mkdir()
    (tmp_path / "models--org--name" / "refs" / "main").write_text("abc\n")
    assert locate("hf:org/name", "model", tmp_path).path == snapshot
    assert locate("hf:org/name", "model", tmp_path, "abc").path == snapshot
    assert locate("hf:org/name", "model", tmp_path, "other").path is None
    assert locate("hf:org/name", "data", tmp_path).path is None


def test_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "emoji-vlm-en").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "emoji-ja.parquet").write_bytes(b"")
    monkeypatch.setattr(places, "zoo_folder", lambda: tmp_path)
    assert (
        locate("zoo:emoji-vlm-en", "model", tmp_path).path == tmp_path / "models" / "emoji-vlm-en"
    )
    assert locate("zoo:emoji-ja", "data", tmp_path).path == tmp_path / "data" / "emoji-ja.parquet"
    assert "did you mean `emoji-vlm-en`" in (locate("zoo:emoji-vlm", "model", tmp_path).help or "")
    monkeypatch.setattr(places, "zoo_folder", lambda: None)
    assert locate("zoo:emoji-ja", "data", tmp_path).problem
