"""Equations that go by pieces: the size of a piece changes nothing, and torch computes what numpy does."""

import numpy as np
import pytest
import torch

from merge_dsl.meaning.methods import METHODS
from tests.vlm.methods.tools import DRAW, defaults, taken, tensors, told
from vlm.methods import HOMES, kernel_of
from vlm.methods.pieces import Pieces, fill

WALKS = [method for method in HOMES if hasattr(kernel_of(method), "walk")]
SHAPES = {"matrix": (60, 70), "long": (1300, 101)}  # the second is longer than what is sampled


def walked(method: str, shape: tuple[int, ...], size: int, numpy: bool, **shared: object):
    """What an equation makes of a piece after another; by numpy, or by torch as on a device."""
    base, models = tensors(taken(method, 2), shape=shape, spread=0.01)

    def reader(tensor: torch.Tensor, rounded: bool = True):
        tensor = tensor.bfloat16() if rounded else tensor  # magnitudes that occur more than once
        flat = tensor.float().contiguous().view(-1)
        if numpy:
            return lambda part: flat.numpy()[part].copy()
        return lambda part: flat[part].clone()

    reads = [reader(model) for model in models]
    based = METHODS[method].base != "refused"
    said = told(method, models) if METHODS[method].reads else []
    measured = [None if one is None else reader(one, rounded=False) for one in said]
    base_read = reader(base) if based else None
    pieces = Pieces(shape, base_read, reads, size, measured=measured)
    given = {n: v for n, v in shared.items() if n in METHODS[method].settings}
    settings = [defaults(method, "ingredient")] * len(models)
    out = np.empty(base.numel(), dtype=np.float32)
    draw = DRAW if METHODS[method].random else None
    walk = kernel_of(method).walk
    parts = walk(pieces, settings, defaults(method, "shared") | given, draw)
    fill(out, (np.asarray(part) for part in parts))
    return out


def test_most_methods_go_by_pieces() -> None:
    assert {"linear", "task_arithmetic", "ties", "dare_ties", "breadcrumbs", "della", "slerp"} <= {
        *WALKS
    }


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("compat", ["paper", "mergekit"])
@pytest.mark.parametrize("method", WALKS)
def test_the_size_of_a_piece_changes_nothing(
    method: str, compat: str, shape: tuple[int, ...]
) -> None:
    whole = walked(method, shape, 1 << 20, True, compat=compat)
    cut = walked(method, shape, 999, True, compat=compat)
    if method == "slerp" or (compat == "mergekit" and "rescale" in METHODS[method].settings):
        np.testing.assert_allclose(cut, whole, rtol=1e-6)  # sums are of pieces
    else:
        np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("method", WALKS)
def test_torch_computes_what_numpy_does(method: str, shape: tuple[int, ...]) -> None:
    found, expected = (walked(method, shape, 4000, numpy) for numpy in (False, True))
    if method == "slerp":
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    else:
        np.testing.assert_array_equal(found, expected)
