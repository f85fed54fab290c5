"""What hands write that are used to other languages: one finding, at its place, with the way it is written."""

import pytest

from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import TASK, merge_recipe

TEXT = f'{merge_recipe(TASK)}write student to "out/student"\n'
HOLE = "weight = 0.0..1.0"


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        (HOLE, "weight = 0.2.1.0", "write `0.2..1.0`"),
        (HOLE, "weight = 0.2...1.0", "write `0.2..1.0`"),
        (HOLE, "weight = 0.0…1.0", "write `0.0..1.0`"),
        ("rows = 0..9", "rows = 0 to 9", "write `0..9`"),
        ("language.layers by", "language.layers[0:7] by", "write `0..7`"),
        ("language.layers by", "language.layers[0-7] by", "write `0..7`"),
        (HOLE, f"{HOLE} per 4 layers start 0.5", "write `0.0..1.0 start 0.5 per 4 layers`"),
        (HOLE, "weight = 0.5 start 0.5", "write a range, or remove `start 0.5`"),
        ('"out/student"', "“out/my”", 'write `"out/my"`'),
        ('"out/student"', "'out/my'", 'write `"out/my"`'),
        ('"out/student"', "“out/my", 'write `"…"`'),
        ("recipe test", "recipe My-Ties", "write `my_ties`"),
        ("recipe test", "recipe my-ties", "write `my_ties`"),
        ("model base", "model Qwen2.5-VL", "write `qwen2_5_vl`"),
        ("model base", "model 7b", "write `m_7b`"),
        ("recipe test", "recipe 合わせ", "write it in the letters a to z"),
        ("take tongue", "take MyTongue", "write `my_tongue`"),
        ("recipe test\n", "// hi\nrecipe test\n", "write `# hi`"),
        ("recipe test\n", "/* hi */\nrecipe test\n", "write `# hi`"),
        ("model base", "-- hi\nmodel base", "write `# hi`"),
        ("take tongue\n", "take tongue // it speaks\n", "write `# it speaks`"),
        ("    take tongue\n", "    scale = 0.5 // a half\n", "write `# a half`"),
    ],
)
def test_the_way_out_is_what_was_meant(old: str, new: str, help: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    first, *_ = parse(Source("x.merge", text)).diagnostics
    assert first.help == help
    assert text.count("\n", 0, first.span.start) == text.count("\n", 0, text.index(new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HOLE, "weight = 0.2...1.0"),
        (HOLE, "weight = 0.0…1.0"),
        (HOLE, f"{HOLE} per 4 layers start 0.5"),
        ('"out/student"', "“out/my”"),
        ("recipe test", "recipe My-Ties"),
        ("recipe test\n", "// hi\nrecipe test\n"),
    ],
)
def test_the_fix_mends(old: str, new: str) -> None:
    text = TEXT.replace(old, new, 1)
    (found,) = parse(Source("x.merge", text)).diagnostics
    assert found.fix is not None and not found.fix.safe
    span = found.fix.span
    mended = text[: span.start] + found.fix.text + text[span.end :]
    assert parse(Source("x.merge", mended)).diagnostics == ()


@pytest.mark.parametrize(
    "text",
    [
        "models:\n  - model: a\n  - model: b\nmerge_method: linear\ndtype: bfloat16\n",
        "# a comment\n---\nslices:\n  - sources:\n      - model: a\n        layer_range: [0, 8]\n",
        "dtype: float16\nbase_model: a\nmodels:\n- model: b\n",
        "genome:\n  models: [a, b]\n",
    ],
)
def test_a_mergekit_configuration_is_one_finding(text: str) -> None:
    (found,) = parse(Source("merge.yml", text)).diagnostics
    assert "mergekit configuration" in found.message
    assert found.help == "`awase import merge.yml -o recipe.merge` turns it into a recipe"


@pytest.mark.parametrize("text", ["recipe a\nmodels: 3\n", "name: x\nversion: 3\n"])
def test_a_colon_alone_is_no_mergekit_configuration(text: str) -> None:
    assert all("mergekit" not in d.message for d in parse(Source("x", text)).diagnostics)
