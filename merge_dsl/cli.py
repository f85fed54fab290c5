"""The `awase` command: arguments only. Each command is a file in `merge_dsl/commands`.

Nothing heavy is imported before a command needs it: `awase lint` starts in a tenth of a second.
"""

import argparse
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

COMMANDS = "merge_dsl.commands"
READING = ("lint", "fmt")  # commands that read texts, and run nothing
Add = Callable[..., argparse.ArgumentParser]  # `add_parser`: takes a name and its help


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    known = words[0] if words and words[0] in ARGUMENTS else None
    args = parser(known).parse_args(words)
    if args.version:
        print(f"awase {_version()}")
        return 0
    if args.command is None:
        parser().print_help()
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path, or a terminal of another encoding, must not end in a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _without_gc() if args.command in READING else nullcontext():
            return _run(args)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    from merge_dsl.commands.mistake import CANNOT, FINDINGS, Mistake
    from merge_dsl.space.resolve import SpaceError, UnknownModel

    module = importlib.import_module(f"{COMMANDS}.{args.command}")
    try:
        code: int = module.run(args)
        return code
    except (Mistake, SpaceError) as error:
        way_out = f"\n  = help: {error.way_out}" if isinstance(error, UnknownModel) else ""
        if str(error):
            print(f"awase {args.command}: {error}{way_out}", file=sys.stderr)
        if isinstance(error, Mistake):
            return error.code
        return CANNOT if way_out else FINDINGS


@contextmanager
def _without_gc() -> Iterator[None]:
    """A recipe is read into many records and no cycles; to look for some takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Every command and its arguments; or only that one, which is built in a tenth of the time."""
    top = argparse.ArgumentParser(
        prog="awase", description="Evolve and merge vision-language models from recipes."
    )
    top.add_argument("--version", action="store_true", help="print the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, arguments_of in ARGUMENTS.items():
        if command in (None, name):
            arguments_of(commands.add_parser)
    return top


def _lint(add: Add) -> None:
    lint = add("lint", help="say what is wrong with recipes")
    lint.add_argument("paths", nargs="+", metavar="PATH", help="recipes, folders, or - for stdin")
    forms = ["text", "concise", "json", "github", "sarif"]
    lint.add_argument("--format", choices=forms, default="text")
    lint.add_argument("--select", action="append", metavar="CODES", help="show only these: X,D703")
    lint.add_argument("--ignore", action="append", metavar="CODES", help="do not show these")
    lint.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    lint.add_argument("--unsafe-fixes", action="store_true", help="mend by guesses too")
    lint.add_argument("--stdin-filename", metavar="PATH", help="what stdin is called, and where")
    depth = lint.add_mutually_exclusive_group()
    depth.add_argument("--offline", action="store_true", help="read recipes only, no models")
    depth.add_argument("--deep", action="store_true", help="read rows of data too")


def _explain(add: Add) -> None:
    explain = add("explain", help="print the page of a rule")
    explain.add_argument("code", nargs="?", metavar="CODE", help="without it: list all rules")
    explain.add_argument("--all", action="store_true", help="list all rules")


def _fmt(add: Add) -> None:
    fmt = add("fmt", help="lay recipes out in the house style")
    fmt.add_argument("paths", nargs="+", metavar="PATH", help="recipes, folders of them, or -")
    fmt.add_argument("--check", action="store_true", help="only say which would change")
    fmt.add_argument("--diff", action="store_true", help="only show what would change")


def _instead(command: argparse.ArgumentParser) -> None:
    """What may be said in place of a recipe's own words."""
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="the value of a `let`"
    )
    command.add_argument(
        "--with",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="another model or other data; a path, or hf:, zoo:, open_clip:",
    )


def _plan(add: Add) -> None:
    plan = add("plan", help="show the space of a recipe and what a search costs")
    plan.add_argument("recipe", metavar="RECIPE")
    _instead(plan)
    plan.add_argument("--format", choices=["text", "json"], default="text")
    pace = plan.add_mutually_exclusive_group()
    pace.add_argument(
        "--seconds-per-trial", type=_above_zero, metavar="N", help="to say how many hours it takes"
    )
    pace.add_argument("--run", metavar="DIR", help="the same, from the trials of this run")


