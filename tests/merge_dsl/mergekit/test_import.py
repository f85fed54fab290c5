"""What `awase import` makes of single things."""

from pathlib import Path

import pytest

from merge_dsl.meaning.methods import METHODS
from merge_dsl.tools.mergekit.schema import METHODS as SCHEMA
from tests.merge_dsl.mergekit.conftest import Command

HEAD = "merge_method: ties\nbase_model: o/base\n"


def imported(awase: Command, text: str | bytes) -> tuple[int, str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    Path("m.yml").write_bytes(data)
    return awase("import", "m.yml")


def test_half_open_ranges_become_closed(awase: Command) -> None:
    text = (
        "merge_method: passthrough\nslices:\n"
        "  - sources: [{model: o/a, layer_range: [0, 24]}]\n"
        "  - sources: [{model: o/b, layer_range: [8, 32]}]\n"
    )
    code, recipe, _ = imported(awase, text)
    assert code == 0
    assert "path a.layers[0..23]\n    -> b.layers[8..31]" in recipe


def test_a_slice_without_layers_only_gives_the_ends(awase: Command) -> None:
    text = (
        "merge_method: passthrough\nslices:\n"
        "  - sources: [{model: o/a, layer_range: [0, 0]}]\n"
        "  - sources: [{model: o/b, layer_range: [0, 2]}]\n"
        "  - sources: [{model: o/c, layer_range: [0, 0]}]\n"
    )
    code, recipe, _ = imported(awase, text)
    assert code == 0
    assert "begin a\n  path b.layers[0..1]\n  end c" in recipe


def test_density_of_mergekit_is_written_out(awase: Command) -> None:
    """mergekit keeps everything where nothing is said; awase keeps a half."""
    _, recipe, _ = imported(awase, HEAD + "models: [{model: o/a, parameters: {weight: 1}}]\n")
    assert "density = 1.0" in recipe


def test_a_gradient_ends_where_mergekit_ends_it(awase: Command) -> None:
    """Norm and head stand at depth 0 in mergekit, and at the end in a recipe."""
    models = "models: [{model: o/a, parameters: {weight: [0.2, 0.8]}}]\n"
    _, recipe, _ = imported(awase, HEAD + models)
    assert "weight = curve(0.2, 0.8)\n      weight = 0.2 at head" in recipe


@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        ("[{filter: embed_tokens, value: 0}, {value: 1}]", ["1.0", "0.0 at embed"]),
        (
            "[{filter: lm_head, value: 0}, {value: 1}]",
            ["1.0", "0.0 at head", "1.0 at language.norm"],
        ),
        (
            "[{filter: lm_head, value: 0}, {filter: model.norm, value: 0}, {value: 1}]",
            ["1.0", "0.0 at head"],
        ),
        (
            "[{filter: layers.2., value: 0}, {filter: layers.3., value: 0}, {value: 1}]",
            ["1.0", "0.0 at layers[2..3]"],
        ),
        ("[{value: 1}, {filter: lm_head, value: 0}]", ["1.0"]),  # the first that fits decides
        (
            "[{filter: self_attn, value: [0, 1]}, {filter: mlp, value: 0.5}, {value: 1}]",
            ["1.0", "curve(0.0, 1.0) at layers.attention", "0.5 at layers.mlp"],
        ),
        (
            "[{filter: layers.2., value: 0}, {filter: mlp, value: 0.5}, {value: 1}]",
            ["1.0", "0.5 at layers.mlp", "0.0 at layers[2]"],
        ),
        ("[{filter: layers, value: 1}, {filter: mlp, value: 0}, {value: 1}]", ["1.0"]),
        ("1e-3", ["0.001"]),  # a text in YAML, and a number to mergekit
        ("[0.5]", ["0.5"]),
    ],
)
def test_filters(filters: str, lines: list[str], awase: Command) -> None:
    models = f"models: [{{model: o/a, parameters: {{weight: {filters}, density: 1}}}}]\n"
    code, recipe, err = imported(awase, HEAD + models)
    assert code == 0, err
    found = [s.split("weight = ")[1].rstrip(" }") for s in recipe.splitlines() if "weight" in s]
    assert found == lines


