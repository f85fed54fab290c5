"""What holds of every kernel, and how they say that an equation has no answer."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from merge_dsl.meaning.methods import METHODS
from tests.vlm.methods.tools import DRAW, close, defaults, run, taken, tensors, told
from vlm.errors import MergeError
from vlm.methods import HOMES, Draw, kernel_of

EACH = [{"weight": 0.5}, {"weight": 1.2}, {"weight": 0.3}]
KEEPS_ALL = {"density": 1.0, "weight": 1.0}
# One ingredient, taken whole, is not the result of these: they move it on purpose.
MOVED = {"slerp": {"t": 1.0}, "wise_ft": {"alpha": 1.0}, "nearswap": {"t": 1e9}}
ALONE = [name for name in METHODS if taken(name, 1) == 1 and name not in ("iso_c", "arcee_fusion")]
ORDERED = [name for name in METHODS if METHODS[name].takes[1] is None]
AGREEING = {"ties", "dare_ties", "breadcrumbs_ties", "della"}  # divided by weights that agree
WEIGHTED = [name for name in METHODS if "normalize" in METHODS[name].settings]


def own(method: str, values: dict[str, float]) -> dict[str, float]:
    return {n: v for n, v in values.items() if n in METHODS[method].settings}


def test_signatures_and_kernels_name_the_same_methods() -> None:
    assert list(METHODS) == list(HOMES)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("compat", ["paper", "mergekit"])
def test_a_kernel_reads_the_settings_of_its_signature_and_no_other(
    method: str, compat: str
) -> None:
    """A kernel given exactly its signature's settings runs, and reads every one of them."""
    read: set[str] = set()

    class Spy(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            read.add(key)
            return super().__getitem__(key)

    base, models = tensors(taken(method, 2))
    if "compat" not in METHODS[method].settings and compat == "mergekit":
        return
    each = Spy(defaults(method, "ingredient"))
    shared = Spy(defaults(method, "shared") | own(method, {"compat": compat, "flatten": 0.0}))
    given = base if METHODS[method].base != "refused" else None
    draw = DRAW if METHODS[method].random else None
    more = {"measured": told(method, models)} if METHODS[method].reads else {}
    kernel_of(method)(given, models, [each] * len(models), shared, draw, **more)
    assert read == {n for n, s in METHODS[method].settings.items() if s.kind != "data"}


@pytest.mark.parametrize("method", ALONE)
def test_one_ingredient_taken_whole_is_itself(method: str) -> None:
    base, models = tensors(1)
    found = run(method, base, models, [own(method, KEEPS_ALL)], **MOVED.get(method, {}))
    close(found, models[0].double().numpy(), 1e-6)


@pytest.mark.parametrize("method", list(METHODS))
def test_ingredients_that_equal_the_base_leave_it(method: str) -> None:
    base, _ = tensors()
    count = taken(method)
    found = run(method, base, [base] * count)
    close(found, base.double().numpy(), 1e-6)


AVERAGES = [
    "linear",
    "soup",
    "fisher",
    "regmean",
    "nuslerp",
    "multislerp",
    "karcher",
    "model_stock",
    "ties",
    "ram",
]


@pytest.mark.parametrize("method", AVERAGES)
def test_equal_ingredients_are_what_they_are(method: str) -> None:
    base, models = tensors(1)
    found = run(method, base, models * taken(method), [own(method, KEEPS_ALL)] * taken(method))
    close(found, models[0].double().numpy(), 1e-6)


@pytest.mark.parametrize("method", ORDERED)
@pytest.mark.parametrize("normalize", [0.0, 1.0])
def test_the_order_of_ingredients_does_not_matter(method: str, normalize: float) -> None:
    base, models = tensors()
    each = [own(method, one | {"density": d}) for one, d in zip(EACH, (0.4, 0.8, 0.6), strict=True)]
    shared = own(method, {"normalize": normalize})
    there = run(method, base, models, each, **shared)
    order = [2, 0, 1]
    moved = Draw(DRAW.seed, DRAW.tensor, tuple(DRAW.models[i] for i in order))
    turned = [models[i] for i in order], [each[i] for i in order]
    close(run(method, base, *turned, moved, **shared), there, 1e-5 if method == "tsv" else 1e-6)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("shape", [(), (1,), (7,), (1, 5), (5, 1), (4, 3, 2, 2), (0, 4), (4, 0)])
def test_any_shape_is_blended_and_no_input_is_written_to(
    method: str, shape: tuple[int, ...]
) -> None:
    base, models = tensors(taken(method), shape=shape)
    kept = [one.clone() for one in (base, *models)]
    run(method, base, models)
    flags = own(method, {"flatten": 0.0, "row_wise": 1.0, "filter_wise": 1.0, "select_topk": 0.5})
    run(method, base, models, **flags)
    for one, before in zip((base, *models), kept, strict=True):
        assert torch.equal(one, before)


@pytest.mark.parametrize("method", list(METHODS))
def test_zeros_and_a_base_of_zeros_make_no_nan(method: str) -> None:
    _, models = tensors(taken(method))
    for base, given in (
        (torch.zeros(13, 17), models),
        (models[0], [torch.zeros(13, 17)] * len(models)),
        (models[0], [models[0], *models[1:]]),
    ):
        for compat in ("paper", "mergekit"):
            run(method, base, given, **own(method, {"compat": compat}))


@pytest.mark.parametrize("method", [m for m in METHODS if "density" in METHODS[m].settings])
def test_density_zero_leaves_the_base_and_one_keeps_all(method: str) -> None:
    base, models = tensors(2)
    found = run(method, base, models, [{"density": 0.0}] * 2)
    np.testing.assert_array_equal(found, base.double().numpy())
    plain = "ties" if method.endswith("ties") or method == "della" else "dare_linear"
    whole = [{"density": 1.0}] * 2
    normalize = {"normalize": 0.0}
    there = run(method, base, models, whole, **normalize)
    close(there, run(plain, base, models, whole, **normalize))


@pytest.mark.parametrize("method", [*WEIGHTED, "soup", "nuslerp"])
@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, -1.0), (0.1, 0.2, -0.3)])
def test_weights_that_sum_to_zero_cannot_be_normalised(
    method: str, weights: tuple[float, ...]
) -> None:
    if len(weights) != taken(method, len(weights)) or (method in AGREEING and any(weights)):
        return
    base, models = tensors(len(weights))
    with pytest.raises(MergeError, match="sum to zero") as error:
        each = [{"weight": weight} for weight in weights]
        run(method, base, models, each, **own(method, {"normalize": 1.0}))
    assert ("normalize = false" in str(error.value)) == (method in WEIGHTED)