def _show(add: Add) -> None:
    show = add("show", help="print a recipe with every default spelled out")
    show.add_argument("recipe", metavar="RECIPE")
    _instead(show)
    show.add_argument("--format", choices=["text", "json"], default="text")


def _lock(add: Add) -> None:
    lock = add("lock", help="write down which models and data a recipe stands on")
    lock.add_argument("recipe", metavar="RECIPE")
    lock.add_argument("--check", action="store_true", help="only say what differs from the lock")
    lock.add_argument("--full", action="store_true", help="hash large weights whole, not by header")


def _freeze(add: Add) -> None:
    freeze = add("freeze", help="fill the holes of a recipe")
    freeze.add_argument("recipe", metavar="RECIPE")
    filled = freeze.add_mutually_exclusive_group(required=True)
    filled.add_argument("--values", metavar="FILE", help="JSON: values by gene, or a list")
    filled.add_argument("--start", action="store_true", help="fill each hole with its start")
    freeze.add_argument("-o", "--out", metavar="OUT", help="where to write it; else to stdout")


def _evolve(add: Add) -> None:
    evolve = add("evolve", help="run a recipe, or continue its run")
    evolve.add_argument("recipe", metavar="RECIPE")
    _instead(evolve)
    evolve.add_argument("--run", metavar="DIR", help="default: runs/<name of the recipe>")
    evolve.add_argument("--seed", type=_from(0), metavar="N", help="instead of the recipe's seed")
    evolve.add_argument("--trials", type=_from(1), metavar="N", help="instead of the whole budget")
    evolve.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, or auto"
    )
    evolve.add_argument(
        "--dtype",
        default="auto",
        choices=("auto", "fp32", "bf16", "fp16"),
        help="what models answer in; auto is fp32 on a CPU, and elsewhere as the result is written",
    )
    evolve.add_argument("--download", action="store_true", help="fetch models that are not here")
    evolve.add_argument("--quiet", action="store_true", help="print the result only")


def _merge(add: Add) -> None:
    merge = add("merge", help="build a recipe without holes")
    merge.add_argument("recipe", metavar="RECIPE")
    _instead(merge)
    merge.add_argument("--out", metavar="DIR", help="instead of where the recipe's `write` says")
    merge.add_argument("--quiet", action="store_true", help="print the result only")
    merge.add_argument("--download", action="store_true", help="fetch models that are not here")


def _import(add: Add) -> None:
    into = add("import", help="turn a mergekit configuration into a recipe")
    into.add_argument("file", metavar="FILE.yml")
    into.add_argument("-o", "--out", metavar="OUT.merge", help="where to write it; else to stdout")


def _export(add: Add) -> None:
    export = add("export", help="turn a recipe into a mergekit configuration")
    export.add_argument("recipe", metavar="RECIPE")
    export.add_argument("-o", "--out", metavar="OUT.yml", help="where to write it; else to stdout")


def _lsp(add: Add) -> None:
    server = add("lsp", help="serve editors, over stdin and stdout")
    server.add_argument("--stdio", action="store_true", help="as some editors say; it is always so")


ARGUMENTS: dict[str, Callable[[Add], None]] = {
    "lint": _lint,
    "explain": _explain,
    "fmt": _fmt,
    "plan": _plan,
    "show": _show,
    "lock": _lock,
    "freeze": _freeze,
    "evolve": _evolve,
    "merge": _merge,
    "import": _import,
    "export": _export,
    "lsp": _lsp,
}


def _from(low: int) -> Callable[[str], int]:
    """What argparse reads a whole number with."""

    def whole(text: str) -> int:
        if not text.strip().isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low}")
        return int(text)

    return whole


def _above_zero(text: str) -> float:
    """What argparse reads a number of seconds with."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def _version() -> str:
    # Reading the metadata costs more than parsing a recipe, so only when it is asked for.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("awase")
    except PackageNotFoundError:
        return "from a checkout"
