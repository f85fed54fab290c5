"""The front half knows no tensor, and linting is light."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "open_clip", "datasets", "numpy", "rich", "cma", "vlm", "PIL")
LINT = "from merge_dsl.cli import main; main(['lint', 'recipes/evovlm_jp.merge'])"
PLAN = "from merge_dsl.cli import main; main(['plan', 'recipes/evovlm_jp.merge'])"
FREEZE = "from merge_dsl.cli import main; main(['freeze', '--start', 'recipes/evovlm_jp.merge'])"

FMT = "from merge_dsl.cli import main; main(['fmt', '--check', 'recipes'])"
SHOW = "from merge_dsl.cli import main; main(['show', 'recipes/evovlm_jp.merge'])"


@pytest.mark.parametrize("code", ["import merge_dsl", LINT, PLAN, FREEZE, FMT, SHOW])
def test_nothing_heavy_is_imported(code: str) -> None:
    check = f'import sys; {code}; sys.exit(" ".join(m for m in {HEAVY} if m in sys.modules) or 0)'
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_command_is_free() -> None:
    check = "import sys, merge_dsl.cli; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0
