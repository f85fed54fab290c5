"""Pairs of tiny models of one family, and walkers over them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.space.candidate import Hop, Walk
from tests.vlm.route.families import FAMILIES, QUICK, save
from vlm.route.walker import Walker
from vlm.weights.source import Source, open_source

FAMILY = [
    family if family in QUICK else pytest.param(family, marks=pytest.mark.slow)
    for family in FAMILIES
]
ROAD = (("a", 0, 1.0), ("a", 1, 1.0), ("b", 2, 0.8), ("b", 2, 1.0), ("a", 3, 1.3), ("b", 3, 0.9),
        ("a", 3, -0.7))  # fmt: skip

Pair = Callable[..., dict[str, Source]]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two models of one family: a, and b, whose config may differ."""

    def make(family: str, first: dict[str, Any] | None = None, **second: Any) -> dict[str, Source]:
        folders = {
            "a": save(FAMILIES[family], tmp_path / "a", 1, **(first or {})),
            "b": save(FAMILIES[family], tmp_path / "b", 2, **second),
        }
        return {name: open_source(name, folder) for name, folder in folders.items()}

    return make


def walk_of(
    *hops: tuple[str, int, float], begin: str = "a", end: str = "a", scale_of: str = "stream",
    stack: str = "language",
) -> Walk:  # fmt: skip
    return Walk("road", {}, stack, begin, end, tuple(Hop(*hop) for hop in hops), scale_of)


def walked(sources: dict[str, Source], walk: Walk) -> Any:
    """The model that walks."""
    return Walker(walk, sources).put(walk)
