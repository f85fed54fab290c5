"""Signatures of the merge methods: settings, domains, defaults. The equations live in `vlm/methods`.

They stand here, and not beside the equations, so that a recipe can be checked without torch. One
test loops over both tables and holds them equal.
"""

from typing import Literal, NamedTuple

Scope = Literal["ingredient", "shared"]


class Setting(NamedTuple):
    """One setting of a method. `low` and `high` bound what makes sense; None is no bound."""

    scope: Scope  # written in each `take` (or `each`), or once for the whole blend
    kind: Literal["real", "int", "flag"]
    default: float | int | bool | None  # None: must be given
    low: float | None = None
    high: float | None = None
    about: str = ""


class Method(NamedTuple):
    """What a method needs. `base` says whether differences are taken from a base model."""

    settings: dict[str, Setting]
    base: Literal["required", "refused"]
    random: bool = False  # draws masks, so it takes `seed`
    takes: tuple[int, int | None] = (1, None)  # how many ingredients, at least and at most
    about: str = ""


WEIGHT = Setting("ingredient", "real", 1.0, about="how much of this ingredient goes in")
DENSITY = Setting("ingredient", "real", 0.5, 0.0, 1.0, "share of the difference that is kept")
SCALE = Setting("shared", "real", 1.0, about="factor on the whole blended difference (lambda)")

METHODS: dict[str, Method] = {
    "linear": Method(
        {
            "weight": WEIGHT,
            "normalize": Setting("shared", "flag", True, about="divide by the sum of weights"),
        },
        base="refused",
        about="weighted average of the ingredients",
    ),
    "task_arithmetic": Method(
        {"weight": WEIGHT, "scale": SCALE},
        base="required",
        about="base plus weighted differences (Ilharco et al. 2023, arXiv:2212.04089)",
    ),
    "ties": Method(
        {
            "weight": WEIGHT,
            "density": DENSITY,
            "scale": SCALE,
            "normalize": Setting("shared", "flag", True, about="divide by the agreeing weights"),
        },
        base="required",
        about="trim, elect signs, merge what agrees (Yadav et al. 2023, arXiv:2306.01708)",
    ),
    "dare_ties": Method(
        {
            "weight": WEIGHT,
            "density": DENSITY,
            "scale": SCALE,
            "normalize": Setting("shared", "flag", False, about="divide by the agreeing weights"),
        },
        base="required",
        random=True,
        about="drop at random and rescale, then elect signs (Yu et al. 2024, arXiv:2311.03099)",
    ),
}
