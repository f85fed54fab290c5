"""From a recipe to its genes and candidates: groups, ties, refinements, conditions, later lines."""

import pytest

from merge_dsl.meaning.recipe import Recipe
from merge_dsl.space.candidate import Blend, Candidate
from merge_dsl.space.compile import Space, compile_space
from merge_dsl.space.fill import fill, models_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.space import decode, encode, start, values_by_name
from tests.merge_dsl.conftest import HEAD, Lint, merge_recipe


def recipe_of(lint: Lint, text: str) -> Recipe:
    loaded = lint(text)
    assert loaded.recipe is not None, loaded.diagnostics
    return loaded.recipe


def space_of(lint: Lint, text: str) -> Space:
    return compile_space(recipe_of(lint, text), "student")


def blend_of(lines: str, parts: str = "language.layers", method: str = "task_arithmetic") -> str:
    return merge_recipe(f"  {parts} by {method} {{\n    base base\n{lines}  }}\n")


def names(space: Space) -> list[str]:
    return [gene.name for gene in space.genes]


def filled(space: Space, **values: float) -> Candidate:
    table = {name.replace("__", "."): value for name, value in values.items()}
    return fill(space, values_by_name(space, dict(table)), seed=5)


def only_blend(candidate: Candidate) -> Blend:
    (blend,) = candidate.blends
    return blend


TAKES = "    take eyes.language\n    take tongue\n"


def test_each_draws_for_every_ingredient_and_group(lint: Lint) -> None:
    space = space_of(lint, blend_of("    each { weight = 0.0..1.0 per 2 layers }\n" + TAKES))
    assert names(space) == [
        "eyes.weight[0..1]", "eyes.weight[2..3]", "tongue.weight[0..1]", "tongue.weight[2..3]",
    ]  # fmt: skip


def test_a_setting_of_the_blend_is_one_draw_for_all(lint: Lint) -> None:
    space = space_of(lint, blend_of("    weight = 0.0..1.0\n" + TAKES))
    assert names(space) == ["weight"]
    blend = only_blend(filled(space, weight=0.25))
    assert [i.settings["weight"] for i in blend.ingredients] == [(0.25,) * 4] * 2


def test_a_let_is_one_draw_wherever_it_is_used(lint: Lint) -> None:
    head = HEAD + "let share = 0.2..0.8 per 2 layers\n"
    lines = "    take eyes.language { weight = share }\n    take tongue { weight = 1 - share }\n"
    space = space_of(lint, blend_of(lines).replace(HEAD, head))
    assert names(space) == ["share[0..1]", "share[2..3]"]
    blend = only_blend(fill(space, (0.25, 0.75), 0))
    assert blend.ingredients[0].settings["weight"] == (0.25, 0.25, 0.75, 0.75)
    assert blend.ingredients[1].settings["weight"] == (0.75, 0.75, 0.25, 0.25)


def test_at_refines_and_the_later_line_wins(lint: Lint) -> None:
    lines = (
        "    take eyes.language\n    take tongue {\n      weight = 0.0..1.0\n"
        "      weight = 0.0 at layers[2..3]\n      weight = 0.9 at layers[3]\n    }\n"
    )
    blend = only_blend(filled(space_of(lint, blend_of(lines)), tongue__weight=0.5))
    assert blend.ingredients[1].settings["weight"] == (0.5, 0.5, 0.0, 0.9)


def test_the_closer_line_wins(lint: Lint) -> None:
    lines = (
        "    take eyes.language { weight = 0.1 }\n    take tongue\n"
        "    each { weight = 0.2 }\n    weight = 0.3\n"
    )
    blend = only_blend(filled(space_of(lint, blend_of(lines))))
    assert [i.settings["weight"][0] for i in blend.ingredients] == [0.1, 0.2]


def test_a_hole_that_no_unit_reads_is_no_gene(lint: Lint) -> None:
    lines = (
        "    take eyes.language\n    take tongue {\n      weight = 0.0..1.0 per 2 layers\n"
        "      weight = 0.5 at layers[0..1]\n    }\n"
    )
    assert names(space_of(lint, blend_of(lines))) == ["tongue.weight[2..3]"]


def test_when_switches_a_line_on(lint: Lint) -> None:
    head = HEAD + "let mode = choice mild | wild\n"
    lines = "    take eyes.language\n    take tongue { weight = 2.0..3.0 when mode is wild }\n"
    space = space_of(lint, blend_of(lines).replace(HEAD, head))
    assert names(space) == ["mode", "tongue.weight"]
    mild, wild = fill(space, ("mild", 2.5), 0), fill(space, ("wild", 2.5), 0)
    assert only_blend(mild).ingredients[1].settings["weight"] == (1.0,) * 4
    assert only_blend(wild).ingredients[1].settings["weight"] == (2.5,) * 4
    assert mild.digest() == fill(space, ("mild", 2.1), 0).digest()  # an inactive gene is silent


def test_a_choice_of_methods_is_a_gene(lint: Lint) -> None:
    lines = "    density = 0.1..1.0 when method is ties\n" + TAKES
    space = space_of(lint, blend_of(lines, method="choice ties | task_arithmetic"))
    assert names(space) == ["method", "density"]
    assert only_blend(fill(space, ("ties", 0.5), 0)).ingredients[0].settings["density"][0] == 0.5
    other = only_blend(fill(space, ("task_arithmetic", 0.5), 0))
    assert other.method == "task_arithmetic" and "density" not in other.ingredients[0].settings


