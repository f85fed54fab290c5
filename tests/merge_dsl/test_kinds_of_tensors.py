"""`language.layers.attention`: a blend may tell the kinds of tensors in a layer apart."""

import pytest

from merge_dsl.meaning.parts import KINDS
from merge_dsl.space.candidate import Candidate
from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.space import start
from tests.merge_dsl.conftest import HEAD, KEEP, TASK, Lint, merge_recipe

WEIGHT = "weight = 0.0..1.0"


def blended(lines: str) -> str:
    return merge_recipe(TASK.replace(WEIGHT, lines))


def filled(lint: Lint, text: str) -> Candidate:
    recipe = lint(text).recipe
    assert recipe is not None, lint(text).diagnostics
    space = compile_space(recipe, "student")
    return fill(space, start(space), 0)


def weights(candidate: Candidate) -> dict[str, float]:
    (blend,) = candidate.blends
    values = blend.ingredients[0].settings["weight"]
    return dict(zip(blend.units, map(float, values), strict=True))


def test_layers_are_units_until_something_names_a_kind(lint: Lint) -> None:
    (blend,) = filled(lint, blended(WEIGHT)).blends
    assert blend.units == tuple(f"language.layers.{n}" for n in range(4))
    (blend,) = filled(lint, blended("weight = 0.5; weight = 0.1 at layers.mlp")).blends
    assert blend.units == tuple(f"language.layers.{n}.{k}" for n in range(4) for k in KINDS)


@pytest.mark.parametrize("at", ["layers.mlp[1..2]", "language.layers.mlp[1..2]"])
def test_at_a_kind(lint: Lint, at: str) -> None:
    found = weights(filled(lint, blended(f"weight = 0.5; weight = 0.1 at {at}")))
    low = {unit for unit, value in found.items() if value == 0.1}
    assert low == {"language.layers.1.mlp", "language.layers.2.mlp"} and len(found) == 12


def test_genes_of_kinds_and_layers(lint: Lint) -> None:
    lines = "weight = 0.0..1.0 per 2 layers; weight = 0.0..2.0 per layer at layers.attention[0..1]"
    recipe = lint(blended(lines)).recipe
    assert recipe is not None
    space = compile_space(recipe, "student")
    names = [gene.name for gene in space.genes]
    assert names == ["eyes.weight[0..1]", "eyes.weight[2..3]", "eyes.weight[0]", "eyes.weight[1]"]
    values = (0.1, 0.2, 1.1, 1.2)
    found = weights(fill(space, values, 0))
    assert found["language.layers.1.mlp"] == 0.1 and found["language.layers.3.norms"] == 0.2
    assert found["language.layers.0.attention"] == 1.1
    assert found["language.layers.1.attention"] == 1.2
    assert found["language.layers.2.attention"] == 0.2
    text = freeze(lint(blended(lines)).source, space, values, 0)
    again = lint(text).recipe
    assert again is not None
    frozen = compile_space(again, "student")
    assert frozen.genes == () and fill(frozen, (), 0) == fill(space, values, 0)


def test_a_curve_over_one_kind(lint: Lint) -> None:
    lines = "weight = 0.5; weight = curve(0.0, 0.3) at layers.attention"
    found = weights(filled(lint, blended(lines)))
    heights = [found[f"language.layers.{n}.attention"] for n in range(4)]
    assert heights == pytest.approx([0.0, 0.1, 0.2, 0.3])


SPLIT = """  keep language.layers.norms from eyes
  language.layers.attention by linear {
    take eyes.language { weight = 0.25 }
    take tongue { weight = 0.75 }
  }
  keep language.layers.mlp from tongue
"""


def test_kinds_on_the_left(lint: Lint) -> None:
    candidate = filled(lint, merge_recipe(SPLIT))
    (blend,) = candidate.blends
    assert blend.units == tuple(f"language.layers.{n}.attention" for n in range(4))
    kept = {unit for keep in candidate.keeps for unit in keep.units if "layers" in unit}
    assert {u for u in kept if u.startswith("language")} == {
        f"language.layers.{n}.{kind}" for n in range(4) for kind in ("mlp", "norms")
    }


def test_a_kind_that_nobody_gives(lint: Lint) -> None:
    text = merge_recipe(
        SPLIT.replace("keep language.layers.mlp from", "keep language.layers.mlp[0..2] from")
    )
    found = [d for d in lint(text).diagnostics if d.code == "V501"]
    assert [d.message for d in found] == ["nothing says where `language.layers.mlp[3]` comes from"]
    text = merge_recipe(SPLIT.replace("  keep language.layers.mlp from tongue\n", ""))
    found = [d for d in lint(text).diagnostics if d.code == "V501"]
    assert [d.help for d in found] == ["add `keep language.layers.mlp from eyes`"]


def test_a_later_line_covers_a_kind(lint: Lint) -> None:
    text = merge_recipe(SPLIT + "  keep language.layers.attention from tongue\n")
    assert "X310" in {d.code for d in lint(text).diagnostics}


CASES = {
    "N101": blended(f"{WEIGHT} at ⟦layers.mpl⟧[0]"),
    "N101 left": merge_recipe(SPLIT.replace("keep language.layers.mlp", "keep ⟦layers.mlp⟧")),
    "M402": blended(f"{WEIGHT} at layers.mlp[⟦3..4⟧]"),
    "M402 left": merge_recipe(SPLIT.replace("layers.mlp from", "layers.mlp[⟦0..4⟧] from")),
    "K207": blended(WEIGHT).replace("take tongue", "take ⟦tongue.language.layers.mlp⟧"),
    "K207 road": f"{HEAD}route r {{\n  begin base\n  path ⟦base.language.layers.mlp[0..1]⟧\n  end base\n}}\n",
    "K207 no layers": f"{HEAD}route r {{\n  begin base\n  path ⟦base.head⟧\n  end base\n}}\n",
    "N101 road": f"{HEAD}route r {{\n  begin base\n  path base.layers -> base.⟦foo⟧[0]\n  end base\n}}\n",
    "M403": blended(f"{WEIGHT} ⟦per 3 layers⟧; weight = 0.5 at layers.mlp[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_at_its_place(name: str, lint: Lint) -> None:
    marked = CASES[name]
    start, end = marked.index("⟦"), marked.index("⟧") - 1
    found = lint(marked.replace("⟦", "").replace("⟧", "")).diagnostics
    places = {(d.code, d.span.start, d.span.end) for d in found}
    assert (name.split()[0], start, end) in places, found
    assert KEEP
