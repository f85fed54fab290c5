"""`python -m merge_dsl.tools.rule_list`: write `docs/rules/README.md`, the list of all rules.

In: the codes and their pages. Out: one table for each family. A test holds the file up to date.
"""

from merge_dsl.tools.rule_pages import PLACES, Page, all_pages

FAMILIES = {
    "S": "Syntax",
    "N": "Names",
    "K": "Kinds",
    "X": "Search space",
    "M": "Models",
    "V": "Vision and language",
    "R": "Routes",
    "D": "Data",
    "L": "Licence and safety",
    "C": "Cost",
    "F": "Form",
}
HEAD = """# Rules

What `awase lint` says, one page each; `awase explain CODE` prints a page. The examples on the pages run
as tests. This list is written by `python -m merge_dsl.tools.rule_list`.

*Depth* is what must be read to find it: *text* is the recipe and its imports, *facts* are configs,
tokenizers and the headers of weights, *deep* are rows of data. A *safe* fix is made by `--fix`, an
*unsafe* one by `--unsafe-fixes` only.
"""
TABLE = "| code | rule | severity | fix | depth |\n|---|---|---|---|---|"


def listing() -> str:
    """The whole file."""
    pages = all_pages()
    parts = [HEAD]
    for letter, name in FAMILIES.items():
        family = [page for page in pages if page.code[0] == letter]
        if family:
            rows = "\n".join(map(_row, family))
            parts.append(f"## {letter}: {name}\n\n{TABLE}\n{rows}\n")
    return "\n".join(parts)


def _row(page: Page) -> str:
    fix = "" if page.fix == "none" else page.fix
    link = f"[{page.code}]({page.code}.md)"
    return f"| {link} | {page.slug} | {page.severity} | {fix} | {page.depth} |"


def main() -> None:
    """Write the list where the pages of this checkout lie."""
    (PLACES[1] / "README.md").write_text(listing(), encoding="utf-8")


if __name__ == "__main__":
    main()