def test_flags_and_defaults(lint: Lint) -> None:
    space = space_of(lint, blend_of("    normalize = flag\n" + TAKES, method="ties"))
    assert [(g.name, g.kind) for g in space.genes] == [("normalize", "flag")]
    blend = only_blend(fill(space, (False,), 0))
    assert blend.settings == {
        "scale": (1.0,) * 4,
        "normalize": (False,) * 4,
        "compat": ("paper",) * 4,
    }
    assert blend.ingredients[0].settings == {"weight": (1.0,) * 4, "density": (0.5,) * 4}


def test_units_are_shared_out_and_later_lines_win(lint: Lint) -> None:
    blend = "  language.layers by linear {\n    take eyes.language\n    take tongue\n  }\n"
    text = merge_recipe(blend + "  keep language.layers[3] from tongue\n")
    candidate = filled(space_of(lint, text))
    assert only_blend(candidate).units == tuple(f"language.layers.{n}" for n in range(3))
    assert candidate.keeps[0].units == (
        "vision.embed", "vision.layers.0", "vision.layers.1", "vision.norm", "projector",
        "language.embed", "language.norm", "language.head",
    )  # fmt: skip
    assert candidate.keeps[1].units == ("language.layers.3",)
    assert list(candidate.models) == ["eyes", "tongue"]


def test_what_is_implied_yields_to_what_is_named(lint: Lint) -> None:
    blend = "  language.layers by linear {\n    take tongue\n  }\n"
    keep = "  keep language.norm from tongue\n  keep vision, projector, embed, head from eyes\n"
    candidate = filled(space_of(lint, merge_recipe(blend, keep=keep)))
    assert candidate.keeps[0].units == ("language.norm",)
    assert "language.norm" not in candidate.keeps[1].units


def test_parts_join_their_neighbours_in_groups(lint: Lint) -> None:
    text = blend_of(
        "    each { weight = 0.0..1.0 per 2 layers }\n    take tongue\n", parts="language"
    )
    space = space_of(lint, text.replace("embed, head ", "").replace("projector,", "projector"))
    assert names(space) == ["tongue.weight[0..1]", "tongue.weight[2..3]"]
    blend = only_blend(fill(space, (0.25, 0.75), 0))
    weights = dict(zip(blend.units, blend.ingredients[0].settings["weight"], strict=True))
    assert weights["language.embed"] == 0.25
    assert weights["language.norm"] == weights["language.head"] == 0.75


def test_per_part_and_per_layer(lint: Lint) -> None:
    text = blend_of("    weight = 0.0..1.0 per part\n    take tongue\n", parts="language")
    text = text.replace("projector, embed, head", "projector")
    assert names(space_of(lint, text)) == ["weight[embed]", "weight[layers]", "weight[head]"]
    text = blend_of("    weight = 0.0..1.0 per layer\n    take tongue\n")
    assert names(space_of(lint, text)) == [f"weight[{n}]" for n in range(4)]


def test_ambiguous_names_are_told_apart(lint: Lint) -> None:
    one = "  language.layers[{}] by linear {{\n    take tongue {{ weight = 0.0..1.0 }}\n  }}\n"
    space = space_of(lint, merge_recipe(one.format("0..1") + one.format("2..3")))
    assert names(space) == ["language.layers.tongue.weight", "language.layers.tongue.weight#2"]


def test_masks_have_a_seed(lint: Lint) -> None:
    lines = "    each { weight = 0.0..1.0 }\n" + TAKES
    derived = space_of(lint, blend_of(lines, method="dare_ties"))
    one, again, other = (only_blend(fill(derived, (0.1, x), 3)).seed for x in (0.2, 0.2, 0.3))
    assert one == again != other and one is not None and 0 <= one < 2**32
    assert only_blend(fill(derived, (0.1, 0.2), 4)).seed != one
    given = space_of(lint, blend_of(lines, method="dare_ties(seed = 7)"))
    assert only_blend(fill(given, (0.1, 0.2), 3)).seed == 7
    none = space_of(lint, blend_of(lines, method="ties"))
    assert only_blend(fill(none, (0.1, 0.2), 3)).seed is None


def test_points_and_values(lint: Lint) -> None:
    space = space_of(lint, blend_of("    each { weight = 0.0..2.0 start 0.5 }\n" + TAKES))
    assert start(space) == (0.5, 0.5)
    assert decode(space, encode(space, (0.1, 1.9))) == (0.1, 1.9)
    with pytest.raises(ValueError, match="no gene"):
        values_by_name(space, {"eyes.wieght": 1.0})
    assert models_of(space.recipe, "student") == ("base", "eyes", "tongue")


def test_what_cannot_be_compiled_says_why(lint: Lint) -> None:
    recipe = recipe_of(lint, blend_of(TAKES))
    with pytest.raises(SpaceError, match="no merge `teacher`"):
        compile_space(recipe, "teacher")
    text = merge_recipe("  language.layers by linear {\n    take far\n  }\n", keep="")
    text = text.replace(HEAD, HEAD + 'model far from "hf:no/body"\n')
    text = text.replace("  language.layers", "  keep embed, head from far\n  language.layers")
    with pytest.raises(SpaceError, match="how many language layers"):
        compile_space(recipe_of(lint, text), "student")
