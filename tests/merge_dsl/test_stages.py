"""What a merge makes can be taken from, and its search ends before the next one begins."""

from pathlib import Path

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.load import load_source
from merge_dsl.space.compile import compile_space
from merge_dsl.space.estimate import estimate
from merge_dsl.space.fill import fill, models_of
from merge_dsl.space.resolve import SpaceError
from merge_dsl.space.sequence import searched_before, settled
from merge_dsl.space.space import start
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import HEAD, KEEP, TAIL, TASK, Lint, merge_recipe

SECOND = """merge child {
  keep vision, projector, embed, head from student
  language.layers by linear {
    take student.language { weight = 0.0..1.0 per 2 layers }
    take tongue
  }
}
search child {
  maximize rouge_l on dev
  by = cma_es
  budget = 100 trials
  seed = 2
}
report child { rouge_l on held }
"""
FIRST = TAIL.partition("report")[0]
BOTH = merge_recipe(TASK, tail=FIRST) + SECOND


def notes(lint: Lint, text: str) -> list[str]:
    return [f"{d.code} {d.severity}" for d in lint(text).diagnostics]


def test_a_merge_of_a_merge_is_read_checked_and_compiled(lint: Lint) -> None:
    loaded = lint(BOTH)
    recipe = loaded.recipe
    assert recipe is not None and not loaded.diagnostics
    space = compile_space(recipe, "child")
    assert [gene.name for gene in space.genes] == ["student.weight[0..1]", "student.weight[2..3]"]
    candidate = fill(space, start(space), 0)
    assert {name: str(place) for name, place in candidate.models.items()}["student"] == (
        "stage:student"
    )
    assert models_of(recipe, "child") == ("base", "eyes", "tongue")
    facts = recipe.stages["student"].facts
    assert facts is not None and (facts.layers, facts.vision_layers, facts.sees) == (4, 2, True)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("take student.language", "take studnet.language", "N101"),
        ("take student.language", "take child.language", "N102"),
        ("take student.language", "take student.vision", "K207"),
        ("take student.language", "take student.ears", "N101"),
        ("language.layers by linear", "language.layers[0..4] by linear", "M402"),
        ("take tongue\n  }\n}\nsearch child", "take wide\n  }\n}\nsearch child", "M401"),
        ("take tongue\n  }\n}\nsearch child", "take deep\n  }\n}\nsearch child", "M401"),
        ("take tongue\n  }\n}\nsearch child", "take far\n  }\n}\nsearch child", "M408"),
        (FIRST, "", "X312"),
    ],
)
def test_a_stage_is_judged_as_a_model_is(lint: Lint, old: str, new: str, code: str) -> None:
    head = "".join(f'model {name} from "file:{name}"\n' for name in ("wide", "deep", "far"))
    text = BOTH.replace("data dev", f"{head}data dev", 1)
    assert old in text
    assert code in {d.code for d in lint(text.replace(old, new, 1)).diagnostics}


def test_a_part_that_a_stage_does_not_have(lint: Lint) -> None:
    blind = "merge words { keep language from tongue }\n"
    text = f"{HEAD}{blind}merge m {{\n  keep vision, projector, language from words\n}}\n"
    assert notes(lint, text).count("M412 error") == 2


def test_stages_of_stages_keep_their_height(lint: Lint) -> None:
    head = HEAD + 'model deep from "file:deep"\n'
    text = (
        f"{head}merge one {{ keep language from deep }}\nmerge two {{ keep language from one }}\n"
        "merge three { keep language from two }\n"
        "route road {\n  begin three\n  path three.layers -> three.layers[5]\n  end three\n}\n"
        "merge four { keep language from road }\n"
    )
    loaded = lint(text)
    assert loaded.recipe is not None, loaded.diagnostics
    heights = {n: s.facts.layers if s.facts else 0 for n, s in loaded.recipe.stages.items()}
    assert heights == {"one": 6, "two": 6, "three": 6, "road": 7}
    assert compile_space(loaded.recipe, "four").frame.layout.counts == {"language": 7}


def test_a_stage_of_unknown_models_is_no_error(lint: Lint) -> None:
    text = (
        'recipe a\nmodel m from "hf:nobody/nothing"\nmerge one { keep language from m }\n'
        "merge two { keep language from one }\n"
    )
    recipe = lint(text).recipe
    assert recipe is not None
    with pytest.raises(SpaceError):
        compile_space(recipe, "two")


