"""Facts about mergekit 0.1.5: its keys, its methods with their settings, and its names for parts.

Facts only, to tell a misspelt word from one that awase does not carry. `Method.settings` maps a setting to
its default; None means that mergekit must be given one.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

DOCUMENT = (
    "name",
    "modules",
    "slices",
    "models",
    "merge_method",
    "base_model",
    "dtype",
    "out_dtype",
    "tokenizer_source",
    "tokenizer",
    "chat_template",
    "parameters",
)
SLICE = ("sources", "base_model", "residual_weight", "parameters")
SOURCE = ("model", "layer_range", "parameters")
INPUT = ("model", "parameters")
MODULE = ("slices", "models", "parameters")
CONDITION = ("value", "filter")
TOKENIZER = ("source", "tokens", "pad_to_multiple_of")
EVOLVE = (
    "genome",
    "tasks",
    "limit",
    "num_fewshot",
    "shuffle",
    "random_init",
    "apply_chat_template",
    "fewshot_as_multiturn",
)
GENOME = (
    "models",
    "merge_method",
    "base_model",
    "tokenizer_source",
    "layer_granularity",
    "normalize",
    "allow_negative_weights",
    "filters",
    "smooth",
)
TASK = ("name", "weight", "metric")

Default = float | int | bool | None


@dataclass(frozen=True)
class Method:
    """`shared` is one value a blend, `inputs` one for each model; `base` what a base model is to it."""

    shared: dict[str, Default] = field(default_factory=dict)
    inputs: dict[str, Default] = field(default_factory=dict)
    base: Literal["required", "optional", "ignored"] = "required"

    def default(self, name: str) -> Default:
        return self.shared.get(name, self.inputs.get(name))

    @property
    def settings(self) -> dict[str, Default]:
        return {**self.inputs, **self.shared}


def _differences(normalize: bool, rescale: bool, **more: float) -> Method:
    shared: dict[str, Default] = {
        "normalize": normalize,
        "rescale": rescale,
        "lambda": 1.0,
        "int8_mask": False,
    }
    return Method(shared, {"weight": None, "density": 1.0, **more})


WEIGHT: dict[str, Default] = {"weight": None}
METHODS: dict[str, Method] = {
    "linear": Method({"normalize": True}, WEIGHT, "ignored"),
    "slerp": Method({"t": None}),
    "nuslerp": Method({"nuslerp_flatten": True, "nuslerp_row_wise": False}, WEIGHT, "optional"),
    "multislerp": Method({"normalize_weights": True, "eps": 1e-8}, WEIGHT, "optional"),
    "karcher": Method({"max_iter": 10, "tol": 1e-5}, {}, "ignored"),
    "task_arithmetic": _differences(False, False),
    "ties": _differences(True, False),
    "dare_ties": _differences(False, True),
    "dare_linear": _differences(False, True),
    "breadcrumbs": _differences(False, False, gamma=0.01),
    "breadcrumbs_ties": _differences(False, False, gamma=0.01),
    "della": _differences(True, True, epsilon=0.15),
    "della_linear": _differences(False, True, epsilon=0.15),
    "sce": Method({"select_topk": 1.0, "int8_mask": False}),
    "model_stock": Method({"filter_wise": False}),
    "nearswap": Method({"t": None}),
    "arcee_fusion": Method(),
    "ram": Method({"epsilon": 1e-5}),
    "ramplus_tl": Method({"r": 0.1, "alpha": 0.2, "epsilon": 1e-5}),
    "passthrough": Method({}, {"scale": None}, "ignored"),
}
EVOLVED = {  # what a genome may be of, and what it searches
    "linear": ("weight",),
    "task_arithmetic": ("weight",),
    "ties": ("weight", "density"),
    "dare_ties": ("weight", "density"),
    "slerp": ("t",),
}
INERT = ("int8_mask",)  # changes how mergekit counts, not what comes out
RENAMED = {  # mergekit's word -> ours
    "lambda": "scale",
    "normalize_weights": "normalize",
    "nuslerp_flatten": "flatten",
    "nuslerp_row_wise": "row_wise",
}
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
MODULES = {
    "default": "language",
    "text_decoder": "language",
    "language_model": "language",
    "vision_tower": "vision",
    "vision_model": "vision",
    "multi_modal_projector": "projector",
}
PARTS = {
    "language": "text_decoder",
    "vision": "vision_tower",
    "projector": "multi_modal_projector",
}
METRICS = {"acc": "accuracy", "exact_match": "exact_match", "bleu": "bleu", "chrf": "chrf"}
METRICS_OUT = {ours: theirs for theirs, ours in METRICS.items()}
MAX_FEVALS, SIGMA = 100, 1 / 6  # what mergekit-evolve does when it is not told

FILTERS = {  # a filter is a piece of a tensor's name; these are pieces of no other tensor's
    "*": "all",
    "embed": "embed",
    "embed_tokens": "embed",
    "embed_tokens.weight": "embed",
    "model.embed_tokens": "embed",
    "model.embed_tokens.weight": "embed",
    "lm_head": "head",
    "lm_head.weight": "head",
    "model.norm": "norm",
    "model.norm.weight": "norm",
    "layers": "layers",
    "layers.": "layers",
    ".layers.": "layers",
    "model.layers": "layers",
    "model.layers.": "layers",
    "self_attn": "attention",
    "self_attn.": "attention",
    ".self_attn.": "attention",
    "mlp": "mlp",
    "mlp.": "mlp",
    ".mlp.": "mlp",
}
KIND_FILTERS = {"attention": "self_attn", "mlp": "mlp"}  # those of a decoder such as Llama's
ONE_LAYER = re.compile(r"(?:model)?\.?layers\.([0-9]{1,4})\.")


def theirs(method: str, ours: str) -> str:
    """What mergekit calls a setting of a method; our word where it has none for it."""
    known = METHODS[method].settings if method in METHODS else {}
    return next((t for t, o in RENAMED.items() if o == ours and t in known), ours)


def region_of(filter: str) -> str | int | None:
    """The region of a blend that a filter picks; a number is one layer; None is no region."""
    match = ONE_LAYER.fullmatch(filter)
    return int(match[1]) if match else FILTERS.get(filter)
