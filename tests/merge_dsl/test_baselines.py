"""The rivals of a search: what they weigh, and which of them a recipe has."""

import pytest

from merge_dsl.space.baselines import baselines, seated
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


def of_towers(*blends: tuple[str, ...]) -> Candidate:
    """Blends of a tower: its embedding with its norm, then its layers."""
    units = (("vision.embed", "vision.norm"), ("vision.layers.0", "vision.layers.1"))
    made = tuple(
        Blend(
            units=some,
            method="soup",
            base=None,
            ingredients=tuple(Ingredient(Origin(name), {"weight": (0.1, 0.2)}) for name in taken),
            settings={"resize": ("bicubic",) * 2},
        )
        for some, taken in zip(units, blends, strict=False)
    )
    return Candidate("seer", {}, (Keep(("projector",), Origin("eyes")),), made)


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


def test_the_rivals_of_a_soup_of_towers() -> None:
    one = of_towers(("noto", "fluent"), ("noto", "fluent"))
    (name,) = found = baselines(one, "eyes")
    assert name == "uniform soup"
    for blend in found[name].blends:
        assert blend.method == "soup" and blend.settings == {"resize": ("bicubic",) * 2}
        assert [item.settings["weight"] for item in blend.ingredients] == [(1.0, 1.0)] * 2
    chairs = seated(one, "eyes")
    assert list(chairs) == ["noto", "fluent"]
    for name, candidate in chairs.items():
        assert candidate.keeps == one.keeps
        for blend in candidate.blends:
            assert [item.origin.model for item in blend.ingredients] == [name]
            assert blend.settings["resize"] == ("bicubic",) * 2


def test_the_hosts_own_tower_in_a_soup() -> None:
    three = of_towers(("eyes", "noto", "fluent"))
    assert list(baselines(three, "eyes")) == ["uniform soup", *BASELESS]
    assert list(seated(three, "eyes")) == ["noto", "fluent"]
    two = of_towers(("eyes", "noto"))
    assert list(baselines(two, "eyes")) == BASELESS
    assert list(seated(two, "eyes")) == ["noto"]


def test_who_has_no_whole_tower_is_not_seated() -> None:
    assert list(seated(of_towers(("noto", "fluent"), ("eyes", "fluent")), "eyes")) == ["fluent"]
    assert seated(candidate("eyes", "tongue"), "eyes") == {}
