"""The page of a rule: what `awase explain` prints, what SARIF carries, and what the tests run.

In: a code. Out: its `Page`, read from `docs/rules/CODE.md`. In a wheel the pages lie beside the
package. A fenced block of a page is a `Block`; its info string says what it is for:

    merge fires | merge clean               a recipe in which the code appears, or does not
    bytes fires | path fires                the same for bytes, written as in Python, and for a path
    json|jsonl|merge|text|bytes file=NAME   a file that the examples of the page need
    safetensors file=NAME                   tensor name -> {"dtype", "shape"}; the data are zeros

`repeat=N` after any of them repeats the block's text.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from merge_dsl.text.codes import CODES

HERE = Path(__file__).absolute()
PLACES = (
    HERE.parents[1] / "rule_pages",  # in a wheel
    HERE.parents[2] / "docs" / "rules",  # in a checkout
)
TITLE = re.compile(r"# (?P<code>[A-Z]\d{3}) (?P<slug>[a-z0-9-]+)")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FIXES = ("safe", "unsafe", "none")
DEPTHS = ("text", "facts", "deep")


class PageError(Exception):
    """A page is missing, or not in the form that the tools read."""


@dataclass(frozen=True)
class Block:
    """One fenced block. `kind` is `fires`, `clean`, `file`, or "" for what is only shown."""

    language: str
    kind: str
    file: str
    text: str


@dataclass(frozen=True)
class Page:
    """One rule."""

    code: str
    slug: str
    severity: str
    fix: str  # safe, unsafe or none
    depth: str  # text, facts or deep: what must be read to find it
    about: str  # the paragraph that says what it does
    text: str  # the whole page
    blocks: tuple[Block, ...]


def page_path(code: str) -> Path:
    """Where a page lies. Raises PageError where there is none."""
    for place in PLACES:
        if (place / f"{code}.md").is_file():
            return place / f"{code}.md"
    raise PageError(f"{code} has no page")


def read_page(code: str) -> Page:
    """The page of a code. Raises PageError."""
    return parse_page(page_path(code).read_text(encoding="utf-8"))


def parse_page(text: str) -> Page:
    """A page's text -> the page. Raises PageError."""
    paragraphs = [p.strip() for p in text.split("\n\n") if p.strip()]
    title = TITLE.fullmatch(paragraphs[0]) if paragraphs else None
    if title is None or len(paragraphs) < 3:
        raise PageError("a page begins with `# X301 backwards-range` and two paragraphs")
    severity, *rest = paragraphs[1].split(" · ")
    facts = dict(part.partition(": ")[::2] for part in rest)
    fix, depth = facts.pop("fix", ""), facts.pop("depth", "text")
    if facts or fix not in FIXES or depth not in DEPTHS:
        raise PageError(f"{title['code']}: `{paragraphs[1]}` is not `severity · fix: … · depth: …`")
    blocks = tuple(_block(match["info"], match["body"]) for match in FENCE.finditer(text))
    about = " ".join(paragraphs[2].split())
    return Page(title["code"], title["slug"], severity, fix, depth, about, text, blocks)


def _block(info: str, body: str) -> Block:
    language, *words = info.split() or [""]
    file, kind, times = "", "", 1
    for word in words:
        name, equals, value = word.partition("=")
        if name == "file" and equals:
            kind, file = "file", value
        elif name == "repeat" and value.isdecimal():
            times = int(value)
        elif word in ("fires", "clean"):
            kind = word
        else:
            raise PageError(f"a block cannot be `{info}`")
    return Block(language, kind, file, body * times)


def all_pages() -> list[Page]:
    """Every page, in the order of the codes. Raises PageError where one is missing."""
    return [read_page(code) for code in sorted(CODES)]
