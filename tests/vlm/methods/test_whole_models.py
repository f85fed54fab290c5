"""Methods that blend whole models, against their equations written once more in double precision."""

import numpy as np
import pytest
import torch

from tests.vlm.methods.tools import Array, close, doubles, run, tensors
from vlm.errors import MergeError

WEIGHTS = [0.2, 0.7, 0.4]
EACH = [{"weight": w} for w in WEIGHTS]


def angle(a: Array, c: Array) -> float:
    """By the chord, which is exact where the arc cosine of a product is not."""
    u, v = a / np.linalg.norm(a), c / np.linalg.norm(c)
    return float(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))


def arc(a: Array, c: Array, t: float) -> Array:
    phi = angle(a, c)
    return (np.sin((1 - t) * phi) * a + np.sin(t * phi) * c) / np.sin(phi)


@pytest.mark.parametrize("normalize", [False, True])
def test_linear_is_the_weighted_mean(normalize: bool) -> None:
    base, models = tensors()
    mixed = sum(w * m.double().numpy() for w, m in zip(WEIGHTS, models, strict=True))
    found = run("linear", base, models, EACH, normalize=normalize)
    close(found, mixed / (sum(WEIGHTS) if normalize else 1))


def test_linear_with_normalize_gives_a_lone_ingredient_back_bit_for_bit() -> None:
    base, models = tensors(1)
    found = run("linear", base, models, [{"weight": 0.3}])
    np.testing.assert_array_equal(found, models[0].double().numpy())


def test_a_soup_is_uniform_unless_weighted() -> None:
    base, models = tensors()
    close(run("soup", base, models), np.mean([m.double().numpy() for m in models], axis=0))
    close(run("soup", base, models, EACH), run("linear", base, models, EACH))


def test_wise_ft_is_a_straight_line() -> None:
    base, models = tensors(1)
    b, (delta,) = doubles(base, models)
    close(run("wise_ft", base, models, alpha=0.3), b + 0.3 * delta)


def test_passthrough_scales() -> None:
    base, models = tensors(1)
    close(run("passthrough", base, models, scale=-1.5), -1.5 * models[0].double().numpy())


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("spread", [0.003, 0.1, 5.0])
def test_slerp_follows_the_arc(t: float, spread: float) -> None:
    base, models = tensors(1, spread=spread)
    a, c = (one.double().numpy() for one in (base, models[0]))
    close(run("slerp", base, models, t=t), arc(a, c, t))
    line = (1 - t) * a + t * c
    straight = np.cos(angle(a, c)) > 0.9995
    close(run("slerp", base, models, t=t, compat="mergekit"), line if straight else arc(a, c, t))


def test_where_there_is_no_arc_slerp_takes_the_line() -> None:
    base, _ = tensors(1)
    for other in (base * 2, base * -0.5, torch.zeros_like(base)):
        expected = 0.75 * base.double().numpy() + 0.25 * other.double().numpy()
        close(run("slerp", base, [other], t=0.25), expected)


@pytest.mark.parametrize("flags", [{}, {"flatten": 0.0}, {"flatten": 0.0, "row_wise": 1.0}])
@pytest.mark.parametrize("based", [False, True])
def test_nuslerp_draws_one_arc_or_one_a_row_or_column(flags: dict[str, float], based: bool) -> None:
    base, models = tensors(2)
    b, deltas = doubles(base, models)
    one, other = deltas if based else [b + delta for delta in deltas]
    t = 0.6 / (0.2 + 0.6)
    if not flags:
        expected = arc(one, other, t)
    elif "row_wise" in flags:
        columns = [arc(p, q, t) for p, q in zip(one.T, other.T, strict=True)]
        expected = np.stack(columns, axis=1)
    else:
        expected = np.stack([arc(p, q, t) for p, q in zip(one, other, strict=True)])
    each = [{"weight": 0.2}, {"weight": 0.6}]
    found = run("nuslerp", base if based else None, models, each, **flags)
    close(found, expected + (b if based else 0))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("based", [False, True])
def test_multislerp_is_mean_direction_times_mean_length(normalize: bool, based: bool) -> None:
    """With the step along the tangent, which the method has, and which leads nowhere."""
    base, models = tensors(3, spread=1.0)
    b, deltas = doubles(base, models)
    points = deltas if based else [b + delta for delta in deltas]
    w = np.array(WEIGHTS) / (sum(WEIGHTS) if normalize else 1)
    units = [p / np.linalg.norm(p) for p in points]
    middle = sum(x * u for x, u in zip(w, units, strict=True))
    middle = middle / np.linalg.norm(middle)
    tangent = sum(x * (u - (u * middle).sum() * middle) for x, u in zip(w, units, strict=True))
    assert np.linalg.norm(tangent) < 1e-14
    length = sum(x * np.linalg.norm(p) for x, p in zip(w, points, strict=True))
    found = run("multislerp", base if based else None, models, EACH, normalize=normalize)
    close(found, middle * length + (b if based else 0))


@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_karcher_ends_where_all_pulls_cancel(spread: float) -> None:
    base, models = tensors(3, spread=spread)
    points = [model.double().numpy() for model in models]
    units = [p / np.linalg.norm(p) for p in points]
    mean = sum(units) / np.linalg.norm(sum(units))
    for _ in range(200):
        phis = [angle(mean, u) for u in units]
        pulls = [p / np.sin(p) * (u - np.cos(p) * mean) for p, u in zip(phis, units, strict=True)]
        step = sum(pulls) / 3
        size = np.linalg.norm(step)
        if size < 1e-14:
            break
        mean = np.cos(size) * mean + np.sin(size) * step / size
    expected = mean * np.mean([np.linalg.norm(p) for p in points])
    close(run("karcher", base, models, tol=1e-12, max_iter=200), expected)
    close(run("karcher", base, models), expected, 1e-5)


def test_directions_that_cancel_have_no_mean() -> None:
    base = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    for method in ("karcher", "multislerp"):
        with pytest.raises(MergeError, match="directions of the ingredients cancel"):
            run(method, None, [base, -base, base, -2 * base])
    close(run("multislerp", None, [base, -3 * base]), -1.0 * base.double().numpy())  # the line


def test_nearswap_moves_by_at_most_t() -> None:
    base, models = tensors(1)
    b, (delta,) = doubles(base, models)
    weight = np.minimum(1.0, 0.05 / np.abs(delta))
    close(run("nearswap", base, models, t=0.05), weight * (b + delta) + (1 - weight) * b)


def test_arcee_fusion_takes_what_stands_out() -> None:
    base, models = tensors(1)
    b, (delta,) = doubles(base, models)

    def soft(x: Array) -> Array:
        power = np.exp(x - x.max(axis=-1, keepdims=True))
        return power / power.sum(axis=-1, keepdims=True) + 1e-8

    p, q = soft(b + delta), soft(b)
    importance = np.abs(delta) * (p * np.log(p / q)).sum(axis=-1, keepdims=True)
    ranked = np.sort(importance.ravel())
    low, middle, high = (ranked[int(q * (ranked.size - 1))] for q in (0.25, 0.5, 0.75))
    kept = importance >= middle + 1.5 * (high - low)
    assert 0.02 < kept.mean() < 0.3
    close(run("arcee_fusion", base, models), b + kept * delta)
