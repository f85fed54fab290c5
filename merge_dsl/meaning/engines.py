"""Signatures of what a recipe may set outside a blend: engines, and the settings of each block."""

from typing import Literal, NamedTuple

Kind = Literal["real", "int", "text", "list", "size", "rows", "engine", "budget", "word"]


class Option(NamedTuple):
    """One setting. `words` are the only ones allowed where it is not empty."""

    kind: Kind
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    about: str = ""


ENGINES: dict[str, dict[str, Option]] = {
    "cma_es": {
        "preset": Option("text", ("sakana",), about="the settings of the paper"),
        "sigma": Option("real", low=1e-6, high=1.0, about="first step, as a share of each range"),
        "population": Option("int", low=2, about="candidates a generation"),
    },
    "random": {},
    "greedy": {},
    "nsga2": {"population": Option("int", low=2, about="candidates a generation")},
}
SEVERAL_AIMS = ("nsga2", "random")  # engines that take several `maximize` lines
POPULATIONS = {"nsga2": 24, "random": 8}  # where none is written; that of cma_es grows with genes
PICK = "knee"  # where several aims are searched and none is written

SEARCH: dict[str, Option] = {
    "by": Option("engine", about="the engine that proposes candidates"),
    "budget": Option("budget", about="when to stop: trials, generations or time"),
    "seed": Option("int", low=0, high=2**63 - 1, about="two runs with one seed are the same run"),
    "pick": Option("word", ("best", "knee"), about="which of several best candidates is written"),
}
MODEL: dict[str, Option] = {
    "revision": Option("text", about="branch, tag or commit on the hub"),
    "trained_on": Option("list", about="data sets that this model has seen"),
    "licence": Option("text", about="under which its weights are given"),
    "license": Option("text", about="the same"),
    "remote_code": Option("word", ("refuse", "run"), about="whether code in its folder may be run"),
    "pickle": Option("word", ("refuse", "read"), about="whether tensors are read out of pickles"),
    "kind": Option("word", ("model", "difference"), about="whether it is whole, or added to one"),
    "architecture": Option("text", about="open_clip's name for what a bare checkpoint is of"),
}
DATA: dict[str, Option] = {
    "split": Option("text", about="which rows, by their `split` column"),
    "rows": Option("rows", about="which rows of the split; both ends count"),
    "subset": Option("text", about="a named configuration of a hub data set"),
    "prompt": Option("text", about="what is asked about each picture that brings no question"),
    "revision": Option("text", about="branch, tag or commit on the hub"),
}
DTYPES = ("bf16", "fp16", "fp32")
ALSO_CALLED = {
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float": "fp32",
}
WRITE: dict[str, Option] = {
    "dtype": Option("word", DTYPES, about="type of the numbers in the checkpoint"),
    "shard": Option("size", about="largest size of one file"),
    "licence": Option("text", about="under which the result is given"),
    "license": Option("text", about="the same"),
}
SHARD_BYTES = 5 * 1024**3  # where `shard` is not written
ROUTE = ("repeat", "walk", "scale", "scale_of")
SCALE_OF = ("stream", "mlp")  # what the scale of a hop multiplies
PLANNED_METRICS = ("bleu", "chrf", "anls")
BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