def test_circles_end(lint: Lint) -> None:
    text = f"{HEAD}merge a {{ keep language from b }}\nmerge b {{ keep language from a }}\n"
    assert "N102 error" in notes(lint, text)
    text = f"{HEAD}merge a {{ keep language from a }}\n"
    assert "N102 error" in notes(lint, text)


SHARED = BOTH.replace("merge student", "let share = 0.0..1.0 per 2 layers\nmerge student").replace(
    "weight = 0.0..1.0 per 2 layers }", "weight = share }"
).replace("weight = 0.0..1.0 }", "weight = share }")  # fmt: skip


def test_the_first_winner_is_fixed_before_the_second_search_begins(lint: Lint) -> None:
    loaded = lint(SHARED)
    recipe = loaded.recipe
    assert recipe is not None, loaded.diagnostics
    assert searched_before(recipe, "child") == ("student",)
    assert searched_before(recipe, "student") == ()
    assert len(compile_space(recipe, "student").genes) == 2
    source, later = settled(loaded.source, recipe, "child", {"student": (0.25, 0.75)})
    assert "let share = [0.25, 0.75] per 2 layers" in source.text
    space = compile_space(later, "child")
    assert space.genes == ()
    weights = fill(space, (), 0).blends[0].ingredients[0].settings["weight"]
    assert weights == (0.25, 0.25, 0.75, 0.75)


def test_show_spells_both_out(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = world / "both.merge"
    path.write_text(BOTH, encoding="utf-8")
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "language.norm" in shown.partition("merge child")[2]


def test_a_let_of_other_groups_cannot_follow(lint: Lint) -> None:
    text = SHARED.replace("language.layers by linear", "language.layers[0..1] by linear").replace(
        "embed, head from student", "embed, head, language.layers[2..3] from student"
    )
    loaded = lint(text)
    assert loaded.recipe is not None
    with pytest.raises(SpaceError, match="nothing can follow `search student`"):
        settled(loaded.source, loaded.recipe, "child")


def test_plan_and_freeze_go_in_order(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world / "sequence.merge"
    path.write_text(SHARED, encoding="utf-8")
    assert main(["plan", str(path)]) == 0
    assert "child, 0 dimensions" in capsys.readouterr().out
    path.write_text(BOTH, encoding="utf-8")
    assert main(["plan", str(path)]) == 0
    assert "child, 2 dimensions" in capsys.readouterr().out
    assert main(["freeze", "--start", str(path)]) == 0
    text = capsys.readouterr().out
    recipe = load_source(Source(str(path), text)).recipe
    assert recipe is not None
    assert [compile_space(recipe, name).genes for name in recipe.merges] == [(), ()]
    assert main(["merge", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "student has 1 hole to fill" in capsys.readouterr().err


def test_a_stage_counts_once_in_memory(lint: Lint) -> None:
    recipe = lint(BOTH).recipe
    assert recipe is not None
    facts = {name: model.facts for name, model in recipe.models.items()}
    eyes, tongue = facts["eyes"], facts["tongue"]
    assert eyes and tongue and eyes.parameters and tongue.parameters
    held = eyes.parameters * 2 + tongue.parameters  # the fixed student, tongue, and the candidate
    assert estimate(recipe, "child", 2).memory_bytes == 4 * held


def test_kin_of_a_stage(lint: Lint) -> None:
    text = (
        'recipe a\nmodel m from "hf:mistralai/Mistral-7B-v0.1"\n'
        'model l from "hf:llava-hf/llava-v1.6-mistral-7b-hf"\n'
        'model s from "hf:augmxnt/shisa-gamma-7b-v1"\n'
        "merge one {\n  keep embed, head from s\n"
        "  language.layers by linear { take s; take l.language }\n}\n"
        "merge two {\n  keep embed, head from s\n"
        "  language.layers by task_arithmetic { base m; take one }\n}\n"
    )
    assert "M404 warning" not in notes(lint, text)
    strange = text.replace("hf:augmxnt/shisa-gamma-7b-v1", "hf:meta-llama/Llama-2-7b-hf")
    found = [d for d in lint(strange).diagnostics if d.code == "M404"]
    assert any(strange[d.span.start : d.span.end] == "one" for d in found), found
    assert KEEP
