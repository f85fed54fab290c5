"""Without pygls `awase lsp` says what to install, and lint never knows of it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_without_pygls_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygls'] = None\n"
        "import importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pygls' else found(name, *rest)\n"
        "from merge_dsl.cli import main; sys.exit(main(['lsp']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert 'pip install "awase[lsp]"' in done.stderr and "Traceback" not in done.stderr


def test_lint_does_not_know_it() -> None:
    code = (
        "import sys, json; from merge_dsl.cli import main; main(['lint', 'recipes'])\n"
        "print(json.dumps([m for m in sys.modules if 'lsp' in m or 'pygments' in m]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