def test_a_layer_behind_a_kind_of_tensors_is_named(awase: Command) -> None:
    """In mergekit the first filter that fits decides; in a recipe a single layer goes before."""
    filters = "[{filter: mlp, value: 0.5}, {filter: layers.2., value: 0}, {value: 1}]"
    models = f"models: [{{model: o/a, parameters: {{weight: {filters}, density: 1}}}}]\n"
    code, recipe, err = imported(awase, HEAD + models)
    assert code == 1 and "a filter for one layer behind one for a kind of tensors" in err
    assert "0.5 at layers.mlp" in recipe and "layers[2]" not in recipe


@pytest.mark.parametrize("word", ["q_proj", "layernorm", "input_layernorm", "norm"])
def test_filters_that_awase_has_no_word_for(word: str, awase: Command) -> None:
    filters = f"[{{filter: {word}, value: 0.5}}, {{value: 1}}]"
    models = f"models: [{{model: o/a, parameters: {{weight: {filters}}}}}]\n"
    code, _, err = imported(awase, HEAD + models)
    assert code == 1 and f"the filter `{word}`: awase has no word for these tensors alone" in err


def test_outer_parameters_reach_what_no_filter_of_a_model_fits(awase: Command) -> None:
    models = (
        "models: [{model: o/a, parameters: {weight: [{filter: embed_tokens, value: 0}]}}]\n"
        "parameters: {weight: 0.7}\n"
    )
    _, recipe, _ = imported(awase, HEAD + models)
    assert "weight = 0.7\n      weight = 0.0 at embed" in recipe


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("parameters: {densty: 0.2}", "m.yml:4:14: not carried: parameters.densty"),
        ("parameters: {densty: 0.2}", "did you mean `density`?"),
        ("paramters: {density: 0.2}", "did you mean `parameters`?"),
        ("dtype: float8", "awase writes no `float8`"),
        ("tokenizer_source: o/a", "the result has the tokenizer of the model that comes first"),
        ("tokenizer: {source: base, tokens: {a: {source: o/a}}}", "tokenizer.tokens"),
        ("chat_template: auto", "chat_template"),
        ("parameters: {t: 0.2}", "ties ignores `t`"),
        ("parameters: {rescale: true}", "`ties` of awase has no such setting"),
        ("parameters: {lambda: .inf}", "`.inf` is no number"),
        ("parameters: {lambda: {a: b}}", "a `filter` and a `value` belong here"),
        ("parameters: {normalize: maybe}", "neither true nor false"),
        ("models: []", "written again further down"),
    ],
)
def test_what_is_not_carried_is_named(line: str, said: str, awase: Command) -> None:
    models = "models: [{model: o/a, parameters: {weight: 1}}]\n"
    text = HEAD + models + line + "\n" if "models" not in line else HEAD + line + "\n" + models
    code, recipe, err = imported(awase, text)
    assert code == 1
    assert said in err
    assert "# Not carried over:" in recipe


def test_what_changes_nothing_is_only_noted(awase: Command) -> None:
    models = "models: [{model: o/a, parameters: {weight: 1}}]\nparameters: {int8_mask: true}\n"
    code, recipe, err = imported(awase, HEAD + models)
    assert code == 0
    assert "m.yml:4:14: note: parameters.int8_mask" in err
    assert "Not carried" not in recipe


def test_every_method_of_mergekit_is_one_of_awase() -> None:
    assert set(SCHEMA) <= set(METHODS)


def test_a_blend_computes_as_mergekit_does(awase: Command) -> None:
    """Where a paper and mergekit differ, the recipe says which of them it means."""
    text = "merge_method: slerp\nbase_model: o/b\nmodels: [{model: o/a}]\nparameters: {t: 0.1}\n"
    code, recipe, err = imported(awase, text)
    assert (code, err) == (0, "")
    assert "    base b\n    compat = mergekit\n    t = 0.1\n" in recipe
    _, recipe, _ = imported(awase, text.replace("slerp", "nearswap"))
    assert "by nearswap {" in recipe and "compat" not in recipe


