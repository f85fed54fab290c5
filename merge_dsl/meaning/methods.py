"""Signatures of the merge methods: settings, domains, defaults. The equations live in `vlm/methods`.

They stand here, and not beside the equations, so that a recipe can be checked without torch. One
test loops over both tables and holds them equal, another holds docs/methods.md to them.
"""

from typing import Literal, NamedTuple

Scope = Literal["ingredient", "shared"]


class Setting(NamedTuple):
    """One setting of a method. `low` and `high` bound what makes sense; None is no bound."""

    scope: Scope  # written in each `take` (or `each`), or once for the whole blend
    kind: Literal["real", "int", "flag", "word", "data"]
    default: float | int | bool | str | None  # None: must be given
    low: float | None = None
    high: float | None = None
    about: str = ""
    words: tuple[str, ...] = ()  # of a "word", all that it can be; of "data", it names a data set


class Method(NamedTuple):
    """What a method needs.

    `blends` says what an ingredient is to it: a whole model, or its difference from the base. Where
    whole models are blended and a base is required, the base is one of them: the end at t = 0.
    """

    settings: dict[str, Setting]
    base: Literal["required", "optional", "refused"]
    blends: Literal["differences", "models"] = "differences"
    random: bool = False  # draws masks, so it takes `seed`
    takes: tuple[int, int | None] = (1, None)  # how many ingredients, at least and at most
    normal: bool = False  # weights are divided by their sum, whatever is set
    reads: Literal["", "fisher", "gram"] = ""  # what is measured of each ingredient on its data
    about: str = ""


def _flag(default: bool, about: str) -> Setting:
    return Setting("shared", "flag", default, about=about)


def _real(
    default: float, about: str, low: float | None = None, high: float | None = None
) -> Setting:
    return Setting("shared", "real", default, low, high, about)


def _compat(about: str) -> Setting:
    """Where mergekit 0.1.5 computes otherwise than the paper, one word chooses."""
    return Setting("shared", "word", "paper", about=about, words=("paper", "mergekit"))


WEIGHT = Setting("ingredient", "real", 1.0, about="how much of this ingredient goes in")
DENSITY = Setting("ingredient", "real", 0.5, 0.0, 1.0, "share of the difference that is kept")
GAMMA = Setting("ingredient", "real", 0.01, 0.0, 1.0, "share of the largest that is dropped")
EPSILON = Setting(
    "ingredient", "real", 0.15, 0.0, 0.5, "how far the shares kept lie from `density`"
)
SHARE = Setting("ingredient", "real", 1.0, 0.0, None, "how much this ingredient counts")
ON = Setting("ingredient", "data", None, about="the data on which this ingredient is measured")
FLOOR = _real(1e-6, "what counts everywhere, as a share of the mean that is measured", 1e-12, 1.0)
SCALE = _real(1.0, "factor on the whole blended difference (lambda)")
RESCALE = _flag(True, "make up for what is dropped")
ELECTION = _compat("mergekit: signs are elected after weighting, and a sum of zero is positive")
DROPPING = _compat("mergekit: rescaled to the same L1 norm, not by the share kept")
BOTH = _compat("mergekit: rescaled to the same L1 norm; signs are elected after weighting")


# Settings that any blend may have: they are about its ingredients, not about its method.
BLEND: dict[str, Setting] = {
    "resize": Setting(
        "shared",
        "word",
        None,
        about="how positions of another patch grid are resized; without it they are refused",
        words=("bicubic", "bilinear"),
    ),
    "vocabulary": Setting(
        "shared",
        "word",
        None,
        about="of other vocabularies, the rows of shared tokens are blended, and `shared`: the tokenizer stays; `union`: it learns the others' tokens; `whole`: the other one is taken; without it they are refused",
        words=("shared", "union", "whole"),
    ),
}
# The leaves that each of them is about.
ABOUT: dict[str, tuple[str, ...]] = {
    "resize": ("vision.embed",),
    "vocabulary": ("language.embed", "language.head"),
}


def _sum(default: bool) -> Setting:
    return _flag(default, "divide by the sum of weights")


def _agreeing(default: bool) -> Setting:
    return _flag(default, "divide by the agreeing weights")


