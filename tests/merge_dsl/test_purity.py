"""The front half knows no tensor, and a lint loads what it needs: a list, and nothing beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from merge_dsl.text.tables import machine

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.merge"))
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


LOADED = """
import sys
before = set(sys.modules)
from merge_dsl.cli import main
try:
    main({arguments})
except SystemExit:
    pass
loaded = sorted(set(sys.modules) - before)
print("\\n" + " ".join(m for m in loaded if m.partition(".")[0] not in sys.stdlib_module_names))
print(" ".join(m for m in loaded if m.partition(".")[0] in sys.stdlib_module_names))
"""
# What a lint may load of the packages of awase, and beyond them.
ROOMS = ("cli", "commands.lint", "commands.mistake", "meaning", "rules", "space", "text", "tools")
TOOLS = ("selection", "show_text", "show_concise", "show_github", "width")
LARK = ("lark", "interegular", "regex", "atomicwrites")  # the last three if they are installed
SLOW = {"dataclasses", "inspect", "difflib", "decimal", "logging", "tomllib", "asyncio", "socket"}


def loaded(*arguments: str) -> tuple[set[str], set[str]]:
    """The modules that a command loads: of others than Python, and of Python itself."""
    code = LOADED.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    others, standard = done.stdout.split("\n")[-3:-1]
    return set(others.split()), set(standard.split())


def is_listed(module: str) -> bool:
    """Whether a lint may load this."""
    package, _, name = module.partition(".")
    if package != "merge_dsl" or not name:
        return package == "merge_dsl"
    if name.startswith("tools."):
        return name.removeprefix("tools.") in TOOLS
    return name == "commands" or any(name == r or name.startswith(f"{r}.") for r in ROOMS)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_lint_loads_what_is_listed_and_nothing_else(recipe: Path) -> None:
    machine()  # the first lint of a new grammar makes its tables, with Lark
    others, standard = loaded("lint", str(recipe))
    assert {module for module in others if not is_listed(module)} == set()
    assert standard & SLOW == set()


def test_a_syntax_error_brings_in_lark_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "bad.merge").write_text("recipe tea\nmodel\n")
    others, _ = loaded("lint", str(tmp_path / "bad.merge"))
    strange = {m for m in others if m.partition(".")[0] not in ("merge_dsl", *LARK)}
    assert strange == set()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("lint", "--help")])
def test_help_loads_the_command_alone(arguments: tuple[str, ...]) -> None:
    others, standard = loaded(*arguments)
    assert others == {"merge_dsl", "merge_dsl.cli"}
    assert standard & (SLOW | {"typing", "json", "pathlib"}) == set()


def test_importing_the_command_is_free() -> None:
    check = "import sys, merge_dsl.cli; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0
