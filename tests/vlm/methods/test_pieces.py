"""Equations that go by pieces: the size of a piece changes nothing, and torch computes what numpy does."""

import itertools

import numpy as np
import pytest
import torch

from merge_dsl.meaning.methods import METHODS
from tests.vlm.methods.tools import DRAW, defaults, taken, tensors, told
from vlm.methods import HIDES, HOMES, kernel_of
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


def slices(array: np.ndarray | None):
    return None if array is None else lambda part: array.reshape(-1)[part].copy()


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("compat", ["paper", "mergekit"])
@pytest.mark.parametrize("method", WALKS)
def test_what_is_no_number_shows_in_the_result(method: str, compat: str, strange: float) -> None:
    """Wherever it stands, in whomever: else every parent would have to be looked at for it."""
    base, models = (x.numpy() if i == 0 else [y.numpy() for y in x] for i, x in enumerate(
        tensors(taken(method, 2), shape=(60, 70), spread=0.01)
    ))  # fmt: skip
    known, walk = METHODS[method], kernel_of(method).walk
    said = told(method, [torch.from_numpy(model) for model in models]) if known.reads else []
    measured = [slices(None if one is None else one.numpy()) for one in said]
    words = {"compat": compat} if "compat" in known.settings else {}
    draw = DRAW if known.random else None
    places = np.random.default_rng(5).integers(0, base.size, 4)
    shown, out = [], np.empty(base.size, dtype=np.float32)
    for number, at in itertools.product(range(len(models) + (known.base != "refused")), places):
        *spoilt, b = [array.copy() for array in (*models, base)]
        (*spoilt, b)[number].reshape(-1)[at] = strange
        based = slices(b) if known.base != "refused" else None
        pieces = Pieces(base.shape, based, [*map(slices, spoilt)], 999, measured=measured)
        for density in (0.0, 0.5, 1.0):
            own = defaults(method, "ingredient")
            given = {n: v for n, v in (("density", density), ("epsilon", 0.0)) if n in own}
            with np.errstate(all="ignore"):
                settings = [own | given] * len(models)
                fill(out, walk(pieces, settings, defaults(method, "shared") | words, draw))
            shown.append(not np.isfinite(out[at]))
    assert all(shown) == (method not in HIDES or bool(np.isnan(strange)))
