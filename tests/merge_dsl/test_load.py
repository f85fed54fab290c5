"""Loading: imports, overrides, and what the recipe holds."""

from pathlib import Path

import pytest

from merge_dsl.meaning.load import load_recipe, load_source
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import HEAD, TASK, Lint, merge_recipe


def test_the_checked_recipe(lint: Lint, world: Path) -> None:
    tail = (
        "search student {\n  maximize 0.5 * rouge_l(tokenizer = char) on dev - 2 * cider on dev\n"
        '  by = cma_es(preset = "sakana", population = 8)\n  budget = 10 generations or 90min\n'
        "  seed = 3\n}\nreport student { rouge_l on held }\n"
        'write student to "out/x" { dtype = bf16; shard = 4GiB }\n'
    )
    recipe = lint(merge_recipe(TASK, tail=tail)).recipe
    assert recipe is not None
    (search,) = recipe.searches
    (objective,) = search.objectives
    assert objective.maximize
    assert [(t.factor, t.metric, t.settings, t.data) for t in objective.terms] == [
        (0.5, "rouge_l", {"tokenizer": "char"}, "dev"),
        (-2.0, "cider", {}, "dev"),
    ]
    assert (search.engine.name, search.engine.settings) == (
        "cma_es", {"preset": "sakana", "population": 8},
    )  # fmt: skip
    budget = search.budget
    assert (budget.trials, budget.generations, budget.seconds, search.seed) == (None, 10, 5400, 3)
    (write,) = recipe.writes
    assert (write.target, write.path, write.dtype, write.shard) == (
        "student",
        "out/x",
        "bf16",
        2**32,
    )
    assert recipe.data["dev"].rows == ((0, 9),) and recipe.data["dev"].path == world / "d.jsonl"
    assert recipe.models["eyes"].folder == world / "eyes"
    assert recipe.reports[0].terms[0].metric == "rouge_l"


def test_imports_bring_names_and_their_own_folder(tmp_path: Path, world: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "more.merge").write_text(
        f'recipe more\nmodel llm from "file:{world}/base"\ndata rows from "file:near.jsonl"\n'
    )
    (tmp_path / "common" / "near.jsonl").write_text("")
    path = tmp_path / "a.merge"
    path.write_text(
        'recipe a\nuse "common/more.merge" as more\nmerge m {\n  keep language from more.llm\n}\n'
        "search m { maximize rouge_l on more.rows; seed = 1; budget = 9 trials }\nreport m { cider on more.rowz }\n"
    )
    loaded = load_recipe(path)
    assert {(d.code, loaded.source.slice(d.span)) for d in loaded.diagnostics} == {
        ("N101", "more.rowz")
    }
    path.write_text(path.read_text().replace("rowz", "rows"))
    assert [d.code for d in load_recipe(path).diagnostics] == ["D701"]


def test_imports_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.merge").write_text('recipe a\nuse "b.merge" as b\n')
    (tmp_path / "b.merge").write_text('recipe b\nuse "a.merge" as a\n')
    (found,) = load_recipe(tmp_path / "a.merge").diagnostics
    assert (found.code, found.message) == ("N105", "`a.merge` imports itself through `b.merge`")


def test_an_import_with_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.merge").write_text('recipe a\nuse "b.merge" as b\n')
    (tmp_path / "b.merge").write_text("recipe b\nmodel\n")
    (found,) = load_recipe(tmp_path / "a.merge").diagnostics
    assert found.code == "N109" and "line 2" in found.message


def test_a_let_may_be_overridden(world: Path) -> None:
    head = HEAD + "let share = 0.2..0.8\n"
    text = merge_recipe(TASK.replace("0.0..1.0", "share"), head=head)
    source = Source(str(world / "test.merge"), text)
    loaded = load_source(source, {"share": "0.4"})
    assert loaded.recipe is not None and "let share = 0.4\n" in loaded.source.text
    assert [d.code for d in loaded.diagnostics] == ["X305"]
    assert [d.code for d in load_source(source, {"sharp": "0.4"}).diagnostics] == ["N101"]
    assert load_source(source, {"share": "0.4 0.5"}).recipe is None


@pytest.mark.parametrize("text", ["let a = a\n", "let a = b\nlet b = a\n", "let a = 1 - a\n"])
def test_lets_in_a_circle(lint: Lint, text: str) -> None:
    loaded = lint(merge_recipe(TASK.replace("0.0..1.0", "a"), head=HEAD + text))
    assert loaded.recipe is None and loaded.diagnostics[0].code == "N102"


def test_missing_recipes_are_diagnostics(tmp_path: Path) -> None:
    assert [d.code for d in load_recipe(tmp_path / "none.merge").diagnostics] == ["S014"]
    assert [d.code for d in load_recipe(tmp_path).diagnostics] == ["S014"]
