"""`curve(…)`: a value that changes with depth along straight lines between its points."""

from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from tests.merge_dsl.conftest import TASK, Lint, merge_recipe

CURVE = "weight = curve(0.0..1.0, 0.5, 0.0..1.0 start 0.25)"


def test_a_gene_for_each_point_that_is_a_hole(lint: Lint) -> None:
    loaded = lint(merge_recipe(TASK.replace("weight = 0.0..1.0", CURVE)))
    assert loaded.recipe is not None and loaded.diagnostics == ()
    space = compile_space(loaded.recipe, "student")
    assert [g.name for g in space.genes] == ["eyes.weight[point 1]", "eyes.weight[point 3]"]
    (blend,) = fill(space, (0.2, 0.8), 0).blends
    weights = blend.ingredients[0].settings["weight"]
    assert [round(float(w), 6) for w in weights] == [0.2, 0.4, 0.6, 0.8]


def test_a_frozen_curve_is_the_same_candidate(lint: Lint) -> None:
    loaded = lint(merge_recipe(TASK.replace("weight = 0.0..1.0", CURVE)))
    assert loaded.recipe is not None
    space = compile_space(loaded.recipe, "student")
    text = freeze(loaded.source, space, (0.2, 0.8), 0)
    assert "curve(0.2, 0.5, 0.8)" in text
    frozen = lint(text)
    assert frozen.recipe is not None
    again = compile_space(frozen.recipe, "student")
    assert again.genes == () and fill(again, (), 0) == fill(space, (0.2, 0.8), 0)


def test_a_let_may_be_a_curve(lint: Lint) -> None:
    text = merge_recipe(TASK.replace("0.0..1.0", "1 - fade"))
    loaded = lint(text.replace("merge student", "let fade = curve(0.0, 0.0..1.0)\nmerge student"))
    assert loaded.recipe is not None
    space = compile_space(loaded.recipe, "student")
    assert [gene.name for gene in space.genes] == ["fade[point 2]"]
    (blend,) = fill(space, (0.6,), 0).blends
    weights = blend.ingredients[0].settings["weight"]
    assert [round(float(w), 6) for w in weights] == [1.0, 0.8, 0.6, 0.4]


def test_what_a_curve_cannot_be(lint: Lint) -> None:
    for bad in (
        "curve(0.5)",
        "curve(0.1, 0.2) per 2 layers",
        "curve([0.1], 0.2)",
        "curve(curve(0.0, 1.0), 0.2)",
        "curve(a = 0.1, b = 0.2)",
        "curve(4GiB, 1)",
        "curve(0.1, true)",
    ):
        codes = {d.code for d in lint(merge_recipe(TASK.replace("0.0..1.0", bad))).diagnostics}
        assert "K205" in codes, bad
