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
from merge_dsl.meaning.load import load_recipe, load_source
from merge_dsl.rules.all import run_rules
from merge_dsl.rules.checked import Checked
from merge_dsl.text.codes import CODES
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "rules"
NEW = (
    "K201", "K210", "K211",
    "X307", "X308", "X309", "X310", "X312",
    "M404", "M413", "M414",
    "V502", "V503", "V504", "V505", "V506", "V507", "V508", "V509", "V510", "V511", "V512",
    "R601", "R602", "R603", "R604", "R605", "R606", "R607", "R608",
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
