"""Data goes one way: which package may import what of the other, read off the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "open_clip", "datasets", "vlm"}
PLAIN = {  # what `vlm` may know of the front half: data, headers and fingerprints, no text
    "merge_dsl.space.candidate",
    "merge_dsl.meaning.anatomy",
    "merge_dsl.meaning.tokenizers",
    "merge_dsl.meaning.configs",
    "merge_dsl.meaning.engines",
    "merge_dsl.meaning.methods",
    "merge_dsl.meaning.metrics",
    "merge_dsl.meaning.prints",
    "merge_dsl.search.report",
}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether it does so at its top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top


def test_the_front_half_knows_no_tensor() -> None:
    for path in (ROOT / "merge_dsl").rglob("*.py"):
        for module, at_top in imports(path):
            if module.split(".")[0] in HEAVY:
                place = path.relative_to(ROOT)
                assert place.parts[1] == "commands" and not at_top, f"{place} imports {module}"


def test_the_back_half_knows_no_text_of_a_recipe() -> None:
    for path in (ROOT / "vlm").rglob("*.py"):
        for module, _ in imports(path):
            if module.split(".")[0] == "merge_dsl":
                assert module in PLAIN, f"{path.relative_to(ROOT)} imports {module}"
