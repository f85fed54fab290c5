"""mergekit's files go in and out, and in again, and the recipe stays the same."""

from pathlib import Path

import pytest
import yaml

from merge_dsl.meaning.load import load_recipe
from merge_dsl.text.diagnostics import Severity
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from tests.merge_dsl.mergekit.conftest import FILES, Command

WHOLE = [file for file in FILES if not file.stem.startswith("lossy_")]
LOSSY = [file for file in FILES if file.stem.startswith("lossy_")]
TRANSLATED = {"N106", "N104", "K205", "N108", "N101", "C903"}  # what a recipe may still wait for


def name(file: Path) -> str:
    return file.stem


def test_there_are_enough_shapes() -> None:
    assert len(WHOLE) >= 12


@pytest.mark.parametrize("file", WHOLE, ids=name)
def test_round(file: Path, awase: Command) -> None:
    code, first, err = awase("import", file)
    assert code == 0, err
    Path(f"{file.stem}.merge").write_text(first, encoding="utf-8")
    code, exported, err = awase("export", f"{file.stem}.merge")
    assert code == 0, err
    Path(file.name).write_text(exported, encoding="utf-8")
    code, again, err = awase("import", file.name)
    assert (code, again) == (0, first), err


@pytest.mark.parametrize("file", WHOLE, ids=name)
def test_what_comes_out_means_what_went_in(file: Path, awase: Command) -> None:
    """The method, the models and the layers, read by a YAML reader of others."""
    _, recipe, _ = awase("import", file)
    Path(f"{file.stem}.merge").write_text(recipe, encoding="utf-8")
    _, exported, _ = awase("export", f"{file.stem}.merge")
    before, after = ([*yaml.safe_load_all(t)] for t in (file.read_text(), exported))
    if file.stem == "slices_stacked":  # the blended slices become stages of their own
        after, before = after[-1:], [{"merge_method": "passthrough"}]
    assert sorted(_method(d) for d in before) == sorted(_method(d) for d in after)
    if file.stem != "slices_stacked":
        assert {m for d in before for m in _models(d)} == {m for d in after for m in _models(d)}
        assert [_ranges(d) for d in before] == [_ranges(d) for d in after]


def _method(document: dict) -> str:
    return document.get("genome", document)["merge_method"]


def _models(node: object) -> set[str]:
    if isinstance(node, dict):
        found = {n for key in ("model", "base_model") if isinstance(n := node.get(key), str)}
        found |= {m for m in node.get("models", ()) if isinstance(m, str)}
        return found.union(*map(_models, node.values())) if node else found
    return set().union(*map(_models, node)) if isinstance(node, list) else set()


def _ranges(document: dict) -> list[list[int]]:
    sources = [s for piece in document.get("slices", ()) for s in piece["sources"]]
    return [source["layer_range"] for source in sources]


@pytest.mark.parametrize("file", FILES, ids=name)
def test_recipes_are_ones_that_lint_understands(file: Path, awase: Command) -> None:
    awase("import", file, "-o", "out.merge")
    text = Path("out.merge").read_text(encoding="utf-8")
    assert parse(Source("out.merge", text)).diagnostics == ()
    loaded = load_recipe(Path("out.merge"))
    errors = {d.code for d in loaded.diagnostics if d.severity is Severity.ERROR}
    assert errors <= TRANSLATED, loaded.diagnostics


@pytest.mark.parametrize("file", LOSSY, ids=name)
def test_losses_are_named_twice_and_only_they_change(file: Path, awase: Command) -> None:
    code, recipe, err = awase("import", file)
    assert code == 1
    said = [line.split("not carried: ")[1] for line in err.splitlines() if "not carried: " in line]
    assert said and all(f"#   {line}\n" in recipe for line in said)
    assert all(line.startswith(f"{file}:") for line in err.splitlines())


@pytest.mark.parametrize("file", FILES, ids=name)
def test_mergekit_accepts_what_is_exported(file: Path, awase: Command) -> None:
    config = pytest.importorskip("mergekit.config", exc_type=ImportError)
    evolve = pytest.importorskip("mergekit.evo.config", exc_type=ImportError)
    awase("import", file, "-o", "out.merge")
    _, exported, _ = awase("export", "out.merge")
    for document in yaml.safe_load_all(exported):
        if "genome" in document:
            made = evolve.EvolMergeConfiguration.model_validate(document)
            assert made.genome.merge_method == document["genome"]["merge_method"]
        else:
            document.pop("name", None)
            made = config.MergeConfiguration.model_validate(document)
            assert set(document) <= set(made.model_dump(exclude_unset=True))
