"""Recipes in colours, for Pygments: Sphinx, MkDocs, `pygmentize`.

In: a text. Out: tokens. Pygments finds it by its entry point; nothing in this package imports it. What
introduces a name is told from what is one by the words beside it, as in `grammars/recipe.tmLanguage.json`.
"""

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

WORD = r"([a-z][a-z0-9_]*)"
BLANK = r"([ \t]+)"
DECLARATIONS = (
    *("recipe", "use", "let", "model", "data"),
    *("merge", "route", "search", "report", "write"),
)
BEFORE_NAME = ("take", "base", "begin", "end", "pool", "from", "as", "on")
OTHERS = (
    *("as", "at", "base", "begin", "by", "choice", "each", "end", "flag", "from", "int", "is"),
    *("keep", "log", "maximize", "maybe", "minimize", "on", "or", "path", "per", "pool"),
    *("require", "scale", "start", "step", "take", "to", "when"),
)
BEFORE_BRACKET = (
    *("path", "choice", "maybe", "or", "log", "int", "require", "scale", "x"),
    *("step", "start", "maximize", "minimize"),
)


class RecipeLexer(RegexLexer):  # type: ignore[misc]
    """Colours recipes."""

    name = "awase recipe"
    url = "https://pypi.org/project/awase/"
    aliases: ClassVar[list[str]] = ["awase"]
    filenames: ClassVar[list[str]] = ["*.merge"]
    version_added = ""

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\n]*"', String.Double),
            (r"[0-9]+(?:\.[0-9]+)?(?:%|(?:[KMGT]iB|ms|s|min|h|d)\b)", Number),
            (r"[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?(?![\w%])", Number.Float),
            (r"[0-9]+(?:e[+-]?[0-9]+)?(?![\w%])", Number.Integer),
            (
                rf"\b({'|'.join(DECLARATIONS)})\b{BLANK}{WORD}",
                bygroups(Keyword.Declaration, Whitespace, Name.Class),
            ),
            (words(DECLARATIONS, r"\b", r"\b"), Keyword.Declaration),
            (rf"(?<!\.)(\.)([ \t]*){WORD}", bygroups(Punctuation, Whitespace, Name.Attribute)),
            (
                rf"\b({'|'.join(BEFORE_NAME)})\b{BLANK}{WORD}",
                bygroups(Keyword, Whitespace, Name.Variable),
            ),
            (rf"\b{WORD}([ \t]*)(=)", bygroups(Name.Attribute, Whitespace, Operator)),
            (
                rf"\b(when)\b{BLANK}{WORD}{BLANK}(is)\b{BLANK}{WORD}",
                bygroups(
                    *(Keyword, Whitespace, Name.Attribute, Whitespace),
                    *(Keyword, Whitespace, Name.Variable),
                ),
            ),
            (rf"\b(by)\b{BLANK}(?!choice\b){WORD}", bygroups(Keyword, Whitespace, Name.Function)),
            (rf"\b(?!(?:{'|'.join(BEFORE_BRACKET)})\b){WORD}(?=\()", Name.Function),
            (r"\bx\b(?=[ \t]+(?:log|int|[0-9]))", Operator.Word),
            (words(OTHERS, r"\b", r"\b"), Keyword),
            (r"[a-z][a-z0-9_]*\b", Name.Variable),
            (r"->|\.\.|<=|>=|[<>=+*/|-]", Operator),
            (r"[{}()\[\],;.]", Punctuation),
            (r".", Error),
        ]
    }
