"""What the model in memory computes again for the next candidate, and what it does not."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
import torch

from merge_dsl.space.candidate import Candidate
from tests.vlm.conftest import LAYERS, student
from vlm import resident
from vlm.errors import MergeError
from vlm.methods import trim
from vlm.resident import Resident
from vlm.weights.source import Source, open_source

ties = import_module("vlm.methods.ties")  # the module, not the equation of its name


@pytest.fixture
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The units of the tensors that are computed, as they are."""
    seen: list[str] = []
    real = resident.blended

    def blended(portion, role, *rest, **more):
        seen.append(role.unit)
        return real(portion, role, *rest, **more)

    monkeypatch.setattr(resident, "blended", blended)
    return seen


def with_weight(candidate: Candidate, layer: int, weight: float) -> Candidate:
    """The same candidate with another weight of its second ingredient at one layer."""
    (blend,) = candidate.blends
    host, guest = blend.ingredients
    weights = list(guest.settings["weight"])
    weights[layer] = weight
    changed = guest._replace(settings={**guest.settings, "weight": tuple(weights)})
    return candidate._replace(blends=(blend._replace(ingredients=(host, changed)),))


def test_only_units_whose_genes_changed_are_computed(
    sources: dict[str, Source], written: list[str]
) -> None:
    first = student()
    model = Resident(first, sources)
    model.put(first)
    assert len(set(written)) == LAYERS
    written.clear()
    model.put(first)
    assert written == []
    other = with_weight(first, 1, 0.9)
    found = {n: t.clone() for n, t in model.put(other).state_dict().items()}
    assert set(written) == {"language.layers.1"}
    fresh = Resident(first, sources).put(other).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in fresh.items())


def test_after_a_failure_all_that_was_touched_is_computed_again(
    sources: dict[str, Source],
) -> None:
    first = student()
    model = Resident(first, sources)
    before = {n: t.clone() for n, t in model.put(first).state_dict().items()}
    with pytest.raises(MergeError):
        model.put(with_weight(with_weight(first, 0, 0.9), 1, -0.5))  # sums to zero at layer 1
    after = model.put(first).state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())


def test_limits_are_found_once(sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    real = trim._searched

    def counted(pieces, wanted):
        searched.append(wanted)
        return real(pieces, wanted)

    monkeypatch.setattr(trim, "_searched", counted)
    one = student("ties", 1.0, 0.7, base=True, density=0.4)
    model = Resident(one, sources)
    model.put(one)
    assert searched
    searched.clear()
    heavier = student("ties", 1.0, 0.2, base=True, density=0.4)
    found = {n: t.clone() for n, t in model.put(heavier).state_dict().items()}
    assert searched == []
    fresh = Resident(one, sources).put(heavier).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in fresh.items())


def test_what_agrees_is_elected_once_for_the_same_densities(
    sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    elected = []
    real = ties.elect

    def counted(*given):
        elected.append(1)
        return real(*given)

    monkeypatch.setattr(ties, "elect", counted)

    def child(weight: float, density: float = 0.4) -> Candidate:
        return student("ties", 1.0, weight, base=True, density=density)

    model = Resident(child(0.7), sources)
    asked = [(0.7, 0.4), (0.6, 0.4), (0.5, 0.4), (0.5, 0.3), (0.4, 0.3), (0.3, 0.4)]
    counts = []
    for weight, density in asked:
        elected.clear()
        found = {n: t.clone() for n, t in model.put(child(weight, density)).state_dict().items()}
        counts.append(bool(elected))
        fresh = Resident(child(0.7), sources).put(child(weight, density)).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in fresh.items())
    assert counts == [True, True, False, True, True, True]
