"""Pairs of tiny models of one family, and walkers over them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

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


@pytest.fixture(scope="session")
def loud(parents: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny parents with larger weights: in a stream that is not tiny, no epsilon is heard."""
    root = tmp_path_factory.mktemp("loud")
    for name, folder in parents.items():
        shutil.copytree(folder, root / name)
        for file in (root / name).glob("*.safetensors"):
            tensors = load_file(file)
            for key, tensor in tensors.items():
                tensors[key] = tensor if tensor.ndim < 2 else 10 * tensor
            save_file(tensors, file, metadata={"format": "pt"})
    return root


@pytest.fixture
def road(place: Path, loud: Path) -> Path:
    """The folder of `place`, with the louder parents."""
    for folder in loud.iterdir():
        (place / folder.name).unlink()
        (place / folder.name).symlink_to(folder)
    return place


def walk_of(
    *hops: tuple[str, int, float], begin: str = "a", end: str = "a", scale_of: str = "stream",
    stack: str = "language",
) -> Walk:  # fmt: skip
    return Walk("road", {}, stack, begin, end, tuple(Hop(*hop) for hop in hops), scale_of)


def walked(sources: dict[str, Source], walk: Walk) -> Any:
    """The model that walks."""
    return Walker(walk, sources).put(walk)
