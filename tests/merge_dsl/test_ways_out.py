"""A finding says what to write instead; and a mistake is said once, where it was made."""

import pytest

from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import TASK, Lint, merge_recipe

TEXT = f'{merge_recipe(TASK)}write student to "out/student" {{ dtype = bf16 }}\n'
HOLE = "weight = 0.0..1.0"


def findings(lint: Lint, *pairs: tuple[str, str]) -> list[tuple[str, str, str | None]]:
    """Code, marked text and help of every finding of the recipe with each `old` replaced."""
    text = TEXT
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    loaded = lint(text)
    return [(d.code, loaded.source.slice(d.span), d.help) for d in loaded.diagnostics]


def test_the_recipe_of_this_page_is_clean(lint: Lint) -> None:
    assert findings(lint) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("dtype = bf16", "dtype = float16", ("K205", "float16", "did you mean `fp16`?")),
        ("dtype = bf16", "dtype = bfloat16", ("K205", "bfloat16", "did you mean `bf16`?")),
        ("dtype = bf16", "dtype = float32", ("K205", "float32", "did you mean `fp32`?")),
        ("1000 trials", "3GiB", ("K203", "3GiB", "write `200 trials` or `2h`")),
        (
            HOLE,
            "weight = 3GiB",
            ("K205", "3GiB", "write a number, a word, or a range such as `0.0..1.0`"),
        ),
        (
            HOLE,
            "weight = curve()",
            ("K205", "curve()", "write `curve(0.2, 0.8)`, or one number alone"),
        ),
        (
            HOLE,
            f"{HOLE} per 99 layers",
            (
                "M403",
                "per 99 layers",
                "leave `per` out for one draw for all layers, or make groups smaller",
            ),
        ),
    ],
)
def test_a_way_out(lint: Lint, old: str, new: str, finding: tuple[str, str, str]) -> None:
    assert findings(lint, (old, new)) == [finding]


@pytest.mark.parametrize("points", ["", "0.5"])
def test_a_curve_of_a_route_has_two_ends(lint: Lint, points: str) -> None:
    head = merge_recipe(TASK).replace("merge student", "merge other").partition("search")[0]
    text = f"{head}route r {{\n  begin tongue\n  pool tongue.layers[*]\n  scale = curve({points})\n"
    codes = [d.code for d in lint(f"{text}  end tongue\n}}\n").diagnostics]
    assert "K205" in codes


def test_a_percentage_is_a_share(lint: Lint) -> None:
    spelled = {}
    for said in ("density = 50%", "density = 0.5"):
        text = TEXT.replace("task_arithmetic {", f"ties {{\n    {said}\n", 1)
        loaded = lint(text)
        assert loaded.recipe is not None and loaded.diagnostics == ()
        (line,) = [line for line in loaded.recipe.merges["student"].lines if hasattr(line, "takes")]
        spelled[said] = [a.value._replace(span=None) for a in line.shared]
    assert spelled["density = 50%"] == spelled["density = 0.5"]
    assert findings(lint, ("sigma = 0.2", "sigma = 20%"), (HOLE, "weight = 10%..50%")) == []


@pytest.mark.parametrize(
    ("pairs", "codes"),
    [
        ([("keep vision,", "keep vison,")], [("N101", "vison")]),
        (
            [("language.layers by", "language.layers.attn by")],
            [("N101", "language.layers.attn")],
        ),
        ([("search student", "search pupil")], [("N101", "pupil")]),
        ([("language.layers by", "language.layers[0..4] by")], [("M402", "0..4")]),
        (
            [("by task_arithmetic", "by choice slerp | ties")],
            [("K209", "slerp")],
        ),
    ],
)
def test_one_mistake_is_said_once(
    lint: Lint, pairs: list[tuple[str, str]], codes: list[tuple[str, str]]
) -> None:
    found = [(code, text) for code, text, _ in findings(lint, *pairs)]
    assert [pair for pair in found if pair[0][0] != "X"] == codes


def test_a_layer_that_is_not_there_is_blamed_on_who_lacks_it(lint: Lint) -> None:
    text = TEXT.replace("take tongue", "take tongue { weight = 0.0 at layers[4] }")
    assert [d.message for d in lint(text).diagnostics] == [
        "`tongue` has layers 0..3; there is no layer 4"
    ]
    text = TEXT.replace("language.layers by", "language.layers[0..4] by")
    assert [d.message for d in lint(text).diagnostics] == [
        "`eyes`, `tongue` and `base` have layers 0..3; there is no layer 4"
    ]


NESTED = """recipe nested
merge student {
  keep vision from eyes
  language.layers by ties {
    base base
    each {
      weight = 0.0..1.0
    }
    take eyes {
      weight = 0.5
    }
    take tongue
  }
  embed by linear {
    take eyes
  }
  keep head from eyes
}
"""


@pytest.mark.parametrize(
    ("line", "opener"), [(8, 6), (11, 9), (13, 4), (16, 14), (18, 2)], ids=lambda value: str(value)
)
def test_a_block_that_is_never_closed_is_said_once(line: int, opener: int) -> None:
    lines = NESTED.splitlines(keepends=True)
    assert lines[line - 1].strip() == "}"
    source = Source("x", "".join(lines[: line - 1] + lines[line:]))
    (found,) = parse(source).diagnostics
    assert (found.code, source.line_column(found.span.start)[0]) == ("S003", opener)


@pytest.mark.parametrize(
    ("hole", "fewer"),
    [
        (HOLE, "let fewer values vary"),
        ("weight = curve(0.0..1.0, 0.0..1.0)", "let fewer values vary"),
        (f"{HOLE} per 2 layers", "widen the groups (`per 8 layers`)"),
    ],
)
def test_too_few_trials_are_mended_by_what_is_there(lint: Lint, hole: str, fewer: str) -> None:
    (found,) = findings(lint, (HOLE, hole), ("1000 trials", "2 trials"))
    assert found[::2] == ("X306", f"raise the budget, or {fewer}")
