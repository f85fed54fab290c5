"""show: every default is spelled out, and the recipe means what it meant."""

import ast
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given

from merge_dsl.cli import main
from merge_dsl.commands.show import meaning, spelled
from merge_dsl.meaning.engines import SHARD_BYTES
from merge_dsl.meaning.load import load_recipe
from merge_dsl.text.format import comments, format_text
from tests.merge_dsl.conftest import (
    HEAD,
    TAIL,
    TASK,
    Lint,
    language_shapes,
    merge_recipe,
    write_llm,
    write_safetensors,
)
from tests.merge_dsl.test_freeze import WHOLE, recipes

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "recipes").rglob("*.merge"))
CONFIG = {"model_type": "clip_vision_model", "num_hidden_layers": 24, "hidden_size": 1024}


def shown(lint: Lint, text: str) -> str:
    loaded = lint(text)
    assert loaded.recipe is not None, loaded.diagnostics
    return spelled(loaded.source, loaded.recipe)[0]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_recipes_that_ship_mean_the_same(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    charts = tmp_path / "recipes" / "checkpoints" / "clip-l-336-charts"
    charts.mkdir(parents=True)
    (charts / "config.json").write_text(json.dumps(CONFIG))
    copy = tmp_path / "recipes" / path.relative_to(ROOT / "recipes")
    assert main(["show", str(copy)]) == 0
    text = capsys.readouterr().out
    before = load_recipe(copy)
    assert format_text(text) == text
    assert set(comments(before.source.text)) <= set(comments(text))
    copy.write_text(text)
    after = load_recipe(copy)
    assert before.recipe is not None and after.recipe is not None, after.diagnostics
    assert meaning(after.recipe) == meaning(before.recipe)
    assert [s.budget for s in after.recipe.searches] == [s.budget for s in before.recipe.searches]
    assert main(["show", str(copy)]) == 0
    assert capsys.readouterr().out == text  # there is nothing left to spell out


def test_all_that_emoji_ja_leaves_unsaid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(ROOT / "recipes" / "emoji_ja.merge"), "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert list(table) == ["recipe", "defaults", "text"]
    said = [(entry["in"], entry["name"], entry["value"]) for entry in table["defaults"]]
    assert ("student, language.layers", "scale", "1.0") in said
    assert ("search student", "population", "12") in said
    assert ("report student, rouge_l", "tokenizer", "char") in said
    assert "rouge_l(tokenizer = char, language = any) on naming_report" in table["text"]


@WHOLE
@given(recipes())
def test_any_recipe_means_the_same(lint: Lint, text: str) -> None:
    once = shown(lint, text)  # which compares the meanings itself
    assert shown(lint, once) == once
    assert set(comments(text)) <= set(comments(once))


TIES = "  language.layers by ties {\n    base base\n    take eyes\n    take tongue\n  }\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "base base\n    take eyes\n    take tongue",
            "base base\n    weight = 1.0\n    density = 0.5\n    scale = 1.0\n    normalize = true\n"
            "    compat = paper\n    take eyes\n    take tongue",
        ),
        (  # behind a comment, not before it
            "scale = 2.0\n    density = 0.5\n    normalize = true\n    base base  # b\n    take eyes",
            "scale = 2.0\n    density = 0.5\n    normalize = true\n    base base  # b\n"
            "    weight = 1.0\n    compat = paper\n    take eyes",
        ),
        (  # what is given for some layers only has a default before it
            "scale = 2.0\n    density = 0.1 at layers[0]\n    normalize = true\n"
            "    each { weight = 0.5 }\n    base base\n    take eyes",
            "density = 0.5\n    scale = 2.0\n    density = 0.1 at layers[0]\n    normalize = true\n"
            "    each { weight = 0.5 }\n    base base\n    compat = paper\n    take eyes",
        ),
        (  # one take has a weight, the other needs the default
            "base base\n    scale = 1.0\n    normalize = true\n    density = 0.5\n"
            "    take eyes { weight = 0.25 }\n    take tongue",
            "base base\n    weight = 1.0\n    compat = paper\n"
            "    scale = 1.0\n    normalize = true\n    density = 0.5\n"
            "    take eyes { weight = 0.25 }\n    take tongue",
        ),
    ],
)
def test_settings_of_methods(lint: Lint, lines: str, expected: str) -> None:
    body = f"  language.layers by ties {{\n    {lines}\n  }}\n"
    text = shown(lint, merge_recipe(body))
    assert f"by ties {{\n    {expected}\n  }}" in text


def test_settings_that_only_some_methods_have(lint: Lint) -> None:
    choice = TIES.replace("by ties", "by choice ties | dare_ties | task_arithmetic")
    text = shown(lint, merge_recipe(choice))
    assert "    weight = 1.0\n" in text and "    scale = 1.0\n" in text
    assert "    density = 0.5 when method is ties | dare_ties\n" in text
    assert "    normalize = true when method is ties\n" in text
    assert "    normalize = false when method is dare_ties\n" in text


