"""Every kernel against its equation, written once more in numpy and in double precision."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from merge_dsl.meaning.methods import METHODS
from vlm.errors import MergeError
from vlm.methods import KERNELS, Draw
from vlm.methods.masks import keep_mask

torch.set_num_threads(1)

SHAPE = (13, 17)
DRAW = Draw(7, "language.layers.3.mlp.up", ("llava", "shisa", "math"))
Array = np.ndarray


def tensors(count: int = 3, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(SHAPE, generator=generator)
    return base, [base + 0.1 * torch.randn(SHAPE, generator=generator) for _ in range(count)]


def settings(weights: Sequence[float], densities: Sequence[float]) -> list[dict[str, float]]:
    return [{"weight": w, "density": d} for w, d in zip(weights, densities, strict=True)]


def run(
    method: str,
    base: Tensor,
    models: Sequence[Tensor],
    each: Sequence[Mapping[str, float]],
    draw: Draw = DRAW,
    **shared: float,
) -> Array:
    result = KERNELS[method](base, models, each, {"scale": 1.0, "normalize": 0.0, **shared}, draw)
    assert result.dtype == torch.float32 and result.shape == base.shape
    return result.double().numpy()


def reference_trim(delta: Array, density: float) -> Array:
    keep = max(1, int(density * delta.size))
    flat = delta.ravel()
    order = sorted(range(flat.size), key=lambda i: (-abs(flat[i]), i))
    kept = np.zeros_like(flat)
    kept[order[:keep]] = flat[order[:keep]]
    return kept.reshape(delta.shape)


def reference_merge(weighted: list[Array], weights: Sequence[float], normalize: bool) -> Array:
    result = np.zeros_like(weighted[0])
    for at in np.ndindex(result.shape):
        values = [one[at] for one in weighted]
        sign = np.sign(sum(values))
        agreeing = [i for i, value in enumerate(values) if np.sign(value) == sign and sign != 0]
        total = sum(values[i] for i in agreeing)
        share = sum(weights[i] for i in agreeing) if normalize else 1.0
        result[at] = total / share if agreeing else 0.0
    return result


@pytest.mark.parametrize("normalize", [False, True])
def test_linear_is_the_weighted_mean(normalize: bool) -> None:
    base, models = tensors()
    weights = [0.2, 0.7, 0.4]
    mixed = [w * m.double().numpy() for w, m in zip(weights, models, strict=True)]
    expected = np.sum(mixed, axis=0) / (sum(weights) if normalize else 1)
    found = run("linear", base, models, settings(weights, [1, 1, 1]), normalize=normalize)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_task_arithmetic_adds_weighted_differences() -> None:
    base, models = tensors()
    weights = [0.5, 1.2, -0.3]
    b = base.double().numpy()
    expected = b + 0.8 * sum(
        w * (m.double().numpy() - b) for w, m in zip(weights, models, strict=True)
    )
    found = run("task_arithmetic", base, models, settings(weights, [1, 1, 1]), scale=0.8)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("densities", [(0.2, 0.5, 0.9), (1.0, 1.0, 1.0), (0.001, 0.3, 1.0)])
def test_ties_trims_elects_and_merges(densities: tuple[float, ...], normalize: bool) -> None:
    base, models = tensors()
    weights = [0.5, 1.2, 0.3]
    b = base.double().numpy()
    trimmed = [
        w * reference_trim((m - base).double().numpy(), d)
        for m, w, d in zip(models, weights, densities, strict=True)
    ]
    expected = b + 0.9 * reference_merge(trimmed, weights, normalize)
    found = run("ties", base, models, settings(weights, densities), scale=0.9, normalize=normalize)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
def test_dare_drops_rescales_and_merges(normalize: bool) -> None:
    base, models = tensors()
    weights, densities = [0.5, 1.2, 0.3], [0.3, 0.8, 0.5]
    b = base.double().numpy()
    dropped = []
    for i, (m, w, d) in enumerate(zip(models, weights, densities, strict=True)):
        mask = keep_mask(DRAW, i, d, base.shape, base.device).numpy()
        dropped.append(w * mask * ((m - base).double().numpy()) / d)
    expected = b + 0.9 * reference_merge(dropped, weights, normalize)
    each = settings(weights, densities)
    found = run("dare_ties", base, models, each, scale=0.9, normalize=normalize)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("density", [0.03, 0.1, 0.5, 0.7, 0.999])
def test_trim_keeps_exactly_k_and_the_lower_index_wins_a_tie(density: float) -> None:
    base = torch.zeros(100)
    model = torch.tensor([0.5, -0.5, 0.25, 0.0, 1.0] * 20)  # five magnitudes, many ties
    found = run("ties", base, [model], settings([1.0], [density]))
    np.testing.assert_array_equal(found, reference_trim(model.double().numpy(), density))
    keep = max(1, int(density * 100))
    assert np.count_nonzero(found) == min(keep, 80)  # zeros that are kept stay zeros


@pytest.mark.parametrize("method", ["ties", "dare_ties"])
def test_density_zero_leaves_the_base(method: str) -> None:
    base, models = tensors(2)
    found = run(method, base, models, settings([1, 1], [0, 0]), normalize=1.0)
    np.testing.assert_array_equal(found, base.double().numpy())


@pytest.mark.parametrize("method", list(KERNELS))
def test_one_ingredient_of_weight_and_density_one_is_itself(method: str) -> None:
    base, models = tensors(1)
    found = run(method, base, models, settings([1.0], [1.0]), normalize=1.0)
    np.testing.assert_allclose(found, models[0].double().numpy(), atol=2e-7)


def test_linear_with_normalize_gives_a_lone_ingredient_back_bit_for_bit() -> None:
    base, models = tensors(1)
    found = run("linear", base, models, settings([0.3], [1.0]), normalize=1.0)
    np.testing.assert_array_equal(found, models[0].double().numpy())


@pytest.mark.parametrize("normalize", [0.0, 1.0])
@pytest.mark.parametrize("method", list(KERNELS))
def test_the_order_of_ingredients_does_not_matter(method: str, normalize: float) -> None:
    base, models = tensors()
    each = settings([0.5, 1.2, 0.3], [0.4, 0.9, 0.6])
    there = run(method, base, models, each, normalize=normalize)
    order = [2, 0, 1]
    moved = Draw(DRAW.seed, DRAW.tensor, tuple(DRAW.models[i] for i in order))
    back = run(
        method,
        base,
        [models[i] for i in order],
        [each[i] for i in order],
        moved,
        normalize=normalize,
    )
    np.testing.assert_allclose(there, back, atol=1e-6)


@pytest.mark.parametrize("method", list(KERNELS))
def test_a_kernel_writes_to_none_of_its_inputs(method: str) -> None:
    base, models = tensors()
    kept = [one.clone() for one in (base, *models)]
    run(method, base, models, settings([0.5, 1.2, 0.3], [1.0, 0.5, 0.0]), normalize=1.0)
    for one, before in zip((base, *models), kept, strict=True):
        assert torch.equal(one, before)


def test_exact_cancellation_stays_at_the_base() -> None:
    base = torch.zeros(4)
    left, right = torch.tensor([1.0, 1, -2, 0]), torch.tensor([-1.0, 2, 1, 3])
    found = run("ties", base, [left, right], settings([1, 1], [1, 1]))
    np.testing.assert_array_equal(found, [0, 3, -2, 3])


def test_weights_of_both_signs_that_agree_are_not_divided_by_zero() -> None:
    base = torch.zeros(2)
    up, down = torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 1.0])
    each = settings([1.0, -1.0, 0.5], [1, 1, 1])
    found = run("ties", base, [up, down, torch.zeros(2)], each, normalize=1.0)
    np.testing.assert_array_equal(found, [2, 0])


@pytest.mark.parametrize("method", ["linear", "ties", "dare_ties"])
@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, -1.0), (0.1, 0.2, -0.3)])
def test_weights_that_sum_to_zero_cannot_be_normalised(
    method: str, weights: tuple[float, ...]
) -> None:
    base, models = tensors(len(weights))
    with pytest.raises(MergeError, match=r"sum to zero.*normalize = false"):
        run(method, base, models, settings(weights, [1.0] * len(weights)), normalize=1.0)


def test_what_cannot_be_blended_says_so() -> None:
    base, models = tensors(1)
    one = settings([1.0], [1.0])
    with pytest.raises(MergeError, match="has no base; add a `base` line"):
        KERNELS["ties"](None, models, one, {"scale": 1.0, "normalize": 0.0}, None)
    with pytest.raises(MergeError, match=r"\[1, 3\] and \[3\]"):
        KERNELS["linear"](None, [torch.ones(3), torch.ones(1, 3)], one * 2, {"normalize": 1}, None)
    with pytest.raises(MergeError, match="have no seed"):
        KERNELS["dare_ties"](base, models, one, {"scale": 1.0, "normalize": 0.0}, None)
    assert str(MergeError("it is wrong", "mend it").at("head")) == "head: it is wrong; mend it"


def test_an_empty_tensor_is_blended_to_an_empty_tensor() -> None:
    base = torch.zeros(0, 4)
    for method, kernel in KERNELS.items():
        one = settings([1.0], [0.5])
        result = kernel(base, [base], one, {"scale": 1.0, "normalize": 1.0}, DRAW)
        assert result.shape == base.shape, method


def test_signatures_and_kernels_name_the_same_methods() -> None:
    assert list(METHODS) == list(KERNELS)


@pytest.mark.parametrize("method", list(METHODS))
def test_a_kernel_reads_the_settings_of_its_signature_and_no_other(method: str) -> None:
    """A kernel given exactly its signature's settings runs, and reads every one of them."""
    base, models = tensors(2)
    read: set[str] = set()

    class Spy(dict[str, float]):
        def __getitem__(self, key: str) -> float:
            read.add(key)
            return super().__getitem__(key)

    known = METHODS[method].settings
    given = {name: float(known[name].default or 0.0) for name in known}
    each = Spy({n: v for n, v in given.items() if known[n].scope == "ingredient"})
    shared = Spy({n: v for n, v in given.items() if known[n].scope == "shared"})
    needs_base = METHODS[method].base == "required"
    draw = DRAW if METHODS[method].random else None
    KERNELS[method](base if needs_base else None, models, [each, each], shared, draw)
    assert read == set(known)
