"""What one would blend without a search, from the same parents: the rivals that a search must beat.

In: any candidate of the recipe. Out: named candidates in which every blend is replaced by one that
needs no tuning. The *host* is the ingredient whose model gives the parts that are kept; the others
are *guests*. Several guests share a weight evenly.
"""

from dataclasses import replace

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Value

SEED = 0  # of the masks of the unsearched dare_ties


def baselines(candidate: Candidate) -> dict[str, Candidate]:
    """Name -> candidate, in the order in which a report shows them."""
    table = {
        "graft": _with(candidate, "linear", 0.0, 1.0),
        "linear 1/2": _with(candidate, "linear", 0.5, 0.5),
        "linear 3/4": _with(candidate, "linear", 0.25, 0.75),
    }
    if all(blend.base is not None for blend in candidate.blends):
        table["task arithmetic"] = _with(candidate, "task_arithmetic", None, None)
        table["ties"] = _with(candidate, "ties", None, None)
        table["dare_ties"] = _with(candidate, "dare_ties", None, None)
    return table


def _with(candidate: Candidate, method: str, host: float | None, guests: float | None) -> Candidate:
    """Every blend by `method`; `host` and `guests` are total weights, None the method's default."""
    return replace(
        candidate,
        blends=tuple(_blend(candidate, b, method, host, guests) for b in candidate.blends),
    )


def _blend(
    candidate: Candidate, blend: Blend, method: str, host: float | None, guests: float | None
) -> Blend:
    signature = METHODS[method]
    width = len(blend.units)
    hosts = {keep.origin.model for keep in candidate.keeps}
    guest_count = sum(item.origin.model not in hosts for item in blend.ingredients)
    host_count = len(blend.ingredients) - guest_count

    def settings(item: Ingredient) -> dict[str, tuple[Value, ...]]:
        values = {
            name: setting.default
            for name, setting in signature.settings.items()
            if setting.scope == "ingredient" and setting.default is not None
        }
        is_host = item.origin.model in hosts
        total, count = (host, host_count) if is_host else (guests, guest_count)
        if total is not None:
            values["weight"] = total / count
        return {name: (value,) * width for name, value in values.items()}

    shared = {
        name: (setting.default,) * width
        for name, setting in signature.settings.items()
        if setting.scope == "shared" and setting.default is not None
    }
    return replace(
        blend,
        method=method,
        base=blend.base if signature.base == "required" else None,
        ingredients=tuple(Ingredient(item.origin, settings(item)) for item in blend.ingredients),
        settings=shared,
        seed=SEED if signature.random else None,
    )
