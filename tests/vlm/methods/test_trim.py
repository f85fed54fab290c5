"""The largest elements: exactly so many, and of equal ones the earlier."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vlm.methods.tools import reference_trim, run
from vlm.methods.pieces import Pieces
from vlm.methods.trim import largest, limits

LONG = 1 << 18  # long enough for the sampled search


def gauss(count: int) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(3))


VALUES = {
    "gauss": gauss(LONG).abs(),
    "of bf16": gauss(LONG).bfloat16().float().abs(),  # many equal ones
    "ascending": torch.arange(LONG, dtype=torch.float32),
    "all alike": torch.full((LONG,), 2.0),
    "mostly zero": torch.where(torch.arange(LONG) % 97 == 5, gauss(LONG).abs(), 0.0),
    "a sample that misleads": torch.where(torch.arange(LONG) % 4 == 0, 9.0, gauss(LONG).abs()),
    "short": gauss(100).abs(),
}


def pieces(values: Tensor, size: int = 1 << 15) -> Pieces:
    """A difference of these magnitudes from a base of zeros."""
    flat = values.numpy()
    read = lambda part: flat[part].copy()  # noqa: E731
    return Pieces((len(flat),), lambda part: np.zeros_like(flat[part]), [read], size)


@pytest.mark.parametrize("name", VALUES)
def test_a_limit_is_that_of_a_sort(name: str) -> None:
    values = VALUES[name]
    ranked = values.sort(descending=True).values
    count = values.numel()
    asked = {1, 2, 7, count // 100, count // 4, count // 4 + 1, count // 2, count - 1} - {0}
    (found,) = limits(pieces(values), [asked])
    for k in asked:
        assert found[k].value == ranked[k - 1], k
        assert found[k].level == k - int((values > ranked[k - 1]).sum()), k


def test_what_was_found_is_not_searched_again() -> None:
    once = pieces(VALUES["gauss"])
    first = limits(once, [{1000, 5000}])
    again = Pieces(once.shape, None, [], memo=once.memo)  # which could not be read
    assert limits(again, [{1000, 5000}]) == first


@pytest.mark.parametrize("name", VALUES)
def test_exactly_so_many_are_largest(name: str) -> None:
    values = VALUES[name].numpy()
    count = values.size
    for keep in (0, 1, count // 3, count - 1, count, count + 5):
        mask = largest(values, keep)
        assert int(mask.sum()) == min(keep, count)
        if 0 < keep < count:
            order = np.lexsort((np.arange(count), -values))
            assert mask[order[:keep]].all()


@pytest.mark.parametrize("density", [0.03, 0.1, 0.5, 0.7, 0.999])
def test_trim_keeps_exactly_k_and_the_lower_index_wins_a_tie(density: float) -> None:
    base = torch.zeros(100)
    model = torch.tensor([0.5, -0.5, 0.25, 0.0, 1.0] * 20)  # five magnitudes, many ties
    found = run("ties", base, [model], [{"density": density}])
    np.testing.assert_array_equal(found, reference_trim(model.double().numpy(), density))
    keep = max(1, int(density * 100))
    assert np.count_nonzero(found) == min(keep, 80)  # zeros that are kept stay zeros
