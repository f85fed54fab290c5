"""Shared: the YAML files beside the tests, and the two commands as functions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from merge_dsl.cli import main

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yml"))
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def awase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run
