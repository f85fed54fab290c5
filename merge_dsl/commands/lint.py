"""`awase lint PATH…`: what is wrong with recipes. Exit 0 clean, 1 findings, 2 nothing to lint."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from merge_dsl.commands.mistake import CANNOT, Mistake
from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import Loaded, load_source
from merge_dsl.text.diagnostics import Diagnostic, Severity
from merge_dsl.text.reading import LIMIT, read_source, source_of
from merge_dsl.text.source import Source
from merge_dsl.text.words import counted
from merge_dsl.tools.selection import ConfigError, Selection, codes_of, configured

STDIN = "-"


def run(args: argparse.Namespace) -> int:
    """Lint every path; notes are shown, and only errors and warnings count as findings."""
    try:
        results = [_lint(path, args) for path in _recipes(args.paths)]
    except ConfigError as error:
        raise Mistake(error.what, error.way_out, CANNOT) from error
    # What `--fix` makes of stdin goes to stdout; then the findings make room for it.
    mended_stdin = STDIN in args.paths and (args.fix or args.unsafe_fixes)
    _show(results, args.format, sys.stderr if mended_stdin else sys.stdout)
    serious = [d for r in results for d in r.diagnostics if d.severity is not Severity.NOTE]
    unreadable = [d for d in serious if d.code == "S014"]
    if unreadable:
        return 2
    return 1 if serious else 0


def _recipes(paths: list[str]) -> list[str]:
    """Files as they are named, and every recipe under a folder."""
    found: list[str] = []
    for name in paths:
        path = Path(name)
        if name != STDIN and path.is_dir():
            inside = sorted(path.rglob("*.merge"))
            if not inside:
                raise Mistake(f"{name} holds no recipe, no file that ends in .merge", code=CANNOT)
            found += map(str, inside)
        else:
            found.append(name if name == STDIN else str(path))
    return list(dict.fromkeys(found))


def _lint(path: str, args: argparse.Namespace) -> Loaded:
    if path == STDIN:
        data = sys.stdin.buffer.read(LIMIT + 1)
        source, found = source_of(args.stdin_filename or "<stdin>", data)
    else:
        source, found = read_source(Path(path))
    selection = _selection(source, args)
    depth = Depth.TEXT if args.offline else Depth.DEEP if args.deep else Depth.FACTS
    if args.fix or args.unsafe_fixes:
        return _mended(path, source, found, selection, depth, args.unsafe_fixes)
    loaded = load_source(source, found=found, depth=depth, form=True)
    return loaded._replace(diagnostics=selection.kept(source.path, loaded.diagnostics))


def _selection(source: Source, args: argparse.Namespace) -> Selection:
    """The configuration above a recipe; what the command line says takes its place."""
    selection = configured(source.folder)
    if args.select is not None:
        selection = selection._replace(select=codes_of(args.select, "--select"))
    if args.ignore is not None:
        selection = selection._replace(ignore=codes_of(args.ignore, "--ignore"))
    return selection


def _mended(
    path: str,
    source: Source,
    found: list[Diagnostic],
    selection: Selection,
    depth: Depth,
    unsafe: bool,
) -> Loaded:
    from merge_dsl.tools.fixing import mend, write_beside

    marked = any(d.code == "S011" for d in found)

    def find(text: Source) -> Sequence[Diagnostic]:
        about_bytes = found if text is source else []
        diagnostics = load_source(text, found=about_bytes, depth=depth, form=True).diagnostics
        return selection.kept(source.path, diagnostics)

    result = mend(source, find, unsafe)
    text = result.source.text
    if marked and all(m.diagnostic.code != "S011" for m in result.mended):
        text = "\ufeff" + text[1:]  # the mark that was read as a space
    if path == STDIN:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    elif result.mended:
        try:
            write_beside(Path(path), text)
        except OSError as error:
            raise Mistake(f"{path} cannot be written: {error.strerror}", code=CANNOT) from error
    for mended in result.mended:
        fix, diagnostic = mended.diagnostic.fix, mended.diagnostic
        wrote = fix.text.strip() if fix else ""
        now = "written anew" if "\n" in wrote else f"wrote `{wrote}`" if wrote else "removed"
        place = f"{source.path}:{mended.line}:{mended.column}"
        print(f"{place}: {diagnostic.code} {diagnostic.message}: {now}", file=sys.stderr)
    return Loaded(result.source, None, result.left)


def _show(results: list[Loaded], form: str, out: TextIO) -> None:
    shown = _shown(results, form)
    if shown:
        print(shown, file=out)
    if form == "text" and out is sys.stdout and out.isatty():
        print(_summary(results))


def _shown(results: list[Loaded], form: str) -> str:
    if form in ("json", "sarif"):
        from merge_dsl.tools.show_json import show_json
        from merge_dsl.tools.show_sarif import show_sarif

        show_all = show_json if form == "json" else show_sarif
        return show_all((result.source, result.diagnostics) for result in results)
    from merge_dsl.tools.show_concise import show_concise
    from merge_dsl.tools.show_github import show_github
    from merge_dsl.tools.show_text import show_text

    show = {"text": show_text, "concise": show_concise, "github": show_github}[form]
    shown = [show(result.source, result.diagnostics) for result in results if result.diagnostics]
    return ("\n\n" if form == "text" else "\n").join(shown)


def _summary(results: list[Loaded]) -> str:
    found = [d.severity for result in results for d in result.diagnostics]
    if not found:
        return f"{counted(len(results), 'recipe')}, nothing to say"
    parts = [counted(found.count(s), s) for s in Severity if s in found]
    fixes = [d.fix for result in results for d in result.diagnostics if d.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    ways = [(safe, "--fix"), (len(fixes) - safe, "--unsafe-fixes")]
    mends = [f"{count} can be mended by `{flag}`" for count, flag in ways if count]
    return "\n" + "; ".join([", ".join(parts), *mends])
