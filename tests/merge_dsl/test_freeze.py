"""freeze: the frozen text has no genes, means the same candidate, and keeps every comment and line."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.freeze import freeze
from merge_dsl.space.genes import decode
from tests.merge_dsl.conftest import HEAD, KEEP, TAIL, Lint, merge_recipe

WHOLE = settings(
    derandomize=True,
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RANGES = st.sampled_from(
    [
        "0.0..1.0", "-0.5..1.5 start 0.25", "log 0.001..1.0", "log 0.01..2.0 start 0.1", "int 0..3",
        "0.0..1.0 step 0.1", "int 1..9 step 2 start 3", "choice 0.25 | 0.5 | 1", "0.123..0.456",
    ]
)  # fmt: skip
SHARES = st.sampled_from(
    ["0.1..1.0", "log 0.05..1.0 start 0.5", "choice 0.5 | 1.0", "0.2..0.8 step 0.2"]
)
PER = st.sampled_from(["", " per 2 layers", " per 3 layers", " per layer", " per part"])
AT = st.sampled_from(
    ["", " at layers[0..1]", " at layers[1, 3]", " at embed", " at language.layers"]
)
WHEN = st.sampled_from(
    [
        "", "", " when mode is mild", " when mode is wild | mild", " when method is ties | dare_ties",
        " when mode is mild when method is linear",
    ]
)  # fmt: skip
METHOD = st.sampled_from(
    [
        "ties", "dare_ties", "dare_ties(seed = 7)", "choice ties | dare_ties",
        "choice linear | dare_ties(seed = 3) | task_arithmetic",
    ]
)  # fmt: skip
ONE_LINE = st.booleans()
NOTE = st.sampled_from(["", "  # said why"])


@st.composite
def line(draw: st.DrawFn) -> str:
    """One line of settings."""
    name = draw(st.sampled_from(["weight", "weight", "density"]))
    value = draw(SHARES if name == "density" else RANGES)
    if draw(st.integers(0, 4)) == 0 and name == "weight":
        value = draw(st.sampled_from(["share", "1 - share", "2 * share * 0.5", "0.75"]))
    return f"{name} = {value}{draw(PER)}{draw(AT)}{draw(WHEN)}"


@st.composite
def recipes(draw: st.DrawFn) -> str:
    """A recipe that uses most of what a merge can say."""
    lines: st.SearchStrategy[list[str]] = st.lists(line(), max_size=3)
    blend = [f"{text}{draw(NOTE)}" for text in draw(lines)]
    each = draw(lines)
    if each:
        inside = "\n".join(f"      {text}{draw(NOTE)}" for text in each)
        blend.append(draw(st.sampled_from([f"each {{\n{inside}\n    }}"])))
    if draw(ONE_LINE):
        blend.append(draw(st.sampled_from(["scale = 0.5..2.0 per 2 layers", "normalize = flag"])))
    takes = ["take eyes.language", "take tongue"]
    for number in range(2):
        own = draw(lines)
        if draw(ONE_LINE) and own:
            takes[number] += f" {{ {'; '.join(own)} }}"
        elif own or draw(st.integers(0, 5)) == 0:
            inside = "".join(f"      {text}{draw(NOTE)}\n" for text in own)
            takes[number] += f" {{\n{inside}    }}"
        takes[number] += draw(NOTE)
    blend += takes
    random.Random(draw(st.integers(0, 99))).shuffle(blend)
    body = "".join(f"    {text}\n" for text in ["base base", *blend])
    method = draw(METHOD)
    head = HEAD + "let mode = choice mild | wild  # how\n"
    head += f"let share = 0.2..0.8 start 0.5{draw(PER)}\n"
    keep = KEEP.replace("embed, head", "language.head")
    text = f"  language.embed, language.layers by {method} {{\n{body}  }}\n"
    text += draw(st.sampled_from(["", "  keep language.layers[2] from eyes\n"]))
    return merge_recipe(text, head=head, keep=keep)


@WHOLE
@given(recipes(), st.integers(0, 2**31), st.integers(0, 99))
def test_a_frozen_recipe_is_the_same_candidate(
    lint: Lint, text: str, draw_seed: int, seed: int
) -> None:
    loaded = lint(text)
    assert loaded.recipe is not None, (text, loaded.diagnostics)
    space = compile_space(loaded.recipe, "student")
    draw = random.Random(draw_seed)
    values = tuple(decode(gene, draw.random()) for gene in space.genes)
    candidate = fill(space, values, seed)

    frozen = freeze(loaded.source, space, values, seed)
    again = lint(frozen)
    assert again.recipe is not None, (frozen, again.diagnostics)
    frozen_space = compile_space(again.recipe, "student")
    assert frozen_space.genes == (), frozen
    known = {d.code for d in loaded.diagnostics}
    assert {d.code for d in again.diagnostics} <= known | {"X305"}, (frozen, again.diagnostics)
    assert fill(frozen_space, (), seed + 1) == candidate, frozen
    assert fill(frozen_space, (), seed + 1).digest() == candidate.digest()
    assert frozen.count("#") >= text.count("# how")
    assert freeze(again.source, frozen_space, (), seed) == frozen


CHOICE = """  language.layers by choice linear | ties {
    base base  # the ancestor
    each {
      density = 0.1..1.0 when method is ties
    }
    weight = 0.0..1.0 when method is linear | ties
    take eyes.language { density = 0.5 when method is ties }
    take tongue
  }
