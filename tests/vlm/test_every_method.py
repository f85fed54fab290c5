"""Every merge method from the text of a recipe to a checkpoint: lint, plan, merge, open."""

import json
from pathlib import Path

import pytest
import torch

from merge_dsl.cli import main
from merge_dsl.meaning.methods import METHODS, Setting
from vlm.weights.checkpoint import open_checkpoint

HEAD = """recipe one
model base from "file:base"
model eyes from "file:eyes"
model tongue from "file:tongue"
data naming from "file:rows.parquet" { rows = 0..1 }
merge student {
  keep vision, projector, embed, head from eyes
"""
TAKES = ("eyes.language", "tongue")
HOLES = {"real": "0.05..0.3", "int": "int 2..3", "flag": "flag", "word": "choice paper | mergekit"}


def recipe(method: str, holes: bool) -> str:
    """A recipe that blends by `method` and says every setting: its default, or a hole."""
    known = METHODS[method]
    takes = TAKES[-known.takes[1] :] if known.takes[1] else TAKES
    lines = [f"  language.layers by {method}{'(seed = 3)' if known.random else ''} {{"]
    lines += ["    base base"] if known.base != "refused" else []
    for name, setting in known.settings.items():
        if setting.kind == "data":
            lines.append(f"    {name} = naming")
            continue
        hole = "0.4..0.6" if name == "density" else HOLES[setting.kind]
        lines.append(f"    {name} = {hole if holes else written(setting)}")
    lines += [f"    take {take}" for take in takes]
    return HEAD + "\n".join([*lines, "  }", "}", 'write student to "out"', ""])


def written(setting: Setting) -> str:
    default = setting.default
    return str(default).lower() if isinstance(default, bool) else str(default)


def errors(path: Path, capsys: pytest.CaptureFixture[str]) -> list[object]:
    """What lint finds wrong with a recipe."""
    capsys.readouterr()
    main(["lint", str(path), "--format", "json"])
    return [d for d in json.loads(capsys.readouterr().out) if d["severity"] == "error"]


def test_word_settings_are_what_the_holes_here_say() -> None:
    words = [s.words for m in METHODS.values() for s in m.settings.values() if s.kind == "word"]
    assert set(words) == {("paper", "mergekit")}


@pytest.mark.parametrize("method", list(METHODS))
def test_from_text_to_checkpoint(
    method: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if METHODS[method].reads:  # what is measured is kept there
        monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    path = place / "one.merge"
    path.write_text(recipe(method, holes=True), encoding="utf-8")
    assert not errors(path, capsys)
    assert main(["plan", str(path), "--format", "json"]) == 0
    genes = json.loads(capsys.readouterr().out)["genes"]
    searched = {n for n, s in METHODS[method].settings.items() if s.kind != "data"}
    assert {gene["name"] for gene in genes} == searched

    path.write_text(recipe(method, holes=False), encoding="utf-8")
    assert not errors(path, capsys)
    assert main(["merge", str(path)]) == 0, capsys.readouterr().err
    merged, eyes = open_checkpoint(Path("out")), open_checkpoint(place / "eyes")
    assert merged.entries.keys() == eyes.entries.keys()
    moved = 0
    for name in merged.entries:
        tensor = merged.tensor(name)
        assert tensor.isfinite().all()
        moved += not torch.equal(tensor, eyes.tensor(name))
    assert moved >= 3 * 7  # the matrices of three layers
