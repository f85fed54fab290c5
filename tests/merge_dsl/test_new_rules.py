"""Rules that say what a night on a GPU would: each at its place, and quiet where all is well.

The pages of these rules are examples that fire and examples that do not; the first half of this file
runs them. The second half has the cases that a page has no room for.
"""

import ast
import json
import math
import re
import struct
from pathlib import Path

import pytest

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_recipe
from merge_dsl.rules.all import run_rules
from merge_dsl.rules.checked import Checked
from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.space import start
from merge_dsl.text.codes import CODES
from merge_dsl.text.diagnostics import Diagnostic
from tests.merge_dsl.conftest import (
    HEAD,
    KEEP,
    TAIL,
    TASK,
    Lint,
    merge_recipe,
)

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "rules"
NEW = (
    "K201", "K210", "K211",
    "X307", "X308", "X309", "X310", "X312",
    "M404", "M413", "M414", "M415", "M416",
    "V502", "V503", "V504", "V505", "V506", "V507", "V508", "V509", "V510", "V511", "V512",
    "R601", "R602", "R603", "R604", "R605", "R606", "R607", "R608", "R609", "R610",
    "D702", "D703", "D704", "D705", "D708", "D709",
    "L801", "L802", "L803",
    "C901", "C902",
    "F902",
)  # fmt: skip
BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SIZES = {"F32": 4}


def blocks(code: str) -> list[tuple[str, str]]:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    return [(match["info"], match["body"]) for match in BLOCK.finditer(text)]


