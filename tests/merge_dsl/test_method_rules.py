"""What the rules ask of a signature: words, bases, counts of ingredients, normalised weights."""

from pathlib import Path

import pytest

from tests.merge_dsl.conftest import HEAD, TASK, Lint, merge_recipe, write_llm
from tests.merge_dsl.test_new_rules import LINEAR, swap
from tests.merge_dsl.test_rules_and_world import averaged, codes

TIED = merge_recipe(TASK).replace("by task_arithmetic", "by ties")

CASES = {
    "K201 soup": HEAD
    + 'model delta from "file:tongue" { kind = difference }\n'
    + merge_recipe(TASK, head="")
    .replace("by task_arithmetic", "by soup")
    .replace("    base base\n", "")
    .replace("take tongue", "take ⟦delta⟧"),
    "K202 end": swap("    base base\n", "", merge_recipe(TASK)).replace(
        "task_arithmetic", "⟦slerp⟧"
    ),
    "K205 word": TIED.replace("    take tongue", "    compat = ⟦mergkit⟧\n    take tongue"),
    "K205 number for a word": TIED.replace("    take tongue", "    compat = ⟦3⟧\n    take tongue"),
    "K205 sum of words": TIED.replace(
        "    take tongue", "    compat = ⟦paper + mergekit⟧\n    take tongue"
    ),
    "K205 choice of words": TIED.replace(
        "    take tongue", "    compat = ⟦choice paper | mergkit⟧\n    take tongue"
    ),
    "K205 word of one ingredient": TIED.replace(
        "take tongue", "take tongue { ⟦compat⟧ = paper }"
    ),
    "K206 soup": swap("by task_arithmetic", "by soup", merge_recipe(TASK)).replace(
        "base base", "base ⟦base⟧"
    ),
    "K209 one": merge_recipe(TASK).replace("task_arithmetic", "⟦wise_ft⟧"),
    "K209 two": merge_recipe(TASK).replace("task_arithmetic", "⟦nuslerp⟧")
    .replace("    take tongue\n", ""),
    "X308 word": TIED.replace("by ties", "by choice ties | task_arithmetic")
    .replace("    take tongue", "    ⟦compat = choice paper | mergekit⟧\n    take tongue"),
    "X309 soup": LINEAR.replace("by linear", "by soup")
    .replace("take tongue", "take tongue { ⟦weight = 0.0..1.0⟧ }"),
    "X309 nuslerp": LINEAR.replace("by linear", "by nuslerp")
    .replace("take tongue", "take tongue { ⟦weight = 0.0..1.0⟧ }"),
    "X309 della": TIED.replace("by ties", "by della")
    .replace("take tongue", "take tongue { ⟦weight = 0.0..1.0⟧ }"),
    "K204 della among others": TIED.replace("by ties", "by choice ties | della").replace(
        "    take tongue", "    density = ⟦0.9⟧\n    take tongue"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_at_its_place(name: str, lint: Lint) -> None:
    marked = CASES[name]
    start, end = marked.index("⟦"), marked.index("⟧") - 1
    found = lint(marked.replace("⟦", "").replace("⟧", "")).diagnostics
    places = {(d.code, d.span.start, d.span.end) for d in found}
    assert (name.split()[0], start, end) in places, found


QUIET = {
    "X309 task arithmetic": merge_recipe(TASK).replace(
        "take tongue", "take tongue { weight = 0.0..1.0 }"
    ),
    "N101 a word": TIED.replace("    take tongue", "    compat = mergekit\n    take tongue"),
    "N101 a misspelt word": TIED.replace(
        "    take tongue", "    compat = mergkit\n    take tongue"
    ),
    "K205 a word": TIED.replace("    take tongue", "    compat = mergekit\n    take tongue"),
    "K205 a word in quotes": TIED.replace(
        "    take tongue", '    compat = "mergekit"\n    take tongue'
    ),
    "K205 words in a let": TIED.replace(
        "merge student", "let whose = choice paper | mergekit\nmerge student"
    ).replace("    take tongue", "    compat = whose\n    take tongue"),
    "K206 optional": swap("by task_arithmetic", "by nuslerp", merge_recipe(TASK)),
    "K202 optional": swap("by task_arithmetic", "by nuslerp", merge_recipe(TASK)).replace(
        "    base base\n", ""
    ),
    "K204 della keeps all": merge_recipe(
        "  language.layers by della {\n    base base\n    density = 1.0\n    take tongue\n  }\n"
    ),
    "K204 an epsilon of another kind": merge_recipe(
        "  language.layers by ram {\n    base base\n    epsilon = 0.7\n    take tongue\n  }\n"
    ),
    "K204 a density of others": TIED.replace("by ties", "by choice ties | della").replace(
        "    take tongue", "    density = 0.9 when method is ties\n    take tongue"
    ),
}


@pytest.mark.parametrize("name", QUIET)
def test_a_rule_is_quiet(name: str, lint: Lint) -> None:
    assert name.split()[0] not in {d.code for d in lint(QUIET[name]).diagnostics}


def test_two_ends_need_an_ancestor_and_neither_is_one(tmp_path: Path) -> None:
    """The base of slerp is one of two models: the other need not come from it, only from its family."""
    for name in ("a", "b"):
        write_llm(tmp_path / name, model_type="mistral")
        card = "---\nbase_model: mistralai/Mistral-7B-v0.1\n---\n"
        (tmp_path / name / "README.md").write_text(card)
    text = averaged("slerp", "a").replace("    take a { weight = 1.0 }\n", "")
    text = text.replace("{ weight = 0.5 }", "")
    assert "M404" not in codes(tmp_path, text)
    (tmp_path / "b" / "README.md").write_text("---\nbase_model: Qwen/Qwen2.5-7B\n---\n")
    assert codes(tmp_path, text)["M404"].message.endswith("have no common ancestor")
