"""The rivals of a search: what they weigh, and which of them a recipe has."""

import pytest

from merge_dsl.space.baselines import baselines
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin

BASELESS = ["graft", "linear 1/2", "linear 3/4"]
BASED = ["task arithmetic", "ties", "dare_ties"]


def candidate(*taken: str, base: str | None = None) -> Candidate:
    blend = Blend(
        units=("language.layers.0", "language.layers.1"),
        method="linear",
        base=Origin(base) if base else None,
        ingredients=tuple(Ingredient(Origin(name), {"weight": (0.1, 0.2)}) for name in taken),
        settings={},
    )
    kept = (Keep(("projector",), Origin("eyes")), Keep(("language.embed",), Origin("tongue")))
    return Candidate("student", {}, kept, (blend,))


def weights(found: Candidate) -> dict[str, float]:
    (blend,) = found.blends
    assert blend.method == "linear" and blend.base is None
    return {item.origin.model: float(item.settings["weight"][0]) for item in blend.ingredients}


def test_the_host_is_one_model_whoever_else_is_kept() -> None:
    found = baselines(candidate("eyes", "tongue"), "eyes")
    assert list(found) == BASELESS
    assert weights(found["graft"]) == {"eyes": 0.0, "tongue": 1.0}
    assert weights(found["linear 1/2"]) == {"eyes": 0.5, "tongue": 0.5}
    assert weights(found["linear 3/4"]) == {"eyes": 0.25, "tongue": 0.75}


def test_guests_share_evenly() -> None:
    found = baselines(candidate("eyes", "tongue", "sums", base="base"), "eyes")
    assert list(found) == BASELESS + BASED
    assert weights(found["graft"]) == {"eyes": 0.0, "tongue": 0.5, "sums": 0.5}


@pytest.mark.parametrize("taken", [("tongue",), ("tongue", "sums"), ("eyes",)])
def test_without_a_host_or_a_guest_there_is_no_share(taken: tuple[str, ...]) -> None:
    assert list(baselines(candidate(*taken), "eyes")) == []
    assert list(baselines(candidate(*taken, base="base"), "eyes")) == BASED
