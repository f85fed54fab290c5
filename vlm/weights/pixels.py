"""How a model wants its pictures: mean and deviation of each channel, and the size of the picture.

In: the folder of a checkpoint. Out: `Pixels`, or None where the folder does not say. A processor that
makes pictures of another size than the tower reads is a ModelError: nothing later would say so in words.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merge_dsl.meaning.configs import finite
from vlm.errors import ModelError

FILES = ("preprocessor_config.json", "processor_config.json")
OPEN_CLIP = "open_clip_config.json"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # where open_clip's config says nothing
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Pixels:
    """A channel's value p, from 0 to 1, reaches the tower as (p − mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None = None  # height and width, where they are fixed

    def alike(self, other: "Pixels") -> bool:
        """Whether two processors make the same numbers of one picture, but for the last digits."""
        pairs = zip(self.mean + self.std, other.mean + other.std, strict=True)
        return all(abs(one - two) < 1e-6 for one, two in pairs)


def pixels_of(folder: Path) -> Pixels | None:
    """What the processor of a folder does to a picture; None without one.

    Raises ModelError for sizes that are no numbers, and for a mean and a deviation of other channels.
    """
    table = _read(folder / OPEN_CLIP).get("preprocess_cfg")
    if isinstance(table, dict):
        mean = _numbers(table.get("mean")) or CLIP_MEAN
        std = _numbers(table.get("std")) or CLIP_STD
        if len(mean) != len(std) or 0 in std:
            raise ModelError(
                f"{folder / OPEN_CLIP} normalises pictures by a mean of {len(mean)} channels"
                f" and a deviation of {len(std)}, of which none may be 0",
                "fetch the file anew",
            )
        return Pixels(mean, std)
    for file in FILES:
        table = _read(folder / file)
        inner = table.get("image_processor")
        table = inner if isinstance(inner, dict) else table
        if "image_mean" in table or table.get("do_normalize") is False:
            return _of(table, folder / file)
    return None


def _of(table: Mapping[str, Any], file: Path) -> Pixels | None:
    mean, std = _numbers(table.get("image_mean")), _numbers(table.get("image_std"))
    if table.get("do_normalize") is False:
        mean, std = (0.0,) * 3, (1.0,) * 3
    if not mean or not std or len(mean) != len(std) or 0 in std:
        return None
    cut = table.get("do_center_crop", "crop_size" in table)
    size = table.get("crop_size" if cut and "crop_size" in table else "size")
    if isinstance(size, int):
        size = {"height": size, "width": size}
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        high, wide = (finite(size[name]) for name in ("height", "width"))
        if high is None or wide is None:
            what = f"{file} gives pictures a size that is no number: {size}"
            raise ModelError(what, "fetch the file anew")
        return Pixels(mean, std, (int(high), int(wide)))
    return Pixels(mean, std)


def check_processor(folder: Path, read_config: Callable[[], Any]) -> None:
    """Raise ModelError where the processor of a model makes pictures that its tower cannot read.

    `read_config` is asked for what config.json does not say of the tower itself.
    """
    said = _read(folder / "config.json").get("vision_config")

    def tower(name: str) -> Any:
        found = said.get(name) if isinstance(said, dict) else None
        return found or getattr(getattr(read_config(), "vision_config", None), name, None)

    _check_patches(folder, tower)
    found = pixels_of(folder)
    if found is None or found.size is None:
        return
    wanted = tower("image_size")
    if wanted is None:
        return
    high, wide = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted)[:2]
    if found.size != (high, wide):
        raise ModelError(
            f"the processor in {folder} makes pictures of {found.size[0]} by {found.size[1]},"
            f" and its tower reads {high} by {wide}",
            "copy preprocessor_config.json from the model that the tower came with",
        )


def _check_patches(folder: Path, tower: Callable[[str], Any]) -> None:
    """A processor that counts the patches of a picture must cut it as the tower does."""
    counted = _read(folder / "processor_config.json").get("patch_size")
    cut = tower("patch_size") if isinstance(counted, int) else None
    if isinstance(cut, int) and counted != cut:
        raise ModelError(
            f"the processor in {folder} counts patches of {counted} by {counted} pixels,"
            f" and its tower cuts them {cut} by {cut}",
            "copy processor_config.json from the model that the tower came with",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(x, int | float) for x in value):
        return ()
    return tuple(float(x) for x in value)
