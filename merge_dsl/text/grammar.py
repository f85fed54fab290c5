"""The parser that `grammars/recipe.lark` describes.

In: nothing. Out: one Lark parser, built once a process. Its tables are kept in the user's cache
folder, because building them takes ten times as long as loading them. Nothing is built, and Lark is not
imported, before it is asked for: a text without mistakes is read by `merge_dsl/text/machine.py`.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark, Token

HERE = Path(__file__).absolute()
PLACES = (
    HERE.parents[1] / "grammars" / "recipe.lark",  # in a wheel
    HERE.parents[2] / "grammars" / "recipe.lark",  # in a checkout
)


class Brackets:
    """Drops line ends inside ( ) and [ ]. It must not look ahead: the lexer follows the parser."""

    always_accept = ("_NL",)

    def process(self, stream: "Iterator[Token]") -> "Iterator[Token]":
        """The tokens that the grammar sees."""
        depth = 0
        for token in stream:
            if token.type in ("LPAR", "LSQB"):
                depth += 1
            elif token.type in ("RPAR", "RSQB"):
                depth = max(0, depth - 1)
            if token.type != "_NL" or depth == 0:
                yield token


@cache
def grammar_text() -> str:
    """The grammar as it is written."""
    for place in PLACES:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise FileNotFoundError(f"recipe.lark is in none of {', '.join(map(str, PLACES))}")


def build_parser(**options: Any) -> "Lark":
    """A parser of recipes. `options` go to Lark; the tests pass `strict=True`."""
    from lark import Lark

    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        postlex=Brackets(),
        propagate_positions=True,
        maybe_placeholders=True,
        **options,
    )


@cache
def parser() -> "Lark":
    """The parser, from the cache where there is one. A cache that cannot be used is no error."""
    import logging

    logging.getLogger("lark").setLevel(logging.CRITICAL)  # it warns where a cache is read-only
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return build_parser(cache=str(folder / cache_name()))
    except Exception:
        # A truncated or foreign cache file fails in ways that Lark does not name.
        return build_parser()


def cache_folder() -> Path:
    """Where this user's caches lie."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "awase"


def cache_name() -> str:
    """One file for each grammar, Lark and Python."""
    import hashlib

    import lark

    key = f"{lark.__version__} {sys.version_info[:2]} {grammar_text()}"
    return f"recipe-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.lark-cache"
