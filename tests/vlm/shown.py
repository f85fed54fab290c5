"""Pictures as tensors, the way each family wants them: no processor is needed to show one."""

from collections.abc import Callable

import torch
from torch import Tensor

SHOWN = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)


def pixels() -> dict[str, Tensor]:
    return {"pixel_values": SHOWN}


def tiles() -> dict[str, Tensor]:
    """Two crops of one picture: the whole, and one tile."""
    return {"pixel_values": SHOWN.repeat(2, 1, 1, 1)[None], "image_sizes": torch.tensor([[16, 16]])}


def patches(width: int) -> Callable[[], dict[str, Tensor]]:
    """A picture of four by four patches, as the Qwen families take it."""

    def made() -> dict[str, Tensor]:
        return {
            "pixel_values": torch.linspace(-1, 1, 16 * width).reshape(16, width),
            "image_grid_thw": torch.tensor([[1, 4, 4]]),
        }

    return made


def crossed() -> dict[str, Tensor]:
    """Mllama: pictures by tiles, and a mask in place of image tokens."""
    return {
        "pixel_values": SHOWN[:, None, None],
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.tensor([[[1]]]),
    }


def sized() -> dict[str, Tensor]:
    """A picture with its size beside it."""
    return {"pixel_values": SHOWN, "image_sizes": torch.tensor([[16, 16]])}
