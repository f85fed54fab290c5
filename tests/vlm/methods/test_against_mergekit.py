"""Every method that mergekit 0.1.5 has, against what it answered: to a part in a million.

Where paper and mergekit differ, with `compat = mergekit`. Random masks are mergekit's own.
`oracle/make.py` says how its answers came about.
"""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from merge_dsl.meaning.methods import METHODS
from merge_dsl.tools.mergekit.schema import METHODS as SCHEMA
from merge_dsl.tools.mergekit.schema import RENAMED
from tests.vlm.methods.oracle.cases import CASES, SHAPES, Case
from tests.vlm.methods.tools import close, run

FILE = Path(__file__).parent / "oracle" / "mergekit-0.1.5.safetensors"


@pytest.fixture(scope="module")
def answers() -> dict[str, Tensor]:
    return load_file(FILE)


def test_every_method_of_mergekit_is_asked_for() -> None:
    assert {case.method for case in CASES} == set(SCHEMA)
    assert FILE.stat().st_size < 200_000


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mergekit_agrees(
    case: Case, shape: str, answers: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = answers.get(f"{case.name}.{shape}.masks")

    def drawn(
        draw: object, ingredient: int, density: object, part: slice, beside: object
    ) -> np.ndarray:
        assert masks is not None
        return masks[ingredient].bool().flatten()[part].numpy()

    for module in ("dare", "della"):
        # By its name in the table of modules: `vlm.methods.della` is the function.
        monkeypatch.setattr(import_module(f"vlm.methods.{module}"), "keep_mask", drawn)
    assert (masks is not None) == METHODS[case.method].random
    base, *models = (answers[f"{case.tensors}.{shape}.{i}"] for i in range(case.models + 1))
    found = run(case.method, base if case.base else None, models, each_of(case), **shared_of(case))
    close(found, answers[f"{case.name}.{shape}"].double().numpy())


def each_of(case: Case) -> list[dict[str, float]]:
    """The settings of the ingredients, in awase's words."""
    known = METHODS[case.method].settings
    names = [name for name in case.own if known[name].scope == "ingredient"]
    return [{name: case.own[name][i] for name in names} for i in range(case.models)]


def shared_of(case: Case) -> dict[str, object]:
    """The settings of the blend, in awase's words."""
    known = METHODS[case.method].settings
    shared = {RENAMED.get(name, name): value for name, value in case.shared.items()}
    shared |= {n: v[0] for n, v in case.own.items() if known[n].scope == "shared"}
    return shared | ({"compat": "mergekit"} if "compat" in known else {})


def test_paper_and_mergekit_differ_where_they_are_said_to(answers: dict[str, Tensor]) -> None:
    """A `compat` that changed nothing would be a promise about nothing."""
    base, *models = (answers[f"far.matrix.{i}"] for i in range(4))
    for method, known in METHODS.items():
        if "compat" in known.settings:
            near = method == "slerp"
            b, *given = (answers[f"near.matrix.{i}"] for i in range(2)) if near else (base, *models)
            one, other = (
                torch.tensor(run(method, b, given, compat=c)) for c in ("paper", "mergekit")
            )
            assert not torch.equal(one, other), method
