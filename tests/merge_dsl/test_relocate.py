"""A recipe that moves means what it meant."""

from pathlib import Path

from merge_dsl.space.relocate import moved, relocate
from merge_dsl.text.format import format_text as layout

TEXT = """# "file:kept/in/comment"
recipe moved
use "common/coco.merge" as coco
model a from "file:models/a"
model b from "zoo:emoji-llm-base"
model c from "file:/abs/c"
data d from "file:../d.jsonl" { rows = 0..3 }
write a to "out/file"
"""


def test_relative_addresses_follow(tmp_path: Path) -> None:
    old, new = tmp_path / "recipes", tmp_path / "runs" / "moved"
    text = relocate(TEXT, old, new)
    assert '"file:../../recipes/models/a"' in text
    assert '"file:../../d.jsonl"' in text
    assert 'use "../../recipes/common/coco.merge" as coco' in text
    for kept in ('# "file:kept/in/comment"', '"zoo:emoji-llm-base"', '"file:/abs/c"', '"out/file"'):
        assert kept in text
    assert relocate(text, new, old) == TEXT


def test_a_text_that_does_not_parse_is_left_alone(tmp_path: Path) -> None:
    assert relocate("recipe", tmp_path, tmp_path / "x") == "recipe"


def test_homes_stay_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "runs").symlink_to(tmp_path / "disk" / "deep")
    text = 'recipe a\nmodel a from "file:~/a"\nmodel b from "file:models/b"\n'
    moved = relocate(text, tmp_path, tmp_path / "runs" / "a")
    assert '"file:~/a"' in moved and '"file:../../models/b"' in moved


def test_a_text_in_the_house_layout_stays_in_it(tmp_path: Path) -> None:
    spread = layout(TEXT.replace('from "zoo', '  from "zoo'))
    for text in (spread, TEXT.replace('from "zoo', '  from "zoo')):
        found = moved(text, tmp_path / "recipes", tmp_path / "runs" / "moved")
        assert '"file:../../recipes/models/a"' in found
        assert (layout(found) == found) == (layout(text) == text)
        assert moved(text, tmp_path, tmp_path) == text
