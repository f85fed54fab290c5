"""Concepts drawn at 64 pixels, in every hand, as one table that `datasets` loads.

In: concepts and the SVG sets. Out: rows of `datasets`, one a drawing, RGB on white.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from vlm.zoo.build.concepts import Concept
from vlm.zoo.build.sources import HANDS, read_json

SIZE = 64  # pixels a side; every model of the world sees this
SEARCH_SHARE = 40  # percent of the concepts that a search may look at; the report has the others


def split_of(concept: Concept) -> str:
    """The side of the fence on which a concept lies, by a hash of its code: "search" | "report"."""
    digest = hashlib.sha256(concept.code.encode()).digest()
    return "search" if int.from_bytes(digest[:4], "big") % 100 < SEARCH_SHARE else "report"


def drawings(concepts: tuple[Concept, ...], folder: Path) -> Iterator[dict[str, Any]]:
    """One row a drawing: every concept in every hand that has drawn it."""
    for concept in concepts:
        for hand in HANDS:
            if hand in concept.icons:
                png = rasterise(svg(hand, concept.icons[hand], folder))
                yield {
                    "code": concept.code,
                    "hand": hand,
                    "image": {"bytes": png, "path": f"{hand}/{concept.code}.png"},
                    "group": concept.group,
                    "culture": concept.culture,
                    "split": split_of(concept),
                    "name_en": concept.name_en,
                    "name_ja": concept.name_ja,
                    "keywords_en": list(concept.keywords_en),
                    "keywords_ja": list(concept.keywords_ja),
                }


@cache
def _icons(hand: str, folder: Path) -> Any:
    return read_json(hand, folder, "icons.json")


def svg(hand: str, name: str, folder: Path) -> str:
    """The drawing as a standalone SVG document."""
    icons = _icons(hand, folder)
    icon = icons["icons"][name]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{SIZE}" height="{SIZE}">{icon["body"]}</svg>'
    )


def rasterise(document: str) -> bytes:
    """SVG text -> PNG bytes, RGB uint8 (64, 64, 3) on white."""
    import io

    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=document, width=SIZE, height=SIZE, background="white")
    image = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    canvas = Image.new("RGB", (SIZE, SIZE), "white")  # a drawing may be narrower than the square
    canvas.paste(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()
