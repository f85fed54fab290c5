"""`awase explain CODE`: the page of a rule. Without a code: one line for each rule."""

import argparse

from merge_dsl.commands.mistake import CANNOT, DONE, Mistake
from merge_dsl.text.codes import CODES
from merge_dsl.text.words import nearest
from merge_dsl.tools.rule_pages import PageError, page_path


def run(args: argparse.Namespace) -> int:
    """Print one page, or the list."""
    if args.code is None or args.all:
        for code, (slug, severity) in sorted(CODES.items()):
            print(f"{code}  {severity:7}  {slug}")
        return DONE
    code = _code(args.code)
    try:
        print(page_path(code).read_text(encoding="utf-8"), end="")
    except PageError as error:
        raise Mistake(f"{error} in this installation", "install awase anew", CANNOT) from error
    return DONE


def _code(word: str) -> str:
    """A code or a slug, in any case -> the code."""
    slugs = {slug: code for code, (slug, _) in CODES.items()}
    if word.upper() in CODES:
        return word.upper()
    if word.lower() in slugs:
        return slugs[word.lower()]
    close = nearest(word.upper(), CODES) or nearest(word.lower(), slugs)
    meant = f"; did you mean {close}?" if close else ""
    raise Mistake(f"there is no rule {word[:60]!r}{meant}", "`awase explain` lists them", CANNOT)
