"""`# lint: allow CODE, why`: what it silences, where, and what is said of one that is wrong."""

import pytest

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_source
from merge_dsl.text.allowances import allowances_of
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import HEAD, TASK, Lint, merge_recipe

IDLE = 'model idle from "file:tongue"'  # N103: nothing takes it


def recipe(line: str) -> str:
    return merge_recipe(TASK, head=f"{HEAD}{line}\n")


def codes(lint: Lint, text: str) -> list[str]:
    return [d.code for d in lint(text).diagnostics]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (IDLE, ["N103"]),
        (f"{IDLE}  # lint: allow N103, for later", []),
        (f"# lint: allow N103, for later\n{IDLE}", []),
        (f"# lint: allow N103, for later\n\n# a model\n{IDLE}", []),
        (f"# lint: allow C903 N103, for later\n{IDLE}", ["F904"]),
        (f"{IDLE}  #lint:allow N103: for later", []),
        (f"{IDLE}  # lint: allow N103", ["F903"]),
        (f"{IDLE}  # lint: allow N103,", ["F903"]),
        (f"{IDLE}  # lint: allow C903, for later", ["N103", "F904"]),
        (f"{IDLE}\n# lint: allow N103, one line too late", ["N103", "F904"]),
        (f"{IDLE}  # lint: allow n103, for later", ["N103", "F905"]),
        (f"{IDLE}  # lint: allow N1O3, for later", ["N103", "F905"]),
        (f"{IDLE}  # lint: allow N103 N999, for later", ["F905"]),
        (f"{IDLE}  # lint: allow", ["N103", "F905"]),
        (f"{IDLE}  # lint: ignore N103, for later", ["N103", "F905"]),
        (f"{IDLE}  # the lint: allow N103, is mentioned", ["N103"]),
        ('model idle from "file:tongue" { licence = "# lint: allow N103, no" }', ["N103"]),
        (f"{IDLE}  # lint: allow F903 N103", ["F904", "F903"]),
    ],
)
def test_an_allowance(lint: Lint, line: str, left: list[str]) -> None:
    assert sorted(codes(lint, recipe(line))) == sorted(left)


def test_an_error_of_the_language_cannot_be_allowed(lint: Lint) -> None:
    text = recipe(IDLE).replace("take tongue", "take tonge  # lint: allow N101, I like it so")
    loaded = lint(text)
    assert loaded.recipe is None
    assert [d.code for d in loaded.diagnostics] == ["N101"]  # after an error nothing is unused


def test_an_allowed_judgement_lets_the_recipe_run(lint: Lint) -> None:
    text = merge_recipe(TASK).replace(
        "rouge_l on dev", "rouge_l on held  # lint: allow D701, a toy"
    )
    loaded = lint(text)
    assert loaded.recipe is not None and loaded.diagnostics == ()
    # and the rules of later stages have run
    assert "X306" in codes(lint, text.replace("1000 trials", "2 trials"))


def test_nothing_is_unused_that_was_not_looked_for(lint: Lint) -> None:
    text = recipe(f"{IDLE}  # lint: allow N103, for later").replace(
        "take tongue", "take tongue  # lint: allow M408, they are near enough"
    )
    assert codes(lint, text) == ["F904"]
    source = lint(text).source
    assert load_source(source, depth=Depth.TEXT).diagnostics == ()


def test_removing_an_unused_one_leaves_no_trace(lint: Lint) -> None:
    for line in ("# lint: allow X301, no\n", "# lint: allow X301, no\r\n"):
        text = recipe(line.rstrip()).replace("\n", line[line.index("no") + 2 :])
        (found,) = lint(text).diagnostics
        assert found.fix is not None
        span = found.fix.span
        mended = text[: span.start] + found.fix.text + text[span.end :]
        assert mended == text.replace(line, "", 1)


def test_a_comment_at_the_end_of_the_file() -> None:
    source = Source("x", "recipe a\n# lint: allow X301, no")
    assert [item.line for item in allowances_of(source).items] == [2]
