"""Each rule fires at its place: ⟦…⟧ marks the span in the text."""

import pytest

from merge_dsl.text.codes import CODES
from tests.merge_dsl.conftest import HEAD, KEEP, TAIL, TASK, Lint, merge_recipe
from tests.merge_dsl.test_new_rules import NEW

BLENDED = merge_recipe(TASK)


def with_line(model: str) -> str:
    """Blend another model instead of `tongue`."""
    return merge_recipe(
        TASK.replace("take tongue", f"take ⟦{model}⟧"),
        head=HEAD + f'model {model} from "file:{model}"\n',
    )


def swap(old: str, new: str, text: str = BLENDED) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


WEIGHT = "weight = 0.0..1.0"
MEASURED = swap("by task_arithmetic", "by fisher").replace("    base base\n", "")
ON_DEV = swap("    take tongue", "    on = dev\n    take tongue", MEASURED)
CASES = {
    "X313": swap("by = cma_es(sigma = 0.2)", "by = ⟦greedy⟧"),
    "K214": swap("by fisher", "by ⟦fisher⟧", MEASURED),
    "K214 one": swap("take tongue", "take tongue { on = dev }", MEASURED).replace(
        "by fisher", "by ⟦fisher⟧"
    ),
    "K205 hole of data": swap("on = dev", "⟦on = choice dev | held⟧", ON_DEV),
    "N101 data": swap("on = dev", "on = ⟦dve⟧", ON_DEV),
    "N101 model as data": swap("on = dev", "on = ⟦eyes⟧", ON_DEV),
    "D701 measured": swap("on = dev", "on = ⟦held⟧", ON_DEV),
    "D703 measured": swap("on = dev", "on = ⟦bench⟧", ON_DEV)
    + 'data bench from "hf:juletxara/mgsm" { subset = "ja"; split = "test" }\n',
    "N101 model": swap("take tongue", "take ⟦tonge⟧"),
    "N101 part": swap("keep vision,", "keep ⟦visoin⟧,"),
    "N101 let": swap("0.0..1.0", "⟦share⟧"),
    "N101 let of a let": "recipe a\nlet x = 1 - ⟦nonsense⟧\n",
    "N101 let of a name": "recipe a\nlet x = ⟦nonsense⟧\n",
    "N101 let of a list": "recipe a\nlet x = [1.0, ⟦nonsense⟧] per 2 layers\n",
    "N101 list": swap("0.0..1.0", "[0.5, ⟦share⟧] per 2 layers"),
    "N101 target": swap("report student", "report ⟦studnet⟧"),
    "N101 wrong thing": swap("rouge_l on dev", "rouge_l on ⟦eyes⟧"),
    "N101 at": swap(WEIGHT, f"{WEIGHT} at ⟦layrs⟧[0..1]"),
    "N101 option": "recipe a\nlet m = choice x | y\n"
    + swap(WEIGHT, f"{WEIGHT} ⟦when m is z⟧").removeprefix("recipe test\n"),
    "N102": swap("take tongue", "take ⟦late⟧") + 'model late from "file:tongue"\n',
    "N103": swap("data dev", 'model ⟦idle⟧ from "file:tongue"\ndata dev'),
    "N104 blend": swap(WEIGHT, "⟦wieght⟧ = 0.0..1.0"),
    "N104 metric": swap("rouge_l on dev", "rouge_l(⟦tokeniser⟧ = char) on dev"),
    "N104 engine": swap("sigma = 0.2", "⟦sgima⟧ = 0.2"),
    "N104 search": swap("seed = 1", "⟦sede⟧ = 1\n  seed = 1"),
    "N104 data": swap("{ rows = 0..9 }", "{ rows = 0..9; ⟦spilt⟧ = dev }"),
    "N104 model": swap('"file:tongue"', '"file:tongue" { ⟦revison⟧ = "x" }'),
    "N104 write": BLENDED + 'write student to "out" { ⟦dytpe⟧ = bf16 }\n',
    "N108 write": BLENDED + '⟦write student to ""⟧\n',
    "K204 objective": swap("maximize rouge_l on dev", "⟦maximize 0 * rouge_l on dev⟧"),
    "K204 term": swap(
        "maximize rouge_l on dev", "maximize rouge_l on dev + ⟦0.0 * exact_match on dev⟧"
    ),
    "N104 option": swap("task_arithmetic {", "choice dare_ties | dare_linear(⟦sed⟧ = 1) {"),
    "N104 seed of an option": swap("task_arithmetic {", "choice dare_ties | ties(⟦seed⟧ = 1) {"),
    "K205 seed of an option": swap("task_arithmetic {", "choice ties | dare_ties(⟦seed = 0.5⟧) {"),
    "K205 twice": swap("task_arithmetic {", "choice dare_ties | ⟦dare_ties⟧(seed = 1) {"),
    "N106 option": swap("task_arithmetic {", "choice ties | ⟦0.5⟧ {"),
    "N104 seed of none": swap("task_arithmetic {", "task_arithmetic(⟦seed⟧ = 1) {"),
    "N105": 'recipe a\nuse ⟦"test.merge"⟧ as b\n',
    "N106": swap("by task_arithmetic", "by ⟦task_arithmetik⟧"),
    "N107": swap("maximize rouge_l", "maximize ⟦rogue_l⟧"),
    "N108 model": swap('"file:tongue"', '⟦"file:tung"⟧'),
    "N108 data": swap('"file:d.jsonl"', '⟦"file:missing.jsonl"⟧'),
    "N108 zoo": swap('"file:tongue"', '⟦"zoo:no-such-model"⟧'),
    "N108 address": swap('"file:tongue"', '⟦"tongue"⟧'),
    "N109": 'recipe a\nuse ⟦"none.merge"⟧ as b\n',
    "N110": swap("data held", "data ⟦dev⟧"),
    "N111": swap("cma_es(sigma = 0.2)", "⟦cmaes⟧"),
    "N112": BLENDED + 'write student to "a"\n⟦write student to "b" { dtype = bf16 }⟧\n',
    "N199": swap("maximize rouge_l", "maximize ⟦bleu⟧"),
    "K202": swap("    base base\n", "").replace("task_arithmetic", "⟦task_arithmetic⟧"),
    "K213": swap("\n}\nsearch student", "\n  ⟦require 1 < 1 - zero⟧\n}\nsearch student").replace(
        "recipe test\n", "recipe test\nlet zero = 0.0\n"
    ),
    "K212": swap("  by = cma_es", "  ⟦maximize cider on dev⟧\n  by = cma_es"),
    "K203": swap("1000 trials", "1000 trials or ⟦4GiB⟧"),
    "K204 constant": swap("by task_arithmetic", "by ties").replace(WEIGHT, "density = ⟦1.5⟧"),
    "K204 range": swap("by task_arithmetic", "by ties").replace(WEIGHT, "density = ⟦0.5..1.5⟧"),
    "K204 engine": swap("sigma = 0.2", "sigma = ⟦3⟧"),
    "K205 flag": swap("by task_arithmetic", "by ties").replace(
        "    take tongue", "    normalize = ⟦3⟧\n    take tongue"
    ),
    "K205 quantity": swap("0.0..1.0", "⟦4GiB⟧"),
    "K205 list": swap("0.0..1.0", "⟦[0.1, 0.2]⟧"),
    "K205 scope": swap(WEIGHT, "⟦scale⟧ = 1.0"),
    "K205 rows": swap("rows = 0..9", "rows = ⟦9..0⟧"),
    "K205 dtype": BLENDED + 'write student to "out" { dtype = ⟦bfloat⟧ }\n',
    "K206": swap("by task_arithmetic", "by linear").replace("base base", "base ⟦base⟧"),
    "K207": swap("take eyes.language", "take ⟦eyes.vision⟧"),
    "K208": swap("0.0..1.0", "⟦[0.1, 0.2, 0.3]⟧ per 2 layers"),
    "K209": merge_recipe("  language.layers by ⟦ties⟧ {\n    base base\n  }\n"),
    "X301": swap("0.0..1.0", "⟦1.0..0.0⟧"),
    "X302": swap("0.0..1.0", "⟦0.0..1.0 start 2.0⟧"),
    "X303": swap("0.0..1.0", "⟦0..1⟧"),
    "X304": swap("0.0..1.0", "log ⟦0.0..1.0⟧"),
    "X305": swap("0.0..1.0", "0.5").replace("search student", "search ⟦student⟧")
    + "merge other {\n  keep language from eyes\n"
    + "  vision, projector by linear { take eyes { weight = 0.0..1.0 } }\n}\n",
    "X305 filled": swap("0.0..1.0", "0.5").replace("search student", "search ⟦student⟧"),
    "X306": swap("1000 trials", "2 trials").replace("search student", "search ⟦student⟧"),
    "X311": swap("0.0..1.0", "⟦0.0..1.0 step 3⟧"),
    "M401 hidden": with_line("wide"),
    "M401 layers": with_line("deep"),
    "M402": swap("language.layers by", "language.layers[⟦0..4⟧] by"),
    "M403": swap("0.0..1.0", "0.0..1.0 ⟦per 3 layers⟧"),
    "M405": with_line("wordy").replace("language.layers by", "language by"),
    "M406": with_line("tied").replace("language.layers by", "language by"),
    "M407": with_line("grouped"),
    "M408": with_line("far"),
    "M409": swap("take tongue", "take ⟦base⟧"),
    "M410": swap('"file:tongue"', '⟦"hf:nobody/nothing"⟧'),
    "M412": swap(
        "projector, embed, head from eyes", "embed, head from eyes\n  keep projector from ⟦tongue⟧"
    ),
    "V501": swap("keep vision, projector,", "keep vision,").replace(
        "merge student", "merge ⟦student⟧"
    ),
    "V501 layers": swap("language.layers by", "language.layers[0..2] by").replace(
        "merge student", "merge ⟦student⟧"
    ),
    "D701 same": swap("rouge_l on dev", "⟦rouge_l on held⟧"),
    "D701 rows": swap("rows = 10..19", "rows = 9..19").replace(
        "rouge_l on dev", "⟦rouge_l on dev⟧"
    ),
    "D706": swap("report student { rouge_l on held }\n", "").replace(
        "search student", "search ⟦student⟧"
    ),
    "D707": swap("{ rows = 0..9 }", "{ rows = 0..9; ⟦subset = ja⟧ }"),
    "C904": swap("  budget = 1000 trials\n", "").replace("search student", "search ⟦student⟧"),
    "F903": swap("  seed = 1\n", "  seed = 1  ⟦# lint: allow C903⟧\n"),
    "F904": swap("  seed = 1\n", "  seed = 1  # lint: allow ⟦C903⟧, it has none\n"),
    "F905": swap("  seed = 1\n", "  seed = 1  # lint: allow ⟦C9O3⟧, it has none\n"),
    "C903": swap("  seed = 1\n", "").replace("search student", "search ⟦student⟧"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_at_its_place(name: str, lint: Lint) -> None:
    marked = CASES[name]
    start, end = marked.index("⟦"), marked.index("⟧") - 1
    loaded = lint(marked.replace("⟦", "").replace("⟧", ""))
    places = {(d.code, d.span.start, d.span.end) for d in loaded.diagnostics}
    assert (name.split()[0], start, end) in places, loaded.diagnostics


def test_a_sound_recipe_has_no_findings(lint: Lint) -> None:
    loaded = lint(BLENDED)
    assert loaded.recipe is not None and loaded.diagnostics == ()


@pytest.mark.parametrize("name", CASES)
def test_severity_decides_whether_there_is_a_recipe(name: str, lint: Lint) -> None:
    loaded = lint(CASES[name].replace("⟦", "").replace("⟧", ""))
    errors = [d for d in loaded.diagnostics if d.severity == "error"]
    assert (loaded.recipe is None) == bool(errors)


def test_nearly_every_code_is_tested() -> None:
    tested = {name.split()[0] for name in CASES}
    elsewhere = {code for code in CODES if code.startswith("S")} | {"M411", "F901"} | set(NEW)
    assert set(CODES) == tested | elsewhere


def test_findings_are_sorted_by_place(lint: Lint) -> None:
    text = swap("take tongue", "take tonge").replace("1000 trials", "4GiB").replace("dev", "dve", 1)
    starts = [d.span.start for d in lint(text).diagnostics]
    assert len(starts) >= 3 and starts == sorted(starts)


def test_an_option_is_no_name(lint: Lint) -> None:
    """What freezing makes of `let mode = choice a | b` must stay a recipe."""
    text = f"recipe test\nlet mode = b\n{BLENDED.removeprefix('recipe test')}"
    assert [d.code for d in lint(text).diagnostics] == ["N101"]
    asked = swap(WEIGHT, f"{WEIGHT} when mode is a | b", text)
    assert lint(asked).diagnostics == ()


def test_a_fix_mends(lint: Lint) -> None:
    text = swap("0.0..1.0", "1.0..0.0")
    (found,) = lint(text).diagnostics
    assert found.fix is not None and found.fix.safe
    span = found.fix.span
    assert lint(text[: span.start] + found.fix.text + text[span.end :]).diagnostics == ()


def test_splits_and_rows_that_are_apart_may_be_searched_and_reported(lint: Lint) -> None:
    head = HEAD.replace("{ rows = 0..9 }", '{ split = "a" }').replace(
        "{ rows = 10..19 }", '{ split = "b" }'
    )
    assert lint(merge_recipe(TASK, head=head)).diagnostics == ()


def test_the_norm_goes_with_the_head_unless_named(lint: Lint) -> None:
    keep = KEEP + "  keep language.norm from eyes\n"
    assert lint(merge_recipe(TASK, keep=keep)).diagnostics == ()
    assert TAIL  # the search of every recipe here


@pytest.mark.parametrize(("case", "severity"), [("X305", "warning"), ("X305 filled", "note")])
def test_a_search_that_is_over_is_no_finding(lint: Lint, case: str, severity: str) -> None:
    text = CASES[case].replace("⟦", "").replace("⟧", "")
    (found,) = [d for d in lint(text).diagnostics if d.code == "X305"]
    assert found.severity == severity
