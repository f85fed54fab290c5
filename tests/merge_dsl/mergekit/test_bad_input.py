"""Files that mean harm, or nothing: a clean refusal, and never a recipe that does not parse."""

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merge_dsl.commands.mistake import Mistake
from merge_dsl.text.parse import parse
from merge_dsl.text.source import Source
from merge_dsl.tools.mergekit.notes import Notes
from merge_dsl.tools.mergekit.yaml_in import BYTES, Unreadable, read_yaml
from tests.merge_dsl.mergekit.conftest import FILES, Command
from tests.merge_dsl.mergekit.modules import export_text, import_text

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
REFUSED = {
    "empty": b"",
    "only comments": b"# nothing\n",
    "a list": b"- 1\n- 2\n",
    "a word": b"hello\n",
    "binary": bytes(range(256)),
    "not utf-8": b"merge_method: \xff\n",
    "utf-16": "merge_method: linear\n".encode("utf-16"),
    "nul": b"merge_method: lin\0ear\n",
    "large": b"# " + b"x" * BYTES,
    "alias bomb": BOMB.encode(),
    "brackets": b"a: " + b"[" * 100_000,
    "braces": b"{a: " * 30_000,
    "indentation": "".join(f"{' ' * n}a:\n" for n in range(600)).encode(),
    "itself": b"a: &a [*a]\n",
    "no such alias": b"a: *b\n",
    "object": b"merge_method: !!python/object/apply:os.system ['touch owned']\n",
    "python name": b"a: !!python/name:os.system\n",
    "tag": b"!mine {a: 1}\n",
    "tagged list": b"a: !!python/tuple [1]\n",
    "bad number": b"a: !!int many\n",
    "long number": b"merge_method: linear\nmodels: " + b"9" * 6000 + b"\n",
    "key": b"[a, b]: 1\n",
    "no method": b"models: [{model: o/a}]\n",
    "two forms": b"merge_method: linear\nmodels: [{model: o/a}]\nslices: [{sources: []}]\n",
    "colon": b"a: b: c\n",
    "tab": b"a:\n\t- b\n",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_cleanly(kind: str, awase: Command) -> None:
    Path("bad.yml").write_bytes(REFUSED[kind])
    start = time.process_time()
    code, out, err = awase("import", "bad.yml")
    assert time.process_time() - start < 5
    assert (code, out) == (2, "")
    assert err.startswith("awase import: bad.yml")
    assert len(err) < 400
    assert os.listdir() == ["bad.yml"]


def test_files_that_cannot_be_opened(awase: Command) -> None:
    for name in ("nothing.yml", ".", "bad\0name"):
        code, _, err = awase("import", name)
        assert code == 2
        assert "cannot be read" in err
        assert awase("export", name)[0] == 2


def test_places_that_cannot_be_written(awase: Command) -> None:
    assert awase("import", FILES[0], "-o", "no/such/folder.merge")[0] == 2
    awase("import", FILES[0], "-o", "m.merge")
    assert awase("export", "m.merge", "-o", "no/such/folder.yml")[0] == 2


def test_a_recipe_with_mistakes_is_not_exported(awase: Command) -> None:
    Path("bad.merge").write_text("recipe x\nmerge {\n")
    code, out, err = awase("export", "bad.merge")
    assert (code, out) == (2, "")
    assert "S001" in err


HOSTILE = [
    'o/a"b',
    "o/a\nwrite",
    "o/\u202ea",
    "",
    " ",
    "hf:x",
    "C:\\models\\a",
    "../../etc/passwd",
    "recipe",
    "base",
    "layers",
    "vision",
    "model",
    "x",
    "日本語/模型",
    "7b",
    "___",
    "a" * 3000,
    "o/a@b@c",
    "o/a+b+c",
    "}",
    "o/a # not a comment",
    "true",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_hostile_names_become_names(word: str) -> None:
    documents = [
        {
            "name": word,
            "merge_method": "linear",
            "models": [{"model": "o/z", "parameters": {"weight": 1, word: 2}}],
            word: word,
        },
        {
            "merge_method": word or "ties",
            "base_model": word,
            "models": [{"model": word}, {"model": "o/b"}],
        },
        {
            "genome": {"models": [word, "o/c"], "merge_method": "linear"},
            "tasks": [word, {"name": word}],
        },
    ]
    for document in documents:
        check(yaml.safe_dump(document).encode(), file=f"{word}.yml")
    check(yaml.safe_dump_all(documents[:2]).encode())


def check(data: bytes, file: str = "m.yml") -> None:
    """Import, and export what came of it: refusals aside, everything parses."""
    try:
        text = import_text(data, file, Notes(), None)
    except Mistake:
        return
    if text is None:
        return
    assert parse(Source("m.merge", text)).tree is not None
    assert all(line.isprintable() for line in text.split("\n"))
    exported = export_text(Source("m.merge", text), Notes())
    if exported is not None:
        read_yaml(exported.encode())
        list(yaml.safe_load_all(exported))


WORDS = st.sampled_from(
    [
        *HOSTILE,
        "o/a",
        "linear",
        "ties",
        "slerp",
        "passthrough",
        "embed_tokens",
        "mlp",
        "1e-3",
        "base",
    ]
)
LEAVES = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "models",
            "slices",
            "modules",
            "model",
            "sources",
            "layer_range",
            "parameters",
            "weight",
            "density",
            "t",
            "filter",
            "value",
            "base_model",
            "merge_method",
            "dtype",
            "out_dtype",
            "tokenizer_source",
            "tokenizer",
            "genome",
            "tasks",
            "name",
            "metric",
            "lambda",
            "normalize",
            "layer_granularity",
            "filters",
            "limit",
            "text_decoder",
            "vision_tower",
        ]
    ),
    st.text(max_size=5),
)
NODES = st.recursive(
    LEAVES, lambda n: st.lists(n, max_size=4) | st.dictionaries(KEYS, n, max_size=5), max_leaves=30
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.dictionaries(KEYS, NODES, max_size=6),
    WORDS,
    st.sampled_from(["models", "slices", "modules"]),
    NODES,
)
def test_any_table_is_translated_or_refused(
    table: dict[str, object], method: str, form: str, inner: object
) -> None:
    check(yaml.safe_dump(table).encode())
    rest = {k: v for k, v in table.items() if k not in ("models", "slices", "modules", "genome")}
    check(yaml.safe_dump({**rest, "merge_method": method, form: inner}).encode())
    check(yaml.safe_dump({**rest, "genome": table, "tasks": inner}).encode())


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.sampled_from(FILES), st.integers(0, 10_000), st.integers(0, 40), WORDS)
def test_mutants_of_real_files(file: Path, at: int, cut: int, word: str) -> None:
    data = file.read_text()
    at %= len(data)
    check((data[:at] + word + data[at + cut :]).encode())


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.sampled_from(FILES), st.data())
def test_values_of_real_files_are_replaced(file: Path, data: st.DataObject) -> None:
    documents = list(yaml.safe_load_all(file.read_text()))
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(documents))
        while isinstance(node, dict | list) and node:
            key = data.draw(
                st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node)))
            )
            if not isinstance(node[key], dict | list) or data.draw(st.booleans()):
                node[key] = data.draw(NODES)
                break
            node = node[key]
    check(yaml.safe_dump_all(documents).encode())


def test_reading_is_counted_by_use_and_not_by_text() -> None:
    with pytest.raises(Unreadable, match="unfolds"):
        read_yaml(BOMB.encode())
