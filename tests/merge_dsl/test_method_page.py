"""docs/methods.md says what the signatures say."""

import re
from pathlib import Path

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.resolve import spoken

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "methods.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| `\w+` \| .* \| (required|optional|refused) \|", line)
]
TABLE = {row[0].strip("`"): row for row in ROWS}


def test_every_method_has_its_line_in_order() -> None:
    assert list(TABLE) == list(METHODS)
    assert all(len(row) == 6 and all(row[i] for i in (1, 2, 4, 5)) for row in ROWS)


def test_bases_settings_and_papers_are_those_of_the_signatures() -> None:
    for name, method in METHODS.items():
        _, _, base, settings, whose, _ = TABLE[name]
        assert base == method.base, name
        mark = {"ingredient": "", "shared": "*"}
        assert settings.split(", ") == [
            f"{mark[s.scope]}`{key} = {spoken(s.default)}`{mark[s.scope]}"
            for key, s in method.settings.items()
            if s.default is not None
        ] or (not settings and not method.settings), name
        paper = re.search(r"arXiv:([\d.]+\d)", method.about)
        assert paper is None or f"arxiv.org/abs/{paper[1]})" in whose, name


def test_the_readme_counts_them() -> None:
    assert f"[{len(METHODS)} methods](docs/methods.md)" in (ROOT / "README.md").read_text("utf-8")
