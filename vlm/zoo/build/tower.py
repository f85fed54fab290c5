"""The vision tower: a CLIP ViT that learns to tell the world's things apart, hand after hand.

In: drawings as uint8 (n, 3, 64, 64) and the index of what each shows. Out: `CLIPVisionModel`.
It is trained as a classifier before any language model sees it: a tower that learns only through a
frozen language model collapses to the most frequent answer. A tower trained on the mean of its patches
alone is linearly separable there (99.9 % on its own drawings), and yet a language model learns next
to nothing from its patches, half of which are wrong.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from vlm.zoo.build.pictures import SIZE
from vlm.zoo.build.training import optimise

MEAN, STD = 0.5, 0.5  # the image processor's, for all three channels


def tower_config() -> CLIPVisionConfig:
    """16 patches of 16 pixels: as many tokens as a language model of this size can read."""
    return CLIPVisionConfig(
        image_size=SIZE,
        patch_size=16,
        hidden_size=192,
        intermediate_size=576,
        num_hidden_layers=4,
        num_attention_heads=6,
        attn_implementation="eager",
    )


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (n, 3, h, w) -> float32 in [-1, 1], as the image processor does."""
    return (pixels.float() / 255 - MEAN) / STD


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Turned, stretched, mirrored, recoloured, partly hidden: float32 (n, 3, h, w) in and out.

    A hand that nobody has seen differs from those seen in shape, palette and detail; each of the
    five stands for one of those differences.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    n, _, height, width = pixels.shape
    angle, zoom, stretch = uniform(-0.3, 0.3, n), uniform(0.75, 1.3, n), uniform(0.85, 1.18, n)
    mirror = torch.where(uniform(0, 1, n) < 0.5, -1.0, 1.0)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0], affine[:, 0, 1] = mirror * zoom * stretch * angle.cos(), -zoom * angle.sin()
    affine[:, 1, 0], affine[:, 1, 1] = mirror * zoom * angle.sin(), zoom / stretch * angle.cos()
    affine[:, :, 2] = uniform(-0.15, 0.15, n, 2)
    grid = F.affine_grid(affine, list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, grid, align_corners=False, padding_mode="border")

    mix = torch.eye(3) + 0.15 * torch.randn(n, 3, 3, generator=generator)
    moved = torch.einsum("nij,njhw->nihw", mix, moved)
    moved = moved * uniform(0.7, 1.3, n, 3, 1, 1) + uniform(-0.2, 0.2, n, 3, 1, 1)
    grey = uniform(0, 1, n) < 0.15
    moved[grey] = moved[grey].mean(1, keepdim=True)

    rows, columns = torch.arange(height), torch.arange(width)
    top, left = uniform(0, height - 16, n, 1), uniform(0, width - 16, n, 1)
    in_rows, in_columns = (rows - top).abs() < 8, (columns - left).abs() < 8
    hidden = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    hidden &= (uniform(0, 1, n) < 0.3)[:, None, None, None]
    return torch.where(hidden, uniform(-1, 1, n, 3, 1, 1), moved).clamp(-1.5, 1.5)


def train_tower(
    pixels: Tensor, shown: Tensor, *, steps: int, seed: int, batch: int = 96
) -> CLIPVisionModel:
    """Teach a tower to name `shown` (int64, n) from `pixels` (uint8, (n, 3, 64, 64))."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    tower = CLIPVisionModel(tower_config())
    head = nn.Linear(tower.config.hidden_size, int(shown.max()) + 1)
    pictures = normalise(pixels)

    def loss_at(step: int) -> Tensor:
        del step
        chosen = torch.randint(0, len(shown), (batch,), generator=generator)
        hidden = tower(pixel_values=augment(pictures[chosen], generator)).last_hidden_state[:, 1:]
        whole, patches = head(hidden.mean(1)).float(), head(hidden).float().flatten(0, 1)
        each = shown[chosen].repeat_interleave(hidden.shape[1])
        # Each patch must tell what the picture shows: the projector reads them one by one.
        return 0.5 * (
            F.cross_entropy(whole, shown[chosen], label_smoothing=0.1)
            + F.cross_entropy(patches, each, label_smoothing=0.1)
        )

    tower.train()
    optimise([*tower.parameters(), *head.parameters()], steps, 1.2e-3, loss_at, "tower")
    return tower.eval()
