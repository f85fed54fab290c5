"""`awase lsp`: the language server, over stdin and stdout. An editor starts it. Needs the extra `[lsp]`."""

import argparse
import importlib.util

from merge_dsl import cli
from merge_dsl.commands.mistake import CANNOT, DONE, Mistake


def run(args: argparse.Namespace) -> int:
    """Serve until the editor goes; 2 where the library for it is not installed."""
    if importlib.util.find_spec("pygls") is None or importlib.util.find_spec("lsprotocol") is None:
        raise Mistake("pygls is not installed", 'run `pip install "awase[lsp]"`', CANNOT)
    from merge_dsl.tools.lsp.server import serve

    serve(cli._version())
    return DONE
