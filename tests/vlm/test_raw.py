"""Numbers as files hold them: to fp32 and back as torch does it, and never a number out of none."""

import numpy as np
import pytest
import torch

from vlm.errors import MergeError
from vlm.weights.raw import Raw, is_sound, of_tensor, rounded, widest
from vlm.weights.result import stored

TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def awkward() -> np.ndarray:
    """Random bits that are numbers: large, small, denormal, halfway between two of bf16."""
    words = np.random.default_rng(1).integers(0, 1 << 32, 20_000, dtype=np.uint32)
    halves = (words[:1000] & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    values = np.concatenate([words, halves]).view(np.float32)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("dtype", TORCH)
def test_rounding_is_that_of_torch(dtype: str) -> None:
    values = awkward()
    expected = torch.from_numpy(values.copy()).to(TORCH[dtype])
    found = rounded(values.copy(), dtype)
    np.testing.assert_array_equal(found.view("V2" if found.itemsize == 2 else "V4"),
                                  of_tensor(expected).numbers.view(f"V{found.itemsize}"))  # fmt: skip
    sound = [is_sound(dtype, one) for one in np.split(found, len(found))]
    np.testing.assert_array_equal(sound, expected.isfinite().numpy())


@pytest.mark.parametrize("dtype", [*TORCH.values(), torch.float64, torch.int64, torch.bool])
def test_widening_is_that_of_torch(dtype: torch.dtype) -> None:
    tensor = torch.randn(50, 7, generator=torch.Generator().manual_seed(1)).mul(3).to(dtype)
    raw = of_tensor(tensor)
    assert raw.shape == (50, 7)
    expected = tensor.float().view(-1)[13:200:3].numpy()
    np.testing.assert_array_equal(raw.widened(slice(13, 200, 3)), expected)


@pytest.mark.parametrize("dtype", [*TORCH.values(), torch.float64])
@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_seen(dtype: torch.dtype, strange: float) -> None:
    tensor = torch.zeros(100, dtype=dtype)
    assert is_sound(of_tensor(tensor).dtype, of_tensor(tensor).numbers)
    tensor[37] = strange
    assert not is_sound(of_tensor(tensor).dtype, of_tensor(tensor).numbers)


@pytest.mark.parametrize("dtype", TORCH)
def test_what_arithmetic_makes_of_the_impossible_is_seen(dtype: str) -> None:
    zero, infinity = np.zeros(1, np.float32), np.full(1, np.inf, np.float32)
    with np.errstate(all="ignore"):
        for none in (zero / zero, infinity - infinity, infinity, -infinity, -(zero / zero)):
            assert not is_sound(dtype, rounded(none.copy(), dtype))


def test_no_number_is_made_of_a_kept_one_that_is_none() -> None:
    """Every bit but the sign: rounding would carry into it, and leave a zero."""
    worst = np.array([0x7FFFFFFF], np.uint32).view(np.float32)
    assert rounded(worst.copy(), "BF16") == 0x8000
    with pytest.raises(MergeError, match="NaN"):
        list(stored(Raw("F32", (1,), worst), "BF16", "x"))


def test_held_numbers_do_not_follow_their_file() -> None:
    numbers = np.zeros(3, np.float32)
    held = Raw("F32", (3,), numbers).held()
    numbers[:] = 1
    assert not held.numbers.any()


@pytest.mark.parametrize(
    ("several", "one"),
    [
        (["BF16", "BF16"], "BF16"),
        (["BF16", "F32"], "F32"),
        (["F16", "BF16"], "F32"),
        (["F64", "F16"], "F64"),
        (["F32", "I64"], None),
        (["F8_E4M3"], None),
    ],
)
def test_what_is_made_of_several_holds_the_numbers_of_each(
    several: list[str], one: str | None
) -> None:
    assert widest(several) == one