def test_settings_of_other_names_are_renamed(awase: Command) -> None:
    text = (
        "merge_method: nuslerp\nmodels:\n  - {model: o/a, parameters: {weight: 1}}\n"
        "  - {model: o/b, parameters: {weight: 3}}\n"
        "parameters: {nuslerp_flatten: false, nuslerp_row_wise: true}\n"
    )
    code, recipe, _ = imported(awase, text)
    assert code == 0 and "flatten = false\n    row_wise = true" in recipe
    Path("n.merge").write_text(recipe)
    code, exported, _ = awase("export", "n.merge")
    assert code == 0 and "nuslerp_flatten: false" in exported


def test_an_unknown_method_is_kept_and_named(awase: Command) -> None:
    text = "merge_method: dare-ties\nbase_model: o/b\nmodels: [{model: o/a}]\n"
    code, _, err = imported(awase, text)
    assert code == 1
    assert "did you mean `dare_ties`?" in err


def test_merge_keys_and_aliases(awase: Command) -> None:
    text = (
        HEAD + "models:\n  - {model: o/a, parameters: &p {weight: 0.3, density: 0.9}}\n"
        "  - {model: o/b, parameters: {<<: *p, weight: 0.4}}\n  - {model: o/c, parameters: *p}\n"
    )
    code, recipe, err = imported(awase, text)
    assert code == 0, err
    assert recipe.count("density = 0.9") == 3
    assert recipe.count("weight = 0.3") == 2


def test_local_paths_are_told_from_where_the_recipe_lies(awase: Command) -> None:
    Path("m.yml").write_text(
        "merge_method: linear\nmodels: [{model: ./a, parameters: {weight: 1}}]\n"
    )
    Path("sub").mkdir()
    awase("import", "m.yml", "-o", "sub/m.merge")
    assert 'from "file:../a"' in Path("sub/m.merge").read_text()
    code, exported, _ = awase("export", "sub/m.merge")
    assert code == 0
    assert "model: ./a\n" in exported


def test_negative_weights_and_filters_of_a_genome(awase: Command) -> None:
    text = (
        "genome: {models: [o/a, o/b], merge_method: linear, allow_negative_weights: true,\n"
        "         filters: [embed_tokens, mlp], smooth: true}\n"
        "tasks: [{name: t, metric: 'acc_norm,none'}]\nnum_fewshot: 5\n"
    )
    code, recipe, err = imported(awase, text)
    assert code == 1
    assert "weight = -1.0..1.0 start 0.5\n" in recipe
    assert "weight = -1.0..1.0 start 0.5 at embed\n" in recipe
    for word in ("filters[1]", "genome.smooth", "tasks[0].metric", "num_fewshot"):
        assert word in err


def test_stages_come_in_the_order_in_which_they_are_needed(awase: Command) -> None:
    one = "models: [{model: %s, parameters: {weight: 1}}]\nmerge_method: linear\n"
    text = f"{one % 'b'}---\nname: b\n{one % 'c'}---\nname: c\n{one % 'o/d'}"
    code, recipe, _ = imported(awase, text)
    assert code == 0
    assert recipe.index("merge c {") < recipe.index("merge b {") < recipe.index("merge merged {")
    code, _, err = imported(awase, f"{one % 'b'}---\nname: b\n{one % 'b'}")
    assert code == 2
    assert "wait for each other" in err


def test_all_tokens_are_asked_for(awase: Command) -> None:
    """In the blends that make embed and head, and back; what is kept from one model has its tokens."""
    for name in ("linear_union", "slices_union", "evolve_union"):
        code, recipe, err = awase("import", Path(__file__).with_name(f"{name}.yml"))
        assert code == 0, err
        blends = recipe.split("language" if name != "slices_union" else "language.layers")[1:]
        assert ["vocabulary = union" in b for b in blends] == [True, False, True][: len(blends)]
        Path("m.merge").write_text(recipe, encoding="utf-8")
        code, exported, err = awase("export", "m.merge")
        assert code == 0 and "tokenizer_source: union" in exported, err
    text = "merge_method: passthrough\nmodels: [{model: o/a}]\ntokenizer_source: union\n"
    code, recipe, err = imported(awase, text)
    assert code == 0 and "vocabulary" not in recipe and err == ""