@pytest.mark.parametrize("compat", ["paper", "mergekit"])
@pytest.mark.parametrize("method", sorted(AGREEING))
def test_weights_that_sum_to_zero_divide_nothing_where_only_agreeing_ones_are_summed(
    method: str, compat: str
) -> None:
    """mergekit answers, too; `test_against_mergekit` compares."""
    base, models = tensors(2)
    each = [{"weight": weight} for weight in (1.0, -1.0)]
    found = run(method, base, models, each, **own(method, {"normalize": 1.0, "compat": compat}))
    assert np.isfinite(found).all() and not np.array_equal(found, base.numpy())


def test_what_cannot_be_blended_says_so() -> None:
    base, models = tensors(1)
    each = [defaults("ties", "ingredient")]
    with pytest.raises(MergeError, match="has no base; add a `base` line"):
        kernel_of("ties")(None, models, each, defaults("ties", "shared"), None)
    with pytest.raises(MergeError, match=r"\[1, 3\] and \[3\]"):
        kernel_of("linear")(
            None, [torch.ones(3), torch.ones(1, 3)], each * 2, {"normalize": 1}, None
        )
    for method in ("dare_ties", "della"):
        each = [defaults(method, "ingredient")]
        with pytest.raises(MergeError, match="have no seed"):
            kernel_of(method)(base, models, each, defaults(method, "shared"), None)
    with pytest.raises(MergeError, match="leaves the shares between 0 and 1"):
        run("della", base, models, [{"density": 0.9}])
    assert str(MergeError("it is wrong", "mend it").at("head")) == "head: it is wrong; mend it"


@pytest.mark.parametrize("method", list(METHODS))
def test_threads_change_no_bit(method: str) -> None:
    """Of tensors that are large enough for a library to share out the work."""
    base, models = tensors(taken(method), shape=(256, 384))
    first = run(method, base, models)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(run(method, base, models), first)
    finally:
        torch.set_num_threads(threads)


def test_a_sum_in_order_is_the_sum() -> None:
    from vlm.methods.sums import absolute, gram, inner, row_inner

    x, y = (torch.randn(123, 457, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    expected = x.double().numpy() * y.double().numpy()
    assert inner(x, y) == pytest.approx(expected.sum(), rel=1e-12)
    assert absolute(x) == pytest.approx(np.abs(x.double().numpy()).sum(), rel=1e-12)
    np.testing.assert_allclose(row_inner(x, y).numpy()[:, 0], expected.sum(axis=1), rtol=1e-11)
    table: Tensor = gram([x, y])
    assert table[0, 1] == table[1, 0] == inner(x, y) and table[1, 1] == inner(y, y)
