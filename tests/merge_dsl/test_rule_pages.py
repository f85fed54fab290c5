"""The pages of the rules: each code has one, and its examples do what they say."""

import ast
import json
import math
import re
import struct
from pathlib import Path

import pytest

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_recipe
from merge_dsl.text.codes import CODES
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.tools.rule_list import listing
from merge_dsl.tools.rule_pages import PLACES, Block, Page, PageError, parse_page, read_page

PAGES = PLACES[1]
SIZES = {"F32": 4, "BF16": 2, "F16": 2, "I64": 8, "U8": 1}


def content(block: Block) -> bytes:
    if block.language == "bytes":
        escaped = block.text.rstrip("\n")
        return bytes(ast.literal_eval(f"b'''{escaped}'''"))
    if block.language == "safetensors":
        return checkpoint(json.loads(block.text))
    return block.text.encode()


def checkpoint(tensors: dict[str, dict[str, object]]) -> bytes:
    """A safetensors file of zeros with these tensors."""
    header, at = {}, 0
    for name, entry in tensors.items():
        size = math.prod(entry["shape"]) * SIZES[str(entry["dtype"])]  # type: ignore[arg-type]
        header[name] = {**entry, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def findings(page: Page, block: Block, folder: Path) -> list[Diagnostic]:
    """What lint says of an example."""
    for other in page.blocks:
        if other.kind == "file":
            path = folder / other.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(other))
    if block.language == "path":
        path = folder / block.text.strip()
    else:
        path = folder / "example.merge"
        path.write_bytes(content(block))
    return list(load_recipe(path, depth=Depth(page.depth), form=True).diagnostics)


def examples(kind: str) -> list[object]:
    found = []
    for path in sorted(PAGES.glob("[A-Z][0-9][0-9][0-9].md")):
        page = parse_page(path.read_text(encoding="utf-8"))
        blocks = [block for block in page.blocks if block.kind == kind]
        found += [
            pytest.param(page, block, id=f"{page.code}-{number}")
            for number, block in enumerate(blocks, 1)
        ]
    return found


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_page_agrees_with_the_codes(code: str) -> None:
    page = read_page(code)
    assert (page.code, page.slug, page.severity) == (code, *CODES[code])
    kinds = [block.kind for block in page.blocks]
    assert "fires" in kinds and "clean" in kinds
    headings = re.findall(r"^## (.*)$", page.text, re.MULTILINE)
    assert headings[:3] == ["Why", "Fires", "Clean"] and set(headings[3:]) <= {"Fix", "Allow"}
    assert max(map(len, page.text.splitlines())) <= 110


@pytest.mark.parametrize(("page", "block"), examples("fires"))
def test_a_firing_example_fires(page: Page, block: Block, tmp_path: Path) -> None:
    found = [d for d in findings(page, block, tmp_path) if d.code == page.code]
    assert found, f"{page.code} does not appear"
    fixes = [d.fix for d in found if d.fix is not None]
    if page.fix == "none":
        assert not fixes
    assert all(fix.safe for fix in fixes) or page.fix == "unsafe"


@pytest.mark.parametrize(("page", "block"), examples("clean"))
def test_a_clean_example_does_not(page: Page, block: Block, tmp_path: Path) -> None:
    found = findings(page, block, tmp_path)
    # An error would hide what comes after it, so there is none of any code.
    assert [d for d in found if d.code == page.code or d.severity == "error"] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_fix_that_a_page_promises_is_shown(code: str, tmp_path: Path) -> None:
    page = read_page(code)
    if page.fix != "none":
        blocks = [block for block in page.blocks if block.kind == "fires"]
        found = [d for block in blocks for d in findings(page, block, tmp_path)]
        assert any(d.fix is not None for d in found if d.code == code)


def test_the_list_is_up_to_date() -> None:
    # Write it anew with `python -m merge_dsl.tools.rule_list`.
    assert (PAGES / "README.md").read_text(encoding="utf-8") == listing()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# X301\n\nerror · fix: safe\n\nAbout.\n",
        "# X301 backwards-range\n\nerror · fix: maybe\n\nAbout.\n",
        "# X301 backwards-range\n\nerror · fix: safe · mood: good\n\nAbout.\n",
        "# X301 backwards-range\n\nerror · fix: safe\n\nAbout.\n\n```merge fries\n```\n",
    ],
)
def test_a_page_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(PageError):
        parse_page(text)
