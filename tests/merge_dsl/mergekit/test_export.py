"""What `awase export` makes of recipes that were written as recipes."""

from pathlib import Path

import pytest
import yaml

from tests.merge_dsl.mergekit.conftest import Command

RECIPES = Path(__file__).parents[3] / "recipes"
HEAD = """recipe r
model a from "hf:o/a"
model b from "hf:o/b"
model c from "hf:o/c"
"""


def exported(awase: Command, text: str) -> tuple[int, list[dict], str]:
    Path("r.merge").write_text(HEAD + text)
    code, out, err = awase("export", "r.merge")
    return code, [*yaml.safe_load_all(out)], err


def test_defaults_that_differ_are_written_out(awase: Command) -> None:
    text = "merge merged { language by ties { base c; compat = mergekit; take a } }\n"
    code, (document,), _ = exported(awase, text)
    assert code == 0
    assert document["parameters"] == {"weight": 1.0, "density": 0.5}


def test_groups_become_slices(awase: Command) -> None:
    text = """merge merged {
  language by task_arithmetic {
    base c
    take a { weight = [0.1, 0.2] per 4 layers }
    take b { weight = curve(0.0, 0.7); weight = 0.5 at embed }
  }
}
"""
    code, (document,), err = exported(awase, text)
    assert code == 0, err
    ranges = [[s["layer_range"] for s in piece["sources"]] for piece in document["slices"]]
    assert ranges == [[[0, 4]] * 3, [[4, 8]] * 3]
    second = [piece["sources"][2]["parameters"]["weight"] for piece in document["slices"]]
    assert second[0][0] == {"filter": "embed_tokens", "value": 0.5}
    assert second[0][-1]["value"] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert second[1][-1]["value"] == pytest.approx([0.4, 0.5, 0.6, 0.7])
    assert second[1][0] == {"filter": "model.norm", "value": 0.7}  # a recipe's curve ends there
    assert [p["sources"][1]["parameters"]["weight"] for p in document["slices"]] == [0.1, 0.2]


def test_one_value_a_layer_is_a_gradient(awase: Command) -> None:
    text = "merge merged { language by linear { take a { weight = [0.1, 0.2, 0.4] per layer } } }\n"
    code, (document,), _ = exported(awase, text)
    assert code == 0
    weight = document["models"][0]["parameters"]["weight"]
    assert weight[-1] == {"value": [0.1, 0.2, 0.4]}
    assert weight[0] == {"filter": "model.norm", "value": 0.4}


def test_groups_that_do_not_fit_are_refused(awase: Command) -> None:
    text = """merge merged {
  language by linear {
    take a { weight = [0.1, 0.2] per 4 layers }
    take b { weight = [0.1, 0.2, 0.3] per 8 layers }
  }
}
"""
    code, documents, err = exported(awase, text)
    assert (code, documents) == (1, [])
    assert "how many there are" in err


def test_parts_kept_from_the_base_get_no_weight(awase: Command) -> None:
    text = """merge merged {
  keep embed, head from c
  language.layers by task_arithmetic { base c; take a { weight = 0.5 } }
}
"""
    code, (document,), err = exported(awase, text)
    assert code == 0, err
    weight = document["models"][1]["parameters"]["weight"]
    assert {w.get("filter"): w["value"] for w in weight} == {
        "embed_tokens": 0.0,
        "model.norm": 0.0,
        "lm_head": 0.0,
        None: 0.5,
    }


def test_ranges_that_are_kept_are_slices(awase: Command) -> None:
    text = """merge merged {
  keep embed, language.layers[0..15] from a
  keep language.layers[16..31], head from b
}
"""
    code, (document,), err = exported(awase, text)
    assert code == 0, err
    assert document["merge_method"] == "passthrough"
    assert [s["sources"][0]["layer_range"] for s in document["slices"]] == [[0, 16], [16, 32]]