def test_a_blend_on_one_line(lint: Lint) -> None:
    line = "  language.layers by linear { take eyes; take tongue }\n"
    text = shown(lint, merge_recipe(line))
    assert "{ weight = 1.0; normalize = true; take eyes; take tongue }" in text


@pytest.mark.parametrize(
    ("hole", "said"),
    [
        ("0.0..1.0", "0.0..1.0 start 0.5"),
        ("0.0..1.0 start 0.25", "0.0..1.0 start 0.25"),
        ("log 0.01..1.0 per layer", "log 0.01..1.0 start 0.1 per layer"),
        ("int 0..3", "int 0..3 start 2"),
        ("-2.0..-1.0", "-2.0..-1.0"),  # a start has no sign, so this one stays unsaid
        ("choice 0.5 | 1.0", "choice 0.5 | 1.0"),
        ("[0.0..1.0, 0.25] per 2 layers", "[0.0..1.0 start 0.5, 0.25] per 2 layers"),
    ],
)
def test_starts(lint: Lint, hole: str, said: str) -> None:
    text = shown(lint, merge_recipe(TASK.replace("0.0..1.0", hole)))
    assert f"take eyes.language {{ weight = {said} }}" in text


def test_parts_that_a_keep_brings_along(lint: Lint) -> None:
    keep = "  keep language.norm from tongue\n  keep vision, projector, embed, head from eyes\n"
    text = shown(lint, merge_recipe(TASK, keep=keep))
    assert "  keep language.norm from tongue\n" in text
    assert (
        "  keep vision.embed, vision.layers, vision.norm, projector, language.embed, language.head"
        " from eyes\n"
    ) in text


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("  by = cma_es\n", "  by = cma_es(sigma = 0.16666666666666666, population = 4)\n"),
        ("  by = cma_es()\n", "  by = cma_es(sigma = 0.16666666666666666, population = 4)\n"),
        (
            "  by = cma_es(population = 7)\n",
            "cma_es(population = 7, sigma = 0.16666666666666666)\n",
        ),
        ("  by = random\n", "  by = random\n"),
        (
            '  by = cma_es(preset = "sakana")\n',
            "  # the preset: sigma = 0.16666666666666666, population = 4, every gene starts in its"
            ' middle, the best trial wins\n  by = cma_es(preset = "sakana")\n',
        ),
        ("", "  by = cma_es(sigma = 0.16666666666666666, population = 4)\n"),
    ],
)
def test_engines(lint: Lint, search: str, expected: str) -> None:
    tail = TAIL.replace("  by = cma_es(sigma = 0.2)\n", search).replace("  seed = 1\n", "")
    text = shown(lint, merge_recipe(TASK, tail=tail))
    assert expected in text and "  seed = 0\n}" in text


def test_a_search_on_one_line(lint: Lint) -> None:
    tail = "search student { maximize rouge_l on dev; budget = 9 trials }\n"
    text = shown(lint, merge_recipe(TASK, tail=tail))
    assert "  by = cma_es(" in text and "  seed = 0\n" in text


def test_write_and_use(lint: Lint, world: Path) -> None:
    (world / "common.merge").write_text("recipe common\n")
    text = merge_recipe(TASK, head=HEAD + 'use "common.merge"\n') + 'write student to "out"\n'
    said = shown(lint, text)
    (world / "common.merge").unlink()
    assert 'use "common.merge" as common\n' in said
    assert 'write student to "out" { dtype = fp32; shard = 5GiB }\n' in said


def test_a_dtype_is_spelled_out_where_all_parents_have_it(lint: Lint, world: Path) -> None:
    file = world / "half" / "model.safetensors"
    write_llm(world / "half")
    write_safetensors(file, language_shapes(""), "BF16")
    head = HEAD.replace("file:tongue", "file:half")
    said = shown(lint, merge_recipe(TASK, head=head) + 'write student to "out"\n')
    shutil.rmtree(world / "half")
    assert 'write student to "out" { shard = 5GiB }\n' in said  # each tensor has its own


def test_shards_are_as_large_as_the_writer_makes_them() -> None:
    source = (ROOT / "vlm" / "weights" / "writer.py").read_text(encoding="utf-8")
    (function,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "write_model"
    )
    names = [argument.arg for argument in function.args.kwonlyargs]
    default = function.args.kw_defaults[names.index("shard_bytes")]
    assert default is not None
    assert eval(compile(ast.Expression(default), "", "eval")) == SHARD_BYTES


def test_show_refuses_a_recipe_with_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.merge"
    path.write_text("recipe a\nmodel\n")
    assert main(["show", str(path)]) == 1
    assert "bad.merge:2:6: S002" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "none.merge")]) == 2
