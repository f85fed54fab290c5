"""Methods that blend differences, against their equations written once more in double precision."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vlm.methods.tools import (
    DRAW,
    Array,
    close,
    doubles,
    reference_merge,
    reference_trim,
    run,
    tensors,
)
from vlm.errors import MergeError
from vlm.methods.masks import keep_mask

WEIGHTS = [0.5, 1.2, 0.3]
SHARES = [0.3, 0.8, 0.5]
EACH = [{"weight": w, "density": d} for w, d in zip(WEIGHTS, SHARES, strict=True)]
SIGNED = [0.5, 1.2, -0.3]
FORMS = [(n, c) for n in (False, True) for c in ("paper", "mergekit")]


def added(deltas: Sequence[Array], normalize: bool) -> Array:
    mixed = sum(w * d for w, d in zip(WEIGHTS, deltas, strict=True))
    return mixed / (sum(WEIGHTS) if normalize else 1.0)


def mask(ingredient: int, share: float | Array, base: Tensor) -> Array:
    flat = base.flatten().numpy()
    share = share if isinstance(share, float) else share.ravel()
    return keep_mask(DRAW, ingredient, share, slice(0, flat.size), flat).reshape(base.shape)


def restored(kept: Array, delta: Array, share: float | Array, compat: str) -> Array:
    if compat == "paper":
        return kept / share
    return kept * np.abs(delta).sum() / np.abs(kept).sum()


def test_task_arithmetic_adds_weighted_differences() -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    expected = b + 0.8 * sum(w * d for w, d in zip(SIGNED, deltas, strict=True))
    close(
        run("task_arithmetic", base, models, [{"weight": w} for w in SIGNED], scale=0.8), expected
    )


@pytest.mark.parametrize(("normalize", "compat"), FORMS)
@pytest.mark.parametrize("densities", [(0.2, 0.5, 0.9), (1.0, 1.0, 1.0), (0.001, 0.3, 1.0)])
@pytest.mark.parametrize("weights", [WEIGHTS, SIGNED])
def test_ties_trims_elects_and_merges(
    densities: tuple[float, ...], weights: list[float], normalize: bool, compat: str
) -> None:
    base, models = tensors()
    b = base.double().numpy()
    trimmed = [
        reference_trim((m - base).double().numpy(), d)
        for m, d in zip(models, densities, strict=True)
    ]
    expected = b + 0.9 * reference_merge(trimmed, weights, normalize, compat)
    each = [{"weight": w, "density": d} for w, d in zip(weights, densities, strict=True)]
    found = run("ties", base, models, each, scale=0.9, normalize=normalize, compat=compat)
    close(found, expected)


@pytest.mark.parametrize(("normalize", "compat"), FORMS)
@pytest.mark.parametrize("rescale", [0.0, 1.0])
@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare_drops_rescales_and_merges(
    method: str, rescale: float, normalize: bool, compat: str
) -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    for i, (delta, share) in enumerate(zip(deltas, SHARES, strict=True)):
        deltas[i] = kept = mask(i, share, base) * delta
        deltas[i] = restored(kept, delta, share, compat) if rescale else kept
    merged = added(deltas, normalize)
    if method == "dare_ties":
        merged = reference_merge(deltas, WEIGHTS, normalize, compat)
    shared = {"scale": 0.9, "normalize": normalize, "compat": compat, "rescale": rescale}
    close(run(method, base, models, EACH, **shared), b + 0.9 * merged)


def banded(delta: Array, density: float, gamma: float) -> Array:
    flat = delta.ravel()
    keep = int(density * flat.size)
    low = max(0, flat.size - keep - int(gamma * flat.size))
    order = sorted(range(flat.size), key=lambda i: (abs(flat[i]), -i))
    kept = np.zeros_like(flat)
    kept[order[low : low + keep]] = flat[order[low : low + keep]]
    return kept.reshape(delta.shape)


@pytest.mark.parametrize(("normalize", "compat"), FORMS)
@pytest.mark.parametrize("gamma", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("method", ["breadcrumbs", "breadcrumbs_ties"])
def test_breadcrumbs_drop_both_ends(
    method: str, gamma: float, normalize: bool, compat: str
) -> None:
    base, models = tensors()
    b = base.double().numpy()
    bands = [
        banded((m - base).double().numpy(), d, gamma) for m, d in zip(models, SHARES, strict=True)
    ]
    merged, shared = added(bands, normalize), {"scale": 0.9, "normalize": normalize}
    if method == "breadcrumbs_ties":
        merged = reference_merge(bands, WEIGHTS, normalize, compat)
        shared = {**shared, "compat": compat}
    each = [one | {"gamma": gamma} for one in EACH]
    close(run(method, base, models, each, **shared), b + 0.9 * merged)


@pytest.mark.parametrize(("normalize", "compat"), FORMS)
@pytest.mark.parametrize("rescale", [0.0, 1.0])
@pytest.mark.parametrize("method", ["della", "della_linear"])
def test_della_keeps_large_ones_more_often(
    method: str, rescale: float, normalize: bool, compat: str
) -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    for i, (delta, density) in enumerate(zip(deltas, SHARES, strict=True)):
        ranks = np.empty_like(delta)
        for row, out in zip(np.abs((models[i] - base).numpy()), ranks, strict=True):
            out[np.argsort(row, kind="stable")] = np.arange(row.size)
        shares = density - 0.15 + 0.3 * ranks / (delta.shape[1] - 1)
        deltas[i] = kept = mask(i, shares.astype(np.float32), base) * delta
        deltas[i] = restored(kept, delta, shares, compat) if rescale else kept
    merged = added(deltas, normalize)
    if method == "della":
        merged = reference_merge(deltas, WEIGHTS, normalize, compat)
    shared = {"scale": 0.9, "normalize": normalize, "compat": compat, "rescale": rescale}
    close(run(method, base, models, EACH, **shared), b + 0.9 * merged)


def test_what_is_dropped_is_made_up_for_in_the_mean() -> None:
    """E[m/p] = 1: over many seeds, DARE and DELLA are the whole difference."""
    base, models = tensors(1)
    b, (delta,) = doubles(base, models)
    for method in ("dare_linear", "della_linear"):
        draws = [type(DRAW)(seed, "t", ("m",)) for seed in range(600)]
        found = np.mean([run(method, base, models, draw=draw) for draw in draws], axis=0) - b
        assert np.abs(found - delta).mean() < 0.1 * np.abs(delta).mean()


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("compat", ["paper", "mergekit"])
def test_sce_selects_calculates_and_erases(share: float, compat: str) -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    if share < 1:
        spread = np.var(deltas, axis=0)
        cut = np.sort(spread.ravel())[-int(spread.size * share)]
        deltas = [delta * (spread >= cut) for delta in deltas]
    squares = np.array([(delta**2).sum() for delta in deltas])
    eta = squares / squares.sum()
    sign = np.sign(sum(deltas))
    kept = [e * (np.sign(d) == sign) for e, d in zip(eta, deltas, strict=True)]
    merged = sum(k * d for k, d in zip(kept, deltas, strict=True))
    if compat == "mergekit":
        merged = merged / np.maximum(sum(kept), 1e-6)
    shared = {"select_topk": share, "scale": 0.9, "compat": compat}
    close(run("sce", base, models, **shared), b + 0.9 * merged)


def test_sce_of_finely_tuned_models_still_weighs_them() -> None:
    """mergekit compares mean squares with 1e-6 and weighs such models alike."""
    base, models = tensors(2, spread=1e-4)
    models[1] = base + 4 * (models[1] - base)
    fine = run("sce", base, models) - base.double().numpy()
    coarse = run("sce", base * 1e4, [m * 1e4 for m in models]) - base.double().numpy() * 1e4
    close(fine, coarse / 1e4, 1e-2)  # differences of 1e-4 are rounded to parts in a thousand


@pytest.mark.parametrize("rows", [False, True])
def test_model_stock_is_drawn_to_the_base_by_the_angle(rows: bool) -> None:
    base, models = tensors(3)
    models = [model + 0.05 for model in models]  # some agreement
    b, deltas = doubles(base, models)

    def stock(parts: Sequence[Array]) -> Array:
        unit = [part / np.linalg.norm(part) for part in parts]
        c = np.mean([(unit[i] * unit[j]).sum() for i, j in ((0, 1), (0, 2), (1, 2))])
        return 3 * c / (1 + 2 * c) * np.mean(parts, axis=0)

    whole = np.stack([stock(r) for r in zip(*deltas, strict=True)]) if rows else stock(deltas)
    close(run("model_stock", base, models, filter_wise=rows), b + whole)


def sparse(count: int = 3) -> tuple[Tensor, list[Tensor]]:
    base, models = tensors(count)
    masks = [
        torch.rand(base.shape, generator=torch.Generator().manual_seed(9 + i)) for i in range(3)
    ]
    return base, [torch.where(m < 0.4, x, base) for m, x in zip(masks, models, strict=False)]


@pytest.mark.parametrize("plus", [False, True])
def test_ram_averages_only_what_several_changed(plus: bool) -> None:
    base, models = sparse()
    b, deltas = doubles(base, models)
    active = [np.abs(delta) > 1e-5 for delta in deltas]
    count = sum(a.astype(int) for a in active)
    merged = np.zeros_like(b)
    for delta, a in zip(deltas, active, strict=True):
        ratio = (a & (count > 1)).sum() / (a & (count == 1)).sum()
        raised = 1 + 0.3 * min(ratio, 0.9) if plus else 1.0
        merged += a * delta * np.where(count == 1, raised, 1 / np.maximum(count, 1))
    found = run("ramplus_tl", base, models, r=0.3, alpha=0.9) if plus else run("ram", base, models)
    close(found, b + merged)


@pytest.mark.parametrize("agree", [1, 2, 3])
def test_consensus_keeps_what_several_own(agree: int) -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    taus = [w * d for w, d in zip(WEIGHTS, deltas, strict=True)]
    total = sum(taus)
    owners = sum((np.abs(t) >= 0.4 * np.abs(total - t)).astype(int) for t in taus)
    each = [{"weight": w} for w in WEIGHTS]
    found = run("consensus", base, models, each, agree=agree, scale=0.9)
    close(found, b + 0.9 * total * (owners >= agree))


def test_emr_takes_the_largest_of_the_elected_sign() -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    taus = np.stack([w * d for w, d in zip(WEIGHTS, deltas, strict=True)])
    sign = np.sign(taus.sum(axis=0))
    most = np.where(np.sign(taus) == sign, np.abs(taus), 0).max(axis=0)
    each = [{"weight": w} for w in WEIGHTS]
    close(run("emr", base, models, each, scale=0.9), b + 0.9 * sign * most)
    for task in range(3):
        mask = sign * taus[task] > 0
        rescaler = np.abs(taus[task]).sum() / np.abs(most[mask]).sum()
        chosen = [one | {"task": float(i == task)} for i, one in enumerate(each)]
        expected = b + 0.9 * rescaler * mask * sign * most
        close(run("emr", base, models, chosen, scale=0.9), expected)


def test_emr_of_one_ingredient_for_its_task_is_that_ingredient() -> None:
    base, models = tensors(1)
    found = run("emr", base, models, [{"task": 1.0}])
    close(found, models[0].double().numpy())


def test_emr_masks_for_one_task_only() -> None:
    base, models = tensors(2)
    with pytest.raises(MergeError, match="2 ingredients are the task"):
        run("emr", base, models, [{"task": 1.0}] * 2)


@pytest.mark.parametrize("shape", [(13, 17), (30, 9)])
def test_tsv_makes_singular_vectors_orthogonal(shape: tuple[int, int]) -> None:
    base, models = tensors(shape=shape)
    b, deltas = doubles(base, models)
    rank = min(shape) // 3
    parts = [
        np.linalg.svd(w * d, full_matrices=False) for w, d in zip(WEIGHTS, deltas, strict=True)
    ]

    def whitened(x: Array) -> Array:
        values, vectors = np.linalg.eigh(x.T @ x)
        return x @ vectors @ np.diag(values**-0.5) @ vectors.T  # the polar factor

    left = whitened(np.hstack([u[:, :rank] for u, _, _ in parts]))
    right = whitened(np.hstack([vt[:rank].T for _, _, vt in parts]))
    merged = left @ np.diag(np.hstack([s[:rank] for _, s, _ in parts])) @ right.T
    each = [{"weight": w} for w in WEIGHTS]
    close(run("tsv", base, models, each, scale=0.9), b + 0.9 * merged, 5e-6)


def test_iso_c_makes_singular_values_equal() -> None:
    base, models = tensors()
    b, deltas = doubles(base, models)
    u, s, vt = np.linalg.svd(sum(w * d for w, d in zip(WEIGHTS, deltas, strict=True)), False)
    each = [{"weight": w} for w in WEIGHTS]
    close(run("iso_c", base, models, each, scale=0.9), b + 0.9 * s.mean() * u @ vt, 5e-6)


@pytest.mark.parametrize("method", ["tsv", "iso_c"])
def test_what_is_no_matrix_is_averaged(method: str) -> None:
    base, models = tensors(shape=(40,))
    b, deltas = doubles(base, models)
    mean = sum(w * d for w, d in zip(WEIGHTS, deltas, strict=True)) / 3
    close(run(method, base, models, [{"weight": w} for w in WEIGHTS]), b + mean)


def test_where_votes_cancel_the_paper_stays_and_mergekit_goes_up() -> None:
    base = torch.zeros(4)
    left, right = torch.tensor([1.0, 1, -2, 0]), torch.tensor([-1.0, 2, 1, 3])
    each, plain = [{"weight": 1.0, "density": 1.0}] * 2, {"normalize": 0.0}
    found = run("ties", base, [left, right], each, **plain)
    np.testing.assert_array_equal(found, [0, 3, -2, 3])
    found = run("ties", base, [left, right], each, compat="mergekit", **plain)
    np.testing.assert_array_equal(found, [1, 3, -2, 3])


def test_the_paper_elects_before_it_weighs() -> None:
    base = torch.zeros(1)
    up, down = torch.tensor([1.0]), torch.tensor([-2.0])
    each = [{"weight": 5.0, "density": 1.0}, {"weight": 1.0, "density": 1.0}]
    assert run("ties", base, [up, down], each).item() == -2.0
    assert run("ties", base, [up, down], each, compat="mergekit").item() == 1.0


def test_weights_of_both_signs_that_agree_are_not_divided_by_zero() -> None:
    base = torch.zeros(2)
    up, down = torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 1.0])
    each = [{"weight": w, "density": 1.0} for w in (0.3, -0.3, 0.5)]
    models = [up, down, torch.zeros(2)]
    np.testing.assert_array_equal(run("ties", base, models, each), [0, 0])
    close(run("ties", base, models, each, compat="mergekit"), np.array([0.6, 1]))
