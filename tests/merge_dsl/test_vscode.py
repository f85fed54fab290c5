"""The VS Code extension: its manifest, its files, and its grammar under the tokeniser of VS Code.

The tokeniser comes with `npm install` in `editors/vscode`; without it that part is skipped, and the walk in
`highlight.py`, which these tests hold to it, stands in.
"""

import fnmatch
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.cli import parser
from tests.merge_dsl import highlight
from tests.merge_dsl.test_highlighters import RECIPES, REST

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "editors" / "vscode"
MODULES = FOLDER / "node_modules"
PACKAGE = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
CONTRIBUTES = PACKAGE["contributes"]
WRONG = ["let a = ?", 'model a from "b', "Model", "weight = 0.5é"]
NODE = shutil.which("node")


def test_the_manifest_is_one_that_can_be_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", PACKAGE["name"]) and PACKAGE["publisher"]
    assert (PACKAGE["name"], PACKAGE["version"]) == (project["name"], project["version"])
    assert PACKAGE["license"] == project["license"]
    assert {"displayName", "description", "categories"} <= set(PACKAGE)
    # From 1.74 on a language that is contributed starts its extension; no event need be named.
    assert tuple(map(int, PACKAGE["engines"]["vscode"].lstrip("^").split("."))) >= (1, 74, 0)
    assert not (FOLDER / ".vscodeignore").exists()  # vsce takes this or `files`, not both
    assert set(PACKAGE["dependencies"]) == {"vscode-languageclient"}


def test_what_it_names_is_there_and_is_packaged() -> None:
    [language], [grammar] = CONTRIBUTES["languages"], CONTRIBUTES["grammars"]
    made = {f"syntaxes/{highlight.GRAMMAR.name}", "LICENSE"}  # by copy-grammar.js, before packaging
    named = [PACKAGE["main"], language["configuration"], grammar["path"]]
    for name in (name.removeprefix("./") for name in named):
        assert (FOLDER / name).is_file() or name in made
        assert any(fnmatch.fnmatch(name, f) or name.startswith(f"{f}/") for f in PACKAGE["files"])
    textmate = json.loads(highlight.GRAMMAR.read_text(encoding="utf-8"))
    assert grammar["scopeName"] == textmate["scopeName"] and grammar["language"] == language["id"]
    assert language["extensions"] == [".merge"]
    configuration = json.loads((FOLDER / language["configuration"]).read_text(encoding="utf-8"))
    assert configuration["comments"] == {"lineComment": "#"}
    assert "copy-grammar.js" in PACKAGE["scripts"]["vscode:prepublish"]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_the_script_copies_what_is_packaged(tmp_path: Path) -> None:
    for name in ("editors/vscode/copy-grammar.js", f"grammars/{highlight.GRAMMAR.name}", "LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run([NODE or "", "copy-grammar.js"], cwd=tmp_path / "editors/vscode", check=True)
    copied = tmp_path / "editors/vscode/syntaxes" / highlight.GRAMMAR.name
    assert copied.read_bytes() == highlight.GRAMMAR.read_bytes()
    assert (tmp_path / "editors/vscode/LICENSE").is_file()


def test_it_starts_a_command_that_is_there() -> None:
    program, *arguments = CONTRIBUTES["configuration"]["properties"]["awase.command"]["default"]
    assert program == "awase" and parser().parse_args(arguments).command == "lsp"
    assert set(CONTRIBUTES["configurationDefaults"]) == {
        f"[{entry['id']}]" for entry in CONTRIBUTES["languages"]
    }


@pytest.mark.skipif(
    NODE is None or not (MODULES / "vscode-textmate").is_dir(), reason="npm install it there first"
)
def test_the_tokeniser_of_vscode_reads_every_recipe() -> None:
    texts = [*(path.read_text(encoding="utf-8") for path in RECIPES), REST, *WRONG]
    script = Path(__file__).with_name("tokenize.js")
    done = subprocess.run(
        [NODE or "", str(script), str(MODULES), str(highlight.GRAMMAR)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[list[list[str]]]] = json.loads(done.stdout)
    for text, lines in zip(texts, found, strict=True):
        kinds = [kind for line in lines for kind in (*_kinds(line), "blank")][:-1]
        assert "".join(piece for line in lines for piece, _ in line) == text.replace("\n", "")
        assert kinds == highlight.textmate(text)
        assert ("invalid" in kinds) == (text in WRONG)


def _kinds(line: list[Any]) -> list[str]:
    """The class of each character, as `highlight.py` names it. An empty line has one empty token."""
    kinds: list[str] = []
    for piece, scope in line:
        kind = next(
            (kind for start, kind in highlight.SCOPES.items() if scope.startswith(start)), ""
        )
        kinds += [kind or "blank"] * len(piece)
    return kinds
