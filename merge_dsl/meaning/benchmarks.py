"""Public benchmarks, by the names that data sets and model cards give them.

A search that looks at the test rows of one of them fits what everyone compares by.
"""

import re

# Slugs without signs. Names under five letters would be found inside other words.
BENCHMARKS: tuple[str, ...] = (
    "aokvqa", "arcchallenge", "bigbench", "chartqa", "cmmlu", "commonsenseqa", "cococaption",
    "cvqa", "docvqa", "flickr30k", "gsm8k", "hellaswag", "heronbench", "humaneval", "infovqa",
    "javgvqa500", "javlmbenchinthewild", "jamultiimagevqa", "japaneseheronbench", "jcommonsenseqa",
    "jdocqa", "jglue", "jicvqa", "jmmmu", "jsquad", "lambada", "llavabench", "mathvista", "mbench",
    "mechaja", "mgsm", "mmbench", "mmmu", "mmlu", "mmstar", "mmvet", "mtbench", "nocaps", "ocrbench",
    "okvqa", "pope", "scienceqa", "seedbench", "textvqa", "triviaqa", "truthfulqa", "vizwiz",
    "vqav2", "winogrande",
)  # fmt: skip
TRAINING = ("train", "training", "dev", "validation", "valid", "val", "search")
WORD = re.compile(r"[a-z0-9]+")


def slug(name: str) -> str:
    """A name without signs and capitals: `JA-VG-VQA-500` is javgvqa500."""
    return "".join(WORD.findall(name.lower()))


def words(name: str) -> list[str]:
    """The words of a name: `data/mgsm_test.jsonl` is data, mgsm, test, jsonl."""
    return WORD.findall(name.lower())


def benchmark_of(name: str) -> str | None:
    """The longest benchmark whose name stands in a name, or None."""
    whole = slug(name)
    return max((b for b in BENCHMARKS if b in whole), key=len, default=None)


def same_data(one: str, other: str) -> bool:
    """Whether two names may be of one data set: one begins the other, an organisation aside."""
    left, right = (slug(name.rpartition("/")[2]) for name in (one, other))
    short, long = sorted((left, right), key=len)
    return len(short) >= 4 and long.startswith(short)