"""


@pytest.mark.parametrize("drawn", ["linear", "ties"])
def test_what_the_other_methods_need_goes(lint: Lint, drawn: str) -> None:
    loaded = lint(merge_recipe(CHOICE))
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    values = [drawn, *(gene.start for gene in space.genes[1:])]
    text = freeze(loaded.source, space, values, 0)
    assert "when" not in text and f"by {drawn} {{" in text and "# the ancestor" in text
    assert ("base base" in text) == (drawn == "ties") == ("density" in text)
    assert ("model base" in text) == (drawn == "ties")
    again = lint(text)
    assert again.recipe is not None
    assert fill(compile_space(again.recipe, "student"), (), 1) == fill(space, values, 0)


@pytest.mark.parametrize("drawn", ["dare_ties", "dare_linear", "linear"])
def test_each_method_of_a_choice_has_its_seed(lint: Lint, drawn: str) -> None:
    methods = "choice dare_ties(seed = 3) | dare_linear | linear"
    loaded = lint(merge_recipe(CHOICE.replace("choice linear | ties", methods)))
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    values = [drawn, *(gene.start for gene in space.genes[1:])]
    seed = fill(space, values, 9).blends[0].seed
    assert (seed == 3) == (drawn == "dare_ties") and (seed is None) == (drawn == "linear")
    text = freeze(loaded.source, space, values, 9)
    assert f"by {drawn}{'' if seed is None else f'(seed = {seed})'} {{" in text


COVERED = """  language.layers by choice ties | dare_ties {
    base base
    scale = 0.5..1.0
    scale = 0.9 when method is ties
    each {
      weight = 0.0..1.0 per layer
      density = 0.1..1.0
      density = 0.5 at layers[0..3] when method is ties | dare_ties
    }
    take eyes.language { weight = 0.5 }
    take tongue { weight = 0.5 at layers[0] }
  }
"""


@pytest.mark.parametrize("drawn", ["ties", "dare_ties"])
def test_what_freezing_covers_goes_too(lint: Lint, drawn: str) -> None:
    loaded = lint(merge_recipe(COVERED))
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    values = [drawn, *(gene.start for gene in space.genes[1:])]
    again = lint(freeze(loaded.source, space, values, 0))
    assert [d.code for d in again.diagnostics] == ["X305"] and again.recipe is not None
    assert fill(compile_space(again.recipe, "student"), (), 1) == fill(space, values, 0)
    assert ("scale = 0.9\n" in again.source.text) == (drawn == "ties")


def frozen_start(lint: Lint, text: str) -> str:
    loaded = lint(text)
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    return freeze(loaded.source, space, tuple(gene.start for gene in space.genes), 0)


COMMENTED = """  # before
  language.layers by dare_ties {  # the method
    base base
    each {
      weight = 0.0..1.0 start 0.5 per 2 layers
    }
    take eyes.language  # sees
    take tongue { weight = 0.25 at layers[0] }  # speaks
  }
"""


def test_only_holes_change(lint: Lint) -> None:
    text = frozen_start(lint, merge_recipe(COMMENTED)).split("merge student {\n")[1]
    lines = text.splitlines()
    assert lines[1] == "  # before"
    assert lines[2].startswith("  language.layers by dare_ties(seed = ")
    assert lines[2].endswith(") {  # the method")
    assert lines[3:11] == [
        "    base base",
        "    take eyes.language {",
        "      weight = [0.5, 0.5] per 2 layers",
        "    }  # sees",
        "    take tongue { weight = [0.5, 0.5] per 2 layers; weight = 0.25 at layers[0] }  # speaks",
        "  }",
        "}",
        "search student {",
    ]


@pytest.mark.parametrize("hole", ["0.0..1.0", "choice 0.5 | 1.0", "log 0.1..1.0 start 0.2"])
def test_a_hole_becomes_its_value(lint: Lint, hole: str) -> None:
    text = merge_recipe(
        f"  language.layers by linear {{\n    take tongue {{ weight = {hole} }}\n  }}\n"
    )
    value = {"0": "0.5", "c": "0.5", "l": "0.2"}[hole[0]]
    assert f"take tongue {{ weight = {value} }}" in frozen_start(lint, text)


def test_a_comment_inside_each_stays(lint: Lint) -> None:
    blend = COMMENTED.replace("per 2 layers\n", "per 2 layers  # freely\n")
    text = frozen_start(lint, merge_recipe(blend))
    assert text.count("# freely") == 1 and lint(text).recipe is not None


def test_one_line_blends(lint: Lint) -> None:
    blend = "  language.layers by ties { base base; each { weight = 0.0..1.0 }; take eyes; take tongue }\n"
    text = frozen_start(lint, merge_recipe(blend))
    assert "take eyes { weight = 0.5 }; take tongue { weight = 0.5 } }" in text
    assert TAIL in text and lint(text).recipe is not None


@pytest.mark.parametrize("written", ["choice paper | mergekit", "whose", '"mergekit"', "mergekit"])
def test_a_setting_can_be_a_word(lint: Lint, written: str) -> None:
    """As a choice, through a `let`, in quotes or bare; per layer too."""
    blend = (
        "  language.layers by ties {\n    base base\n    compat = paper\n"
        f"    compat = {written} at layers[2..3]\n    take eyes.language\n    take tongue\n  }}\n"
    )
    loaded = lint(merge_recipe(blend, HEAD + "let whose = choice paper | mergekit\n"))
    assert loaded.recipe is not None, loaded.diagnostics
    space = compile_space(loaded.recipe, "student")
    values = [gene.options[1] for gene in space.genes]
    candidate = fill(space, values, 0)
    assert candidate.blends[0].settings["compat"] == ("paper",) * 2 + ("mergekit",) * 2
    again = lint(freeze(loaded.source, space, values, 0))
    assert again.recipe is not None, again.diagnostics
    assert fill(compile_space(again.recipe, "student"), (), 0) == candidate
