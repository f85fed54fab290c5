"""`awase fmt PATH…`: recipes in the house layout. `-` reads stdin and writes stdout.

In: recipes. Out: the same files, laid out; or, with `--check` and `--diff`, only what would change.
Exit 0 done, 1 something would change, 2 a file could not be read, parsed or written; with `--check`
and `--diff` a recipe that does not parse is a finding like any other, so 1.
"""

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.commands.common import show_errors
from merge_dsl.commands.mistake import CANNOT, DONE, FINDINGS, Mistake
from merge_dsl.text.diagnostics import has_errors, in_order
from merge_dsl.text.format import FormatterError, format_text
from merge_dsl.text.parse import parse
from merge_dsl.text.reading import LIMIT, read_source, source_of
from merge_dsl.text.source import Source
from merge_dsl.text.words import counted

STDIN = "<stdin>"


@dataclass(frozen=True)
class Laid:
    """One recipe. `text` is None where it could not be laid out; then `code` says how bad it is."""

    source: Source
    text: str | None
    code: int = DONE

    @property
    def changes(self) -> bool:
        return self.text is not None and self.text != self.source.text


def run(args: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    looking = args.check or args.diff
    results = [_laid(name, looking) for name in _named(args.paths)]
    for laid in results:
        if args.diff and laid.changes:
            sys.stdout.write(_difference(laid))
        elif laid.source.path == STDIN and not looking:
            sys.stdout.write(laid.source.text if laid.text is None else laid.text)
        elif args.check and laid.changes:
            print(f"would format {laid.source.path}")
    codes = [laid.code for laid in results]
    if looking:
        codes += [FINDINGS for laid in results if laid.changes]
    else:
        codes += [_write(laid) for laid in results if laid.changes and laid.source.path != STDIN]
    _summary(results, looking)
    return max(codes, default=DONE)


def _named(paths: list[str]) -> Iterator[str]:
    """Files as they are named, and every recipe under a folder, each once."""
    found: list[str] = []
    for name in paths:
        if name != "-" and os.path.isdir(name):
            inside = sorted(map(str, Path(name).rglob("*.merge")))
            if not inside:
                raise Mistake(f"{name} holds no recipe, no file that ends in .merge", code=CANNOT)
            found += inside
        else:
            found.append(name)
    yield from dict.fromkeys(found)


def _laid(name: str, looking: bool) -> Laid:
    if name == "-":
        source, found = source_of(STDIN, sys.stdin.buffer.read(LIMIT + 1))
    else:
        source, found = read_source(Path(name))
    parsed = parse(source) if not has_errors(found) else None
    if parsed is None or parsed.tree is None:
        problems = in_order([*found, *(parsed.diagnostics if parsed else ())])
        show_errors(source, problems)
        unread = any(d.code == "S014" for d in problems)
        return Laid(source, None, FINDINGS if looking and not unread else CANNOT)
    try:
        return Laid(source, format_text(source.text))
    except FormatterError as error:
        print(
            f"{source.path}: left as it is: {error}\n  = help: this is a mistake of awase, not yours; "
            "please report it with the recipe",
            file=sys.stderr,
        )
        return Laid(source, None, CANNOT)


def _write(laid: Laid) -> int:
    """Beside its place first, then renamed into it; a link stays a link, the mode stays."""
    path = Path(os.path.realpath(laid.source.path))
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        try:
            part.write_text(laid.text or "", encoding="utf-8", newline="")
            part.chmod(stat.S_IMODE(path.stat().st_mode))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        print(f"{laid.source.path} cannot be written: {error.strerror}", file=sys.stderr)
        return CANNOT
    return DONE


def _difference(laid: Laid) -> str:
    """A unified diff; `\\r` at the end of a line is part of it."""
    from difflib import unified_diff

    def lines(text: str) -> list[str]:
        *whole, rest = text.split("\n")
        last = [f"{rest}\n\\ No newline at end of file\n"] if rest else []
        return [f"{line}\n" for line in whole] + last

    path = laid.source.path
    return "".join(unified_diff(lines(laid.source.text), lines(laid.text or ""), path, path))


def _summary(results: list[Laid], looking: bool) -> None:
    changed = sum(laid.changes for laid in results)
    if changed and any(laid.source.path != STDIN for laid in results):
        said = "would be formatted" if looking else "formatted"
        print(f"{counted(changed, 'recipe')} {said}", file=sys.stderr)
