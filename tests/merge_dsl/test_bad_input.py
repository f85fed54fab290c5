"""Lint of anything at all: a diagnostic or a refusal, soon, and never a traceback."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning.load import load_recipe
from merge_dsl.text.reading import LIMIT
from tests.merge_dsl.conftest import LANGUAGE

SECONDS = 20  # of processor time; each takes about one
NINES = "9" * 400
FULL = LIMIT - 100
MISTRAL = 'model m from "hf:mistralai/Mistral-7B-v0.1"\n'
BLEND = """merge s {
  keep embed, head from m
  language.layers%s by ties(seed = %s) {
    base m
    take m { weight = 0.0..1.0 per %s layers; density = %s }
  }
}
"""

WHOLE = {
    "binary": random.Random(0).randbytes(100_000),
    "binary ascii": bytes(b % 127 + 1 for b in random.Random(0).randbytes(100_000)),
    "zeros": bytes(1000),
    "a png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "utf-16": "recipe a\n".encode("utf-16"),
    "half a character": "recipe a # 日".encode()[:-1],
    "surrogates": b"recipe a # \xed\xa0\x80",
    "too long a code": b"recipe a # \xf8\x88\x80\x80\x80",
    "nothing": b"",
    "braces": b"{" * FULL,
    "closing braces": b"}" * FULL,
    "braces on lines": b"recipe a\n" + b"{\n" * (FULL // 4),
    "blocks": b"recipe a\n" + b"merge x {\n" * 10_000,
    "quotes": b'recipe a\nlet x = "' + b'"' * FULL,
    "newlines": b"\n" * FULL,
    "semicolons": b"recipe a" + b";" * FULL,
    "errors": b"recipe a\n" + b"let = \n" * 20_000,
    "parentheses": b"recipe a\nlet x = " + b"(" * 10**5 + b"1" + b")" * 10**5 + b"\n",
    "open parentheses": b"recipe a\nlet x = " + b"(" * 10**5 + b"\n",
    "lists": b"recipe a\nlet x = " + b"[" * 10**5 + b"]" * 10**5 + b"\n",
    "a sum": b"recipe a\nlet x = 1" + b" + 1" * 10_000 + b"\n",
    "hops": f'recipe a\n{MISTRAL}route r {{\n  begin m\n  path {"(" * 10**5}m{")" * 10**5}\n}}\n'.encode(),
    "a long path": b"recipe a\nlet x = a" + b".a" * 20_000 + b"\n",
    "allowances": b"recipe a\n# lint: allow" + b" X301" * 50_000 + b"\n",
    "allowances on lines": b"recipe a\n" + b"# lint: allow X301, no\n" * 4_000,
    "lets of lets": b"recipe a\nlet x0 = 1\n"
    + b"".join(b"let x%d = x%d\n" % (i, i - 1) for i in range(1, 2000)),
    "merges of merges": b"recipe a\n" + MISTRAL.encode() + b"merge m0 { keep language from m }\n"
    + b"".join(b"merge m%d { keep language from m%d }\n" % (i, i - 1) for i in range(1, 2000)),
}  # fmt: skip
FINE = {  # odd, and no reason to complain
    "a long name": b"recipe " + b"a" * FULL + b"\n",
    "a long comment": b"recipe a #" + b"#" * FULL,
    "comments": b"recipe a\n" + b"#\n" * 50_000,
    "crlf": b"recipe a\r\nlet x = 1\r\n",
    "no last newline": b"recipe a\nlet x = 1",
}
NUMBERS = {
    "let": f"let x = 1e999\nlet y = 0.0..1e999\nlet z = {NINES}\nlet w = 1..{NINES}\n",
    "step": f"let x = 0.0..1.0 step 1e999 start {NINES}\n",
    "log": "let x = log 1e-400..1e400\n",
    "layers": MISTRAL + BLEND % (f"[0..{NINES}]", 1, 8, 0.5),
    "a seed": MISTRAL + BLEND % ("", NINES, 8, 0.5),
    "groups": MISTRAL + BLEND % ("", 1, NINES, 0.5),
    "no groups": MISTRAL + BLEND % ("", 1, 0, 0.5),
    "sums": MISTRAL + BLEND % ("", 1, 8, "1e308 * 1e308 - 1e308 * 1e308"),
    "a division": MISTRAL + BLEND % ("", 1, 8, "1 / 0"),
    "rows": f'data d from "file:x" {{ rows = 0..{NINES} }}\n',
    "shard": f'write s to "x" {{ shard = {NINES}.0GiB }}\n',
    "budget": f"search s {{\n  budget = {NINES} trials or {NINES}d\n  seed = {NINES}\n}}\n",
    "sigma": "search s {\n  maximize 1e999 * rouge_l on d\n  by = cma_es(sigma = 1e999)\n}\n",
}


def lint(path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """All forms, in time, with places inside the file; returns the findings."""
    start = time.process_time()
    shown = {}
    for form in ("text", "json", "github"):
        assert main(["lint", str(path), "--format", form]) in (0, 1)
        shown[form] = capsys.readouterr().out
    assert time.process_time() - start < SECONDS
    found: list[dict[str, Any]] = json.loads(shown["json"])
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    for entry in found:
        assert 1 <= entry["line"] <= entry["end_line"] <= len(lines)
        assert 1 <= entry["column"] <= len(lines[entry["line"] - 1]) + 1
    return [entry for entry in found if entry["code"] != "F901"]  # layout is another test


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_recipe(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    path.write_bytes(WHOLE[name])
    assert lint(path, capsys) or name in ("lets of lets", "merges of merges", "a long path")


@pytest.mark.parametrize("name", FINE)
def test_a_file_that_is_only_odd(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    path.write_bytes(FINE[name])
    assert lint(path, capsys) == []


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_overflows(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    path.write_text(f"recipe a\n{NUMBERS[name]}")
    assert lint(path, capsys)


def test_a_hundred_megabytes_are_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"{" * 10**6)
    start = time.process_time()
    assert main(["lint", str(path), "--format", "concise"]) == 1
    assert "S013" in capsys.readouterr().out and time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("recipe a\u202eb\n", (1, 9)),
        ('recipe a\nmodel \u202emilk from "hf:a/b"\n', (2, 7)),
        ("recipe a\nlet x\u200b = 1\n", (2, 6)),
        ("recipe a\nlet \u0430bc = 1\n", (2, 5)),  # a Cyrillic a
    ],
)
def test_a_mark_that_cannot_be_seen_is_named(
    text: str, place: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.merge"
    path.write_text(text, encoding="utf-8")
    loaded = load_recipe(path)
    (found,) = loaded.diagnostics
    assert found.code == "S004" and loaded.source.line_column(found.span.start) == place
    hidden = "".join(c for c in found.message if not c.isprintable())
    assert hidden == ""


def test_no_mark_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.merge"
    path.write_text('recipe a\nmodel m from "file:\u202egnp\x1b[31m"\n', encoding="utf-8")
    for form in ("text", "concise", "github"):
        assert main(["lint", str(path), "--format", form]) == 1
        shown = capsys.readouterr().out
        assert "\u202e" not in shown and "\x1b" not in shown


@pytest.mark.parametrize("width", [1, 2])
def test_imports_of_imports(width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(40):
        uses = "".join(f'use "r{number + 1}.merge" as u{i}\n' for i in range(width))
        (tmp_path / f"r{number}.merge").write_text(f"recipe a\n{uses}")
    (tmp_path / "r40.merge").write_text('recipe a\nmodel m from "hf:a/b"\n')
    start = time.process_time()
    codes = [entry["code"] for entry in lint(tmp_path / "r0.merge", capsys)]
    assert time.process_time() - start < SECONDS
    assert codes == ([] if width == 1 else ["N109", "N109"])


def test_a_recipe_that_imports_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "a.merge", tmp_path / "b.merge"
    one.write_text('recipe a\nuse "./b.merge" as b\n')
    other.write_text(f'recipe b\nuse "../{tmp_path.name}/a.merge" as a\n')
    assert [entry["code"] for entry in lint(one, capsys)] == ["N105"]
    assert [entry["code"] for entry in lint(other, capsys)] == ["N105"]


@pytest.mark.parametrize(
    "address", ["/dev/zero", "/dev/null", "/", ".", "~", "a\0b", "x" * 5000, ""]
)
def test_an_import_of_something_else(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.merge"
    path.write_text(f'recipe a\nuse "{address}" as b\nmodel m from "file:{address}"\n')
    assert lint(path, capsys)


LIES: dict[str, object] = {
    "empty": {},
    "a list": [],
    "null": None,
    "words": {key: "many" for key in LANGUAGE},
    "negative": {key: -1 for key in LANGUAGE},
    "nothing of all": {key: 0 for key in LANGUAGE},
    "truth": {key: True for key in LANGUAGE},
    "fractions": {key: 4.5 for key in LANGUAGE},
    "lists": {key: [4] for key in LANGUAGE},
    "tables": {key: {"a": 1} for key in LANGUAGE},
    "many layers": LANGUAGE | {"num_hidden_layers": 10**9},
    "too many layers": LANGUAGE | {"num_hidden_layers": 10**400},
    "a rope of its own": LANGUAGE | {"rope_theta": 10**400},
    "no rope": LANGUAGE | {"rope_theta": float("nan")},
    "infinite rope": LANGUAGE | {"rope_theta": float("inf")},
    "a strange type": LANGUAGE | {"model_type": "llama" * 10**4},
    "parts that are no tables": {"model_type": "llava", "text_config": 3, "vision_config": []},
    "an empty tower": {"model_type": "llava", "text_config": {}, "vision_config": {}},
}


@pytest.mark.parametrize("name", LIES)
def test_a_config_that_lies(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text(json.dumps(LIES[name]))
    path = tmp_path / "a.merge"
    blend = BLEND % ("[0..3]", 1, 8, "0.5 at layers[1]")
    tail = "search s {\n  maximize rouge_l on d\n  budget = 9 trials\n  seed = 1\n}\n"
    path.write_text(f'recipe a\nmodel m from "file:m"\ndata d from "file:d"\n{blend}{tail}')
    assert lint(path, capsys)
    path.write_text(path.read_text().replace("[0..3]", ""))
    assert lint(path, capsys)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a":' * 10**5, b"9" * 10**5])
def test_a_config_that_is_no_json(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_bytes(content)
    path = tmp_path / "a.merge"
    path.write_text('recipe a\nmodel m from "file:m"\n')
    assert [entry["code"] for entry in lint(path, capsys)] == ["M411"]