def test_ends_of_a_route_from_elsewhere_are_slices_without_layers(awase: Command) -> None:
    text = "route merged { begin a; path b.layers[2..5] -> b.layers[2..5]; end c }\n"
    code, (document,), _ = exported(awase, text)
    assert code == 0
    sources = [s["sources"][0] for s in document["slices"]]
    assert [s["layer_range"] for s in sources] == [[0, 0], [2, 6], [2, 6], [0, 0]]
    assert [s["model"] for s in sources] == ["o/a", "o/b", "o/b", "o/c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("route m { begin a; path a.layers[0..3] -> maybe b.layers[4]; end a }", "no `maybe`"),
        ("route m { begin a; path a.layers[0..3] scale 0.9; end a }", "no `scale`"),
        ("route m { begin a; path (a.layers[0..3]) x 2; end a }", "no `x`"),
        ("route m { begin a; path a.layers[*]; end a }", "first and the last layer"),
        ("route m { begin a; path a.layers[0]; end a; require layers < 9 }", "no `require`"),
        ("route m { begin a; pool a.layers[*]; repeat = 2; end a }", "searches no route"),
        ("merge m { keep vision from a; language by ties { base c; take b } }", "`vision` is kept"),
        ("merge m { language by ties(seed = 3) { base c; take b } }", "`seed = 3`"),
        ("merge m { language by choice ties | linear { base c; take b } }", "searches no method"),
        (
            "merge m { language.layers[0..3] by ties { base c; take b }\n"
            "language.layers[4..7] by linear { take b } }",
            "has one method",
        ),
        ("merge m { language by soup { take b } }", "no method `soup`"),
        (
            "merge m { language by linear { take b; take a { weight = 0.2 at layers.norms } } }",
            "no filter for `layers.norms`",
        ),
        (
            "merge m { language by linear { take b; take a { weight = 0.2 at layers.mlp[0..3] } } }",
            "some layers and some tensors",
        ),
        (
            "merge m { language by linear { take b; take a {\n"
            "weight = 0.2 at layers[3]\nweight = 0.3 at language.layers.mlp } } }",
            "behind single layers",
        ),
        (
            "merge m { language by linear { take a; take b }\nkeep language.layers.mlp from a }",
            "makes whole layers by one method",
        ),
        ("merge m { language by ties { base c; take b } }", "without `compat = mergekit`"),
        ("merge m { language by slerp { base c; compat = paper; take b } }", "straight line"),
        ("merge m { language by linear { take b { weight = 0.5; size = 4GiB } } }", "no setting"),
        ("merge m { language by linear { take b { weight = 0.5..0.7 } } }", "has its start here"),
        ("merge m { language by linear { take nobody; take a } }", "`nobody` is no model"),
        ('use "x.merge" as y\nmerge m { keep language from a }', "imports no file"),
        (
            'merge m { keep language from a }\nwrite m to "o"\nreport m { rouge_l on d }',
            "no scores",
        ),
        ("merge m { keep language from a }\nmerge n { keep language from a }", "does not need `m`"),
    ],
)
def test_what_mergekit_cannot_say_is_named(text: str, said: str, awase: Command) -> None:
    code, documents, err = exported(awase, text + "\n")
    assert code == 1
    assert said in err
    assert all("merge_method" in document for document in documents)


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.merge")), ids=lambda p: p.stem)
def test_shipped_recipes_are_exported_as_far_as_it_goes(recipe: Path, awase: Command) -> None:
    code, out, err = awase("export", recipe)
    assert code == 1
    assert "not carried" in err
    for document in yaml.safe_load_all(out):
        assert "genome" in document or "merge_method" in document


def test_kinds_of_tensors_become_filters(awase: Command) -> None:
    text = (
        "merge merged { language by linear { take a; take b {\nweight = 0.5\n"
        "weight = curve(0.1, 0.9) at layers.attention\nweight = 0.0 at layers[3] } } }\n"
    )
    code, (document,), err = exported(awase, text)
    assert code == 0, err
    assert document["models"][1]["parameters"]["weight"] == [
        {"filter": "layers.3.", "value": 0.0},
        {"filter": "self_attn", "value": [0.1, 0.9]},
        {"value": 0.5},
    ]


def test_a_text_that_cannot_stand_in_yaml_is_quoted(awase: Command) -> None:
    Path("r.merge").write_text(
        'recipe r\nmodel a from "file:/x: #y@z"\nmerge merged { keep language from a }\n'
    )
    _, out, _ = awase("export", "r.merge")
    document = yaml.safe_load(out)
    assert document["models"] == [{"model": {"model": {"path": "/x: #y@z"}}}]


def test_more_layers_than_memory_holds_are_refused(awase: Command) -> None:
    text = """merge merged {
  language by linear {
    take a { weight = [0.1] per 1000000000 layers }
    take b { weight = curve(0.1, 0.2) }
  }
}
"""
    code, documents, err = exported(awase, text)
    assert (code, documents) == (1, [])
    assert "more than any model has" in err


def test_all_tokens_of_a_blend_of_its_own(awase: Command) -> None:
    """`union` alone is mergekit's, too; `shared` and `whole` are not."""
    text = (
        'recipe r\nmodel a from "hf:o/a"\nmodel b from "hf:o/b"\nmerge m {\n'
        "  language.layers by linear { take a; take b }\n"
        "  embed, head by linear { vocabulary = union; take a; take b }\n}\n"
        'write m to "out"\n'
    )
    Path("r.merge").write_text(text, encoding="utf-8")
    _, exported, err = awase("export", "r.merge")
    assert "tokenizer_source: union" in exported and "no setting `vocabulary`" not in err
    text = text.replace("  language.layers by linear { take a; take b }\n", "")
    text = text.replace("embed, head by", "language by").replace("union", "shared")
    Path("r.merge").write_text(text, encoding="utf-8")
    code, exported, err = awase("export", "r.merge")
    assert code == 1 and "tokenizer_source" not in exported
    assert "`linear` of mergekit has no setting `vocabulary`" in err
