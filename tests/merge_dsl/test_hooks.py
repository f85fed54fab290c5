"""The pre-commit hooks, the GitHub action and the page about them say what the command takes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from merge_dsl.cli import parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
CLEAN = (
    'recipe a\n\nmodel b from "hf:mistralai/Mistral-7B-v0.1"\n\nmerge m { keep language from b }\n'
)


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_hooks_start_commands_that_are_there() -> None:
    hooks = read(".pre-commit-hooks.yaml")
    assert [hook["id"] for hook in hooks] == ["awase-lint", "awase-fmt"]
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program == "awase" and parser().parse_args([*arguments, "a.merge"]).command
        assert re.search(hook["files"], "recipes/a.merge")
        assert not re.search(hook["files"], "recipes/a.merge.txt")


@pytest.mark.skipif(shutil.which("bash") is None, reason="the action runs in bash")
@pytest.mark.parametrize(("text", "code"), [(CLEAN, 0), ("recipe a\nmodle b\n", 1)])
def test_the_action_lints(tmp_path: Path, text: str, code: int) -> None:
    action = read("action.yml")
    step = action["runs"]["steps"][-1]
    command = tmp_path / "bin" / "awase"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m merge_dsl "$@"\n')
    command.chmod(0o755)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "a.merge").write_text(text, encoding="utf-8")
    inputs = {name: value["default"] for name, value in action["inputs"].items()}
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: inputs[m[1]], value)
        for name, value in step["env"].items()
    }
    paths = {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],  # as GitHub starts it
        cwd=tmp_path,
        env={**os.environ, **paths, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    sarif = json.loads((tmp_path / inputs["sarif"]).read_text(encoding="utf-8"))
    assert sarif["version"] == "2.1.0"
    assert bool(sarif["runs"][0]["results"]) == bool(code)
    assert ("::error" in done.stdout) == bool(code)
    assert "${{" not in step["run"]  # inputs are no code


def test_the_page_shows_what_is_there() -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = {language: [body for of, body in blocks if of == language] for language, _ in blocks}
    settings = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))
    known = settings["contributes"]["configuration"]["properties"]
    keys = {key for body in shown["json"] for key in json.loads(body)}
    assert keys <= {*known, "[awase]"}
    assert not re.search(
        r"\b[A-Z]{5,}/|@[A-Z]{3,}", PAGE
    )  # no OWNER/ and no @COMMIT to be filled in
    assert "npm run package" in PAGE and "package" in settings["scripts"]
    assert f"awase-{settings['version']}.vsix" in PAGE
    ids = {hook["id"] for hook in read(".pre-commit-hooks.yaml")}
    inputs = read("action.yml")["inputs"]
    for body in shown["yaml"]:
        table = yaml.safe_load(body)
        for repository in table.get("repos", []):
            assert {hook["id"] for hook in repository["hooks"]} <= ids
            for hook in repository["hooks"] if repository["repo"] == "local" else ():
                assert parser().parse_args([*hook["entry"].split()[1:], "a.merge"]).command
        for step in table.get("jobs", {}).get("recipes", {}).get("steps", []):
            if "awase" in step.get("uses", ""):
                assert set(step["with"]) <= set(inputs)