_TRIMMED = {"weight": WEIGHT, "density": DENSITY, "scale": SCALE}
_BANDED = {"weight": WEIGHT, "density": DENSITY, "gamma": GAMMA, "scale": SCALE}
_PRUNED = {"weight": WEIGHT, "density": DENSITY, "epsilon": EPSILON, "scale": SCALE}
_ACTIVE = _real(1e-5, "a difference counts where it is larger than this", 0.0)

METHODS: dict[str, Method] = {
    # ---- whole models ----
    "linear": Method(
        {"weight": WEIGHT, "normalize": _sum(True)},
        base="refused",
        blends="models",
        about="weighted average of the ingredients",
    ),
    "soup": Method(
        {"weight": WEIGHT},
        base="refused",
        blends="models",
        normal=True,
        about="their mean, uniform unless weighted (Wortsman et al. 2022, arXiv:2203.05482)",
    ),
    "passthrough": Method(
        {"scale": _real(1.0, "factor on every number")},
        base="refused",
        blends="models",
        takes=(1, 1),
        about="one model, scaled",
    ),
    "slerp": Method(
        {
            "t": _real(0.5, "0 is the base, 1 the ingredient", 0.0, 1.0),
            "compat": _compat("mergekit: a straight line where the cosine is above 0.9995"),
        },
        base="required",
        blends="models",
        takes=(1, 1),
        about="along the arc from the base to the ingredient (Shoemake 1985)",
    ),
    "nuslerp": Method(
        {
            "weight": WEIGHT,
            "flatten": _flag(True, "one arc for the whole tensor, not one a row"),
            "row_wise": _flag(False, "without `flatten`: one arc a column"),
        },
        base="optional",
        blends="models",
        takes=(2, 2),
        normal=True,
        about="along the arc between two ingredients, or between their differences (mergekit)",
    ),
    "multislerp": Method(
        {"weight": WEIGHT, "normalize": _sum(True)},
        base="optional",
        blends="models",
        about="mean direction and mean length of the ingredients (Goddard 2025)",
    ),
    "karcher": Method(
        {
            "max_iter": Setting("shared", "int", 10, 1, 1000, "steps at most"),
            "tol": _real(1e-5, "a shorter step is the last", 0.0, 1.0),
        },
        base="refused",
        blends="models",
        about="Karcher mean on the sphere, unweighted (Wang et al. 2026, arXiv:2603.04972)",
    ),
    "nearswap": Method(
        {"t": _real(1e-4, "how far a number of the base may move", 0.0)},
        base="required",
        blends="models",
        takes=(1, 1),
        about="the base, moved towards the ingredient by at most t (alchemonaut 2024)",
    ),
    "arcee_fusion": Method(
        {},
        base="required",
        blends="models",
        takes=(1, 1),
        about="the base, and from the ingredient what changed most (Arcee 2024)",
    ),
    # ---- whole models, and what data say of them ----
    "fisher": Method(
        {"weight": SHARE, "on": ON, "floor": FLOOR},
        base="refused",
        blends="models",
        normal=True,
        reads="fisher",
        about="mean by Fisher information (Matena and Raffel 2022, arXiv:2111.09832)",
    ),
    "regmean": Method(
        {
            "weight": SHARE,
            "on": ON,
            "alpha": _real(0.9, "how much inputs' products count beside their squares", 0.0, 1.0),
            "floor": FLOOR,
        },
        base="refused",
        blends="models",
        normal=True,
        reads="gram",
        about="nearest outputs of linear layers, by regression (Jin et al. 2023, arXiv:2212.09849)",
    ),
    # ---- differences ----
    "wise_ft": Method(
        {"alpha": _real(0.5, "0 is the base, 1 the ingredient", 0.0, 1.0)},
        base="required",
        takes=(1, 1),
        about="between a model and its tuned self (Wortsman et al. 2022, arXiv:2109.01903)",
    ),
    "task_arithmetic": Method(
        {"weight": WEIGHT, "scale": SCALE},
        base="required",
        about="base plus weighted differences (Ilharco et al. 2023, arXiv:2212.04089)",
    ),
    "ties": Method(
        {**_TRIMMED, "normalize": _agreeing(True), "compat": ELECTION},
        base="required",
        about="trim, elect signs, merge what agrees (Yadav et al. 2023, arXiv:2306.01708)",
    ),
    "dare_linear": Method(
        {**_TRIMMED, "rescale": RESCALE, "normalize": _sum(False), "compat": DROPPING},
        base="required",
        random=True,
        about="drop at random and rescale, then add up (Yu et al. 2024, arXiv:2311.03099)",
    ),
    "dare_ties": Method(
        {**_TRIMMED, "rescale": RESCALE, "normalize": _agreeing(False), "compat": BOTH},
        base="required",
        random=True,
        about="drop at random and rescale, then elect signs (Yu et al. 2024, arXiv:2311.03099)",
    ),
    "breadcrumbs": Method(
        {**_BANDED, "normalize": _sum(False)},
        base="required",
        about="drop smallest and largest, add up (Davari and Belilovsky 2023, arXiv:2312.06795)",
    ),
    "breadcrumbs_ties": Method(
        {**_BANDED, "normalize": _agreeing(False), "compat": ELECTION},
        base="required",
        about="the same, then elect signs (Davari and Belilovsky 2023, arXiv:2312.06795)",
    ),
    "della": Method(
        {**_PRUNED, "rescale": RESCALE, "normalize": _agreeing(True), "compat": BOTH},
        base="required",
        random=True,
        about="drop small ones more often, then elect signs (Deep et al. 2024, arXiv:2406.11617)",
    ),
    "della_linear": Method(
        {**_PRUNED, "rescale": RESCALE, "normalize": _sum(False), "compat": DROPPING},
        base="required",
        random=True,
        about="drop small ones more often, then add up (Deep et al. 2024, arXiv:2406.11617)",
    ),
    "sce": Method(
        {
            "select_topk": _real(1.0, "share of the positions, those that vary most", 0.0, 1.0),
            "scale": SCALE,
            "compat": _compat("mergekit: divided by the agreeing coefficients; zero is positive"),
        },
        base="required",
        about="select, calculate, erase (Wan et al. 2024, arXiv:2408.07990)",
    ),
    "model_stock": Method(
        {"filter_wise": _flag(False, "an angle for each row, not one for the tensor")},
        base="required",
        takes=(2, None),
        about="their mean, drawn to the base by their angle (Jang et al. 2024, arXiv:2403.19522)",
    ),
    "ram": Method(
        {"epsilon": _ACTIVE},
        base="required",
        about="average only where several changed (RAM, arXiv:2601.13572)",
    ),
    "ramplus_tl": Method(
        {
            "r": _real(0.1, "how much what is unique to a model is raised", 0.0),
            "alpha": _real(0.2, "its ratio of shared to unique counts up to this", 0.0),
            "epsilon": _ACTIVE,
        },
        base="required",
        about="the same, with what is unique raised (RAM+ by tensor, arXiv:2601.13572)",
    ),
    "consensus": Method(
        {
            "weight": WEIGHT,
            "overlap": _real(0.4, "a position is an ingredient's own above this (lambda)", 0.0),
            "agree": Setting("shared", "int", 2, 1, None, "kept where so many ingredients own it"),
            "scale": SCALE,
        },
        base="required",
        about="keep what several need, by TALL masks (Wang et al. 2024, arXiv:2405.07813)",
    ),
    "emr": Method(
        {
            "weight": WEIGHT,
            "task": Setting("ingredient", "flag", False, about="masked and rescaled for this one"),
            "scale": SCALE,
        },
        base="required",
        about="largest of the elected sign, for one task or for all (Huang et al. 2024, arXiv:2405.17461)",
    ),
    "tsv": Method(
        {"weight": WEIGHT, "scale": SCALE},
        base="required",
        about="singular vectors made orthogonal (Gargiulo et al. 2025, arXiv:2412.00081)",
    ),
    "iso_c": Method(
        {"weight": WEIGHT, "scale": SCALE},
        base="required",
        about="their sum with equal singular values (Marczak et al. 2025, arXiv:2502.04959)",
    ),
}
