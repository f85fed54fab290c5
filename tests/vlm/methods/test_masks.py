"""The masks: their bits, that nothing but names changes them, and that they look random."""

import numpy as np
import pytest
import torch

from vlm.methods.masks import Draw, keep_mask

HERE = np.zeros(0)  # masks lie where this lies
DRAW = Draw(7, "language.layers.3.mlp.up", ("llava", "shisa"))


def mask(
    draw: Draw,
    ingredient: int,
    density: float | np.ndarray,
    count: int,
    block: int | None = None,
    beside: object = HERE,
) -> np.ndarray:
    step = block or count
    parts = [slice(start, min(start + step, count)) for start in range(0, count, step)]
    chances = [density if isinstance(density, float) else density[part] for part in parts]
    masks = [
        keep_mask(draw, ingredient, chance, part, beside)
        for chance, part in zip(chances, parts, strict=True)
    ]
    return np.concatenate([np.asarray(one) for one in masks])


def reference(draw: Draw, ingredient: int, density: float, count: int) -> np.ndarray:
    """SplitMix64, written down once more: a hash for two positions, lower half first."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count // 2 + 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(draw.key(ingredient))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    halves = np.stack([z & np.uint64(0xFFFFFFFF), z >> np.uint64(32)], axis=1).reshape(-1)[:count]
    return halves < np.uint64(round(density * 2**32))


@pytest.mark.parametrize("beside", [HERE, torch.zeros(0)], ids=["numpy", "torch"])
def test_the_generator_is_splitmix64(beside: object) -> None:
    """The first outputs for state 1234567, as published with the algorithm's test vectors."""
    from vlm.methods.masks import _words

    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    halves = [half for word in published for half in (word & 0xFFFFFFFF, word >> 32)]
    assert _words(1234567, 0, 6, beside).tolist() == halves
    assert _words(1234567, 3, 6, beside).tolist() == halves[3:]


@pytest.mark.parametrize("density", [0.0, 1e-6, 0.25, 0.5, 0.9999, 1.0])
def test_torch_draws_the_words_of_numpy(density: float) -> None:
    """So does any device: integers wrap alike everywhere."""
    there = mask(DRAW, 1, density, 5000, 777, torch.zeros(0))
    np.testing.assert_array_equal(there, mask(DRAW, 1, density, 5000))


@pytest.mark.parametrize("density", [0.0, 1e-6, 0.25, 0.5, 0.9999, 1.0])
def test_bits_equal_an_independent_writing(density: float) -> None:
    np.testing.assert_array_equal(mask(DRAW, 1, density, 5000), reference(DRAW, 1, density, 5000))


def test_bits_are_pinned() -> None:
    """A change of these bits changes every model that was ever searched with a seed."""
    bits = "".join("01"[bit] for bit in mask(DRAW, 0, 0.5, 64).tolist())
    assert bits == "0010100010110111010100001000000110000100011110010101011110101011"


@pytest.mark.parametrize("block", [1, 7, 64, 4096, 1 << 20])
def test_the_block_changes_no_bit(block: int) -> None:
    np.testing.assert_array_equal(mask(DRAW, 0, 0.3, 3000, block), mask(DRAW, 0, 0.3, 3000))


def test_the_order_of_drawing_changes_no_bit() -> None:
    first = mask(DRAW, 0, 0.5, 300_000)
    for i in range(3):
        mask(Draw(i, "another", ("x",)), 0, 0.5, 100)
    np.testing.assert_array_equal(mask(DRAW, 0, 0.5, 300_000), first)


def test_a_larger_density_keeps_all_that_a_smaller_one_kept() -> None:
    """Masks are nested: a search over density moves through models that change little by little."""
    small, large = mask(DRAW, 0, 0.3, 10_000), mask(DRAW, 0, 0.6, 10_000)
    assert (large | ~small).all()


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_the_share_kept_is_the_density(density: float) -> None:
    count = 200_000
    kept = mask(DRAW, 0, density, count).sum()
    spread = (count * density * (1 - density)) ** 0.5
    assert abs(kept - count * density) < 4 * spread


def test_neighbours_and_strides_are_uncorrelated() -> None:
    bits = mask(DRAW, 0, 0.5, 200_000).astype(float) - 0.5
    for lag in (1, 2, 3, 64, 1024, 65_536):
        correlation = (bits[lag:] * bits[:-lag]).mean() * 4
        assert abs(correlation) < 4 / (len(bits) - lag) ** 0.5, lag


def test_any_other_name_gives_an_independent_mask() -> None:
    count = 100_000
    one = mask(DRAW, 0, 0.5, count)
    others = [
        mask(DRAW, 1, 0.5, count),
        mask(Draw(8, DRAW.tensor, DRAW.models), 0, 0.5, count),
        mask(Draw(7, "language.layers.4.mlp.up", DRAW.models), 0, 0.5, count),
    ]
    for other in others:
        agreeing = (one == other).mean()
        assert abs(agreeing - 0.5) < 4 * 0.5 / count**0.5


@pytest.mark.parametrize("beside", [HERE, torch.zeros(0)], ids=["numpy", "torch"])
def test_a_chance_for_each_element_draws_the_same_words(beside: object) -> None:
    chances = np.tile(np.array([0.0, 0.3, 0.6, 1.0], dtype=np.float32), 700)
    given = chances if beside is HERE else torch.from_numpy(chances)
    found = mask(DRAW, 0, given, 2800, 64, beside)
    for start, density in enumerate((0.0, 0.3, 0.6, 1.0)):
        # 0.3 as fp32 is another number than as a double, and no word of these lies between them
        np.testing.assert_array_equal(found[start::4], mask(DRAW, 0, density, 2800)[start::4])