def checkpoint(tensors: dict[str, dict[str, list[int]]]) -> bytes:
    header, at = {}, 0
    for name, entry in tensors.items():
        size = 4 * math.prod(entry["shape"])
        header[name] = {**entry, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def write_files(code: str, folder: Path) -> None:
    for info, body in blocks(code):
        language, _, name = info.partition(" file=")
        if not name:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if language == "safetensors":
            path.write_bytes(checkpoint(json.loads(body)))
        elif language == "bytes":
            path.write_bytes(ast.literal_eval(f"b'''{body.rstrip()}'''"))
        else:
            path.write_text(body, encoding="utf-8")


def depth_of(code: str) -> Depth:
    meta = (PAGES / f"{code}.md").read_text(encoding="utf-8").split("\n")[2]
    return Depth(meta.partition("depth: ")[2] or "facts")


def found_in(path: Path, depth: Depth = Depth.FACTS) -> list[Diagnostic]:
    """Every finding, as deep as asked. What `--deep` adds needs a recipe that is sound otherwise."""
    loaded = load_recipe(path)
    if loaded.recipe is None:
        return list(loaded.diagnostics)
    return list(run_rules(Checked(loaded.source, loaded.recipe, depth)))


EXAMPLES = [
    pytest.param(code, kind, number, id=f"{code}-{kind}-{number}")
    for code in NEW
    for kind in ("fires", "clean")
    for number in range(sum(info == f"merge {kind}" for info, _ in blocks(code)))
]


@pytest.mark.parametrize(("code", "kind", "number"), EXAMPLES)
def test_an_example_does_what_it_says(code: str, kind: str, number: int, tmp_path: Path) -> None:
    write_files(code, tmp_path)
    texts = [body for info, body in blocks(code) if info == f"merge {kind}"]
    path = tmp_path / "example.merge"
    path.write_text(texts[number], encoding="utf-8")
    found = found_in(path, depth_of(code))
    if kind == "fires":
        assert code in {d.code for d in found}
    else:
        assert not [d for d in found if d.code == code or d.severity == "error"]


@pytest.mark.parametrize("code", NEW)
def test_a_page_agrees_with_the_codes(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    slug, severity = CODES[code]
    title, _, meta = text.split("\n")[:3]
    assert title == f"# {code} {slug}" and meta.split(" · ")[0] == severity
    kinds = {info for info, _ in blocks(code)}
    assert {"merge fires", "merge clean"} <= kinds
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:3] == ["Why", "Fires", "Clean"]
    assert max(map(len, text.splitlines())) <= 110


# ---- each at its place ------------------------------------------------------

TAKES = "    take eyes.language { weight = 0.0..1.0 }\n    take tongue\n"
LINEAR = merge_recipe("  language.layers by linear {\n" + TAKES + "  }\n")
ROAD = HEAD + "route road {\n  begin base\n  path base.layers\n  end base\n}\n"
FLAG = "base.layers[0..2] -> maybe base.layers[3]"


def swap(old: str, new: str, text: str) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def searched(road: str, engine: str) -> str:
    return road + TAIL.replace("student", "road").replace("cma_es(sigma = 0.2)", engine)


CASES = {
    "K201 base": HEAD
    + 'model delta from "file:tongue" { kind = difference }\n'
    + swap("base base", "base ⟦delta⟧", merge_recipe(TASK, head="")),
    "K204 della": merge_recipe(
        "  language.layers by della {\n    base base\n    epsilon = 0.2\n"
        "    density = ⟦0.1..0.9⟧\n    take tongue\n  }\n"
    ),
    "K204 della above": merge_recipe(
        "  language.layers by della_linear {\n    base base\n"
        "    take tongue { density = ⟦0.9⟧ }\n  }\n"
    ),
    "K204 fewer than never": swap("base.layers\n", "base.layers x ⟦int -1..2⟧\n", ROAD),
    "K205 x": swap("base.layers\n", "base.layers x ⟦1.0..2.0⟧\n", ROAD),
    "K205 require": swap("  end", "  require layers <= ⟦24GiB⟧\n  end", ROAD),
    "K205 constants": swap("  end", "  ⟦require 3 <= 4⟧\n  end", ROAD),
    "K205 per": swap("path base.layers", "pool base.layers\n  walk = flag ⟦per part⟧", ROAD),
    "K205 walk": swap("path base.layers", "pool base.layers\n  walk = ⟦0.5⟧", ROAD),
    "K205 repeat": swap("path base.layers", "pool base.layers\n  repeat = ⟦int 1..3⟧", ROAD),
    "K208 slots": swap(
        "path base.layers", "pool base.layers\n  walk = ⟦[true, false]⟧ per slot", ROAD
    ),
    "K210": merge_recipe(TASK).replace("maximize rouge_l on dev", "minimize ⟦rouge_l on dev⟧"),
    "N101 require": swap("  end", "  require ⟦layrs⟧ <= 3\n  end", ROAD),
    "N101 merge has no layers": swap(KEEP, KEEP + "  require ⟦layers⟧ <= 3\n", merge_recipe(TASK)),
    "N101 scale": swap("base.layers\n", "base.layers scale ⟦loud⟧\n", ROAD),
    "X303 x": swap("base.layers\n", "base.layers x ⟦1..3⟧\n", ROAD),
    "X301 scale": swap("base.layers\n", "base.layers scale ⟦1.2..0.8⟧\n", ROAD),
    "X306 road": searched(swap("base.layers\n", f"{FLAG}\n", ROAD), "random")
    .replace("1000 trials", "2 trials")
    .replace("search road", "search ⟦road⟧"),
    "X307 method": swap(
        "by task_arithmetic", "by choice ties | linear | task_arithmetic", merge_recipe(TASK)
    ).replace("cma_es(", "⟦cma_es⟧("),
    "X308": merge_recipe(TASK)
    .replace("by task_arithmetic", "by choice ties | task_arithmetic")
    .replace("    take tongue", "    ⟦density = 0.1..1.0⟧\n    take tongue"),
    "X309 alone": LINEAR.replace("    take tongue\n", "")
    .replace("weight = 0.0..1.0", "⟦weight = 0.0..1.0⟧"),
    "X310 base": swap("base base", "base ⟦tongue⟧\n    base base", merge_recipe(TASK)),
    "X310 setting": swap(
        "weight = 0.0..1.0", "⟦weight = 0.5⟧; weight = 0.0..1.0", merge_recipe(TASK)
    ),
    "M401 between lines": HEAD
    + 'model wide from "file:wide"\nmerge student {\n  keep vision, projector, embed, head from eyes\n'
    "  keep language.layers from ⟦wide⟧\n}\n",
    "M405 between lines": HEAD
    + 'model wordy from "file:wordy"\nmerge student {\n  keep language.layers, embed from base\n'
    "  keep head from ⟦wordy⟧\n}\n",
    "M402 of a merge": merge_recipe(TASK)
    + "route r {\n  begin student\n  path student.layers[⟦2..4⟧]\n  end student\n}\n",
    "N108 tower": HEAD + 'model tower from ⟦"open_clip:ViT-L-14"⟧\n',
    "R601": swap("base.layers\n", "base.layers x ⟦int 0..2⟧\n", ROAD),
    "R602": swap("base.layers\n", "base.layers[0..1] -> ⟦base.layers[2] x 0⟧\n", ROAD),
    "R603": swap(
        "base.layers\n", "base.layers x int 1..4\n  ⟦require layers > 12⟧\n", ROAD
    ),
    "R604": swap("base.layers\n", "base.layers x 2\n", ROAD).replace("road", "⟦road⟧"),
    "R608 end": swap("  end base\n", "", ROAD).replace("road", "⟦road⟧"),
    "R608 stacks": swap(
        "path base.layers\n", "path ⟦eyes.vision.layers⟧ -> base.layers\n", ROAD
    ),
    "D704": swap('"file:tongue"', '"file:tongue" { trained_on = ["held"] }', merge_recipe(TASK))
    .replace("rouge_l on held", "⟦rouge_l on held⟧"),
    "D705": swap("rows = 0..9", "rows = 0..7", merge_recipe(TASK))
    .replace("maximize rouge_l on dev", "maximize ⟦rouge_l on dev⟧"),
    "D708": merge_recipe(TASK).replace("maximize rouge_l on dev", "maximize ⟦cider on dev⟧"),
    "F902": HEAD + "let ⟦jp_⟧ = 0.5\n",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_at_its_place(name: str, lint: Lint) -> None:
    marked = CASES[name]
    start, end = marked.index("⟦"), marked.index("⟧") - 1
    found = lint(marked.replace("⟦", "").replace("⟧", "")).diagnostics
    assert (name.split()[0], start, end) in {(d.code, d.span.start, d.span.end) for d in found}, (
        found
    )


QUIET = {
    "X309 one is fixed": LINEAR.replace("take tongue", "take tongue { weight = 1.0 }"),
    "X309 shares": LINEAR.replace("merge student", "let s = 0.2..0.8\nmerge student")
    .replace("0.0..1.0", "s")
    .replace("take tongue", "take tongue { weight = 1 - s }"),
    "X310 half": swap(
        "weight = 0.0..1.0", "weight = 0.0..1.0; weight = 0.5 at layers[0..1]", merge_recipe(TASK)
    ),
    "X310 sometimes": swap(
        "by task_arithmetic", "by choice ties | task_arithmetic", merge_recipe(TASK)
    ).replace("weight = 0.0..1.0", "weight = 0.5; weight = 1.0 when method is ties"),
    "X307 two": swap(
        "by task_arithmetic", "by choice ties | task_arithmetic", merge_recipe(TASK)
    ),
    "X307 pool": searched(
        swap("path base.layers", "pool base.layers\n  walk = flag per slot\n  require layers >= 1",
             ROAD), "cma_es"
    ),
    "X307 numbers": merge_recipe(TASK).replace("0.0..1.0", "0.0..1.0 step 0.1"),
    "X308 with its clause": merge_recipe(TASK)
    .replace("by task_arithmetic", "by choice ties | task_arithmetic")
    .replace("    take tongue", "    density = 0.1..1.0 when method is ties\n    take tongue"),
    "K204 della fits": merge_recipe(
        "  language.layers by della {\n    base base\n    epsilon = 0.1\n"
        "    density = 0.2..0.8\n    take tongue\n  }\n"
    ),
    "K210 a weighted sum": merge_recipe(TASK).replace(
        "rouge_l on dev\n", "rouge_l on dev + 0.5 * cider on dev\n"
    ),
    "R601 required": swap(
        "base.layers\n", "base.layers x int 0..2\n  require layers >= 1\n", ROAD
    ),
    "R603 half": swap("base.layers\n", "base.layers x int 1..4\n  require layers > 8\n", ROAD),
    "R604 once": ROAD,
    "V507 no picture is looked at": ROAD,
}  # fmt: skip


@pytest.mark.parametrize("name", QUIET)
def test_a_rule_is_quiet(name: str, lint: Lint) -> None:
    assert name.split()[0] not in {d.code for d in lint(QUIET[name]).diagnostics}


def test_the_fix_of_an_ignored_setting_changes_no_candidate(lint: Lint) -> None:
    text = CASES["X308"].replace("⟦", "").replace("⟧", "")
    loaded = lint(text)
    (found,) = [d for d in loaded.diagnostics if d.code == "X308"]
    assert loaded.recipe is not None and found.fix is not None and found.fix.safe
    span = found.fix.span
    mended = lint(text[: span.start] + found.fix.text + text[span.end :])
    assert mended.recipe is not None and "X308" not in {d.code for d in mended.diagnostics}
    old, new = (compile_space(r, "student") for r in (loaded.recipe, mended.recipe))
    assert old.genes == new.genes
    values = start(old)
    assert fill(old, values, 0) == fill(new, values, 0)


# ---- what stands in files ---------------------------------------------------
