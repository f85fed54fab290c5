"""Methods that weigh by what data say, against their equations written once more in double precision."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vlm.methods.tools import SHAPE, Array, close, run, tensors
from vlm.errors import MergeError

WEIGHTS = [0.2, 0.7, 0.4]
EACH = [{"weight": w} for w in WEIGHTS]
WIDTH = SHAPE[1]


def fishers(seed: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(SHAPE, generator=generator).pow(6) * 1e-9 for _ in range(3)]


def inputs(count: int = 60, seed: int = 4) -> list[Tensor]:
    """What enters a layer of each model; a few directions are never seen."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, WIDTH, generator=generator) for _ in range(3)]


def grams(shown: list[Tensor]) -> list[Tensor]:
    return [x.T @ x / len(x) for x in shown]


def doubled(some: list[Tensor]) -> list[Array]:
    return [one.double().numpy() for one in some]


@pytest.mark.parametrize("floor", [1e-6, 0.5])
def test_fisher_weighs_number_by_number(floor: float) -> None:
    _, models = tensors()
    cares = doubled(fishers())
    middle = np.mean(cares)
    whole = [w * (f + floor * middle) for w, f in zip(WEIGHTS, cares, strict=True)]
    expected = sum(f * x for f, x in zip(whole, doubled(models), strict=True)) / sum(whole)
    close(run("fisher", None, models, EACH, measured=fishers(), floor=floor), expected)


def test_equal_fishers_are_the_linear_average() -> None:
    _, models = tensors()
    close(
        run("fisher", None, models, EACH, measured=fishers()[:1] * 3),
        run("linear", None, models, EACH),
    )


def test_where_one_alone_cares_it_is_that_one() -> None:
    _, models = tensors(2)
    care = torch.ones(SHAPE)
    found = run("fisher", None, models, measured=[care, 0 * care], floor=1e-12)
    close(found, models[0].double().numpy())


@pytest.mark.parametrize("method", ["fisher", "regmean"])
@pytest.mark.parametrize("nothing", [[None] * 3, "zeros"])
def test_what_nobody_measured_is_averaged(method: str, nothing: list[None] | str) -> None:
    _, models = tensors()
    side = SHAPE if method == "fisher" else (WIDTH, WIDTH)
    measured = [torch.zeros(side)] * 3 if nothing == "zeros" else [None] * 3
    found = run(method, None, models, EACH, measured=measured)
    close(found, run("linear", None, models, EACH))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("count", [60, 5])
def test_regmean_is_the_closed_form(alpha: float, count: int) -> None:
    _, models = tensors()
    floor = 1e-3
    some = doubled(grams(inputs(count)))
    middle = np.mean([np.trace(gram) / WIDTH for gram in some])
    shrunk = [
        alpha * gram + (1 - alpha) * np.diag(np.diag(gram)) + floor * middle * np.eye(WIDTH)
        for gram in some
    ]
    left = sum(w * x @ g for w, x, g in zip(WEIGHTS, doubled(models), shrunk, strict=True))
    right = sum(w * g for w, g in zip(WEIGHTS, shrunk, strict=True))
    found = run(
        "regmean", None, models, EACH, measured=grams(inputs(count)), alpha=alpha, floor=floor
    )
    close(found, left @ np.linalg.inv(right))


def test_regmean_with_one_gram_for_all_is_the_linear_average() -> None:
    _, models = tensors()
    average = run("linear", None, models, EACH)
    close(run("regmean", None, models, EACH, measured=[torch.eye(WIDTH)] * 3), average)
    close(run("regmean", None, models, EACH, measured=grams(inputs())[:1] * 3), average)


def test_no_other_layer_comes_nearer_to_all_outputs() -> None:
    """What the closed form is the answer to: the least squares over the inputs of all models."""
    _, models = tensors()
    shown = inputs()
    outputs = [x.double() @ m.double().T for x, m in zip(shown, models, strict=True)]
    best = torch.linalg.lstsq(torch.cat(shown).double(), torch.cat(outputs)).solution.T.numpy()
    found = run("regmean", None, models, measured=grams(shown), alpha=1.0, floor=1e-12)
    close(found, best, 1e-5)


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_weights_that_sum_to_zero_have_no_answer(method: str) -> None:
    _, models = tensors()
    with pytest.raises(MergeError, match=f"`{method}` divides by that sum"):
        run(method, None, models, [{"weight": 0.0}] * 3)
