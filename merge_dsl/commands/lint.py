"""`awase lint PATH…`: what is wrong with recipes. Exit 0 clean, 1 findings, 2 nothing to lint."""

import argparse
import sys
from pathlib import Path

from merge_dsl.commands.common import CANNOT, Mistake
from merge_dsl.meaning.load import Loaded, load_recipe
from merge_dsl.text.diagnostics import Severity
from merge_dsl.text.words import counted


def run(args: argparse.Namespace) -> int:
    """Lint every path; notes are shown, and only errors and warnings count as findings."""
    results = [load_recipe(path, form=True) for path in _recipes(args.paths)]
    _show(results, args.format)
    serious = [d for r in results for d in r.diagnostics if d.severity is not Severity.NOTE]
    unreadable = [d for d in serious if d.code == "S014"]
    if unreadable:
        return 2
    return 1 if serious else 0


def _recipes(paths: list[str]) -> list[Path]:
    """Files as they are named, and every recipe under a folder."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(path.rglob("*.merge"))
            if not inside:
                raise Mistake(f"{name} holds no recipe, no file that ends in .merge", code=CANNOT)
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _show(results: list[Loaded], form: str) -> None:
    if form == "json":
        from merge_dsl.tools.show_json import show_json

        print(show_json((result.source, result.diagnostics) for result in results))
        return
    from merge_dsl.tools.show_concise import show_concise
    from merge_dsl.tools.show_github import show_github
    from merge_dsl.tools.show_text import show_text

    show = {"text": show_text, "concise": show_concise, "github": show_github}[form]
    shown = [show(result.source, result.diagnostics) for result in results if result.diagnostics]
    if shown:
        print(("\n\n" if form == "text" else "\n").join(shown))
    if form == "text" and sys.stdout.isatty():
        print(_summary(results))


def _summary(results: list[Loaded]) -> str:
    found = [d.severity for result in results for d in result.diagnostics]
    if not found:
        return f"{counted(len(results), 'recipe')}, nothing to say"
    parts = [counted(found.count(s), s) for s in Severity if s in found]
    return "\n" + ", ".join(parts)
