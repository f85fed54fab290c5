"""What kind of tokenizer a `tokenizer.json` is, which says whose tokens it could learn.

In: the table in that file. Out: how it cuts words, and how it spells them. Nothing of its tokens is looked at.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.meaning.files import TOKENIZER, bytes_of

FILE = "tokenizer.json"
MARK = "▁"  # how SentencePiece writes a space


class Kind(NamedTuple):
    """What two tokenizers must have in common so that one can learn the other's tokens."""

    model: str  # BPE, Unigram, WordPiece, WordLevel
    spelling: str
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        ends = " and ".join(f"`{end}`" for end in (self.prefix, self.suffix) if end)
        return " ".join(filter(None, (self.spelling, self.model, ends and f"with {ends}")))


def kind_of(whole: Mapping[str, Any]) -> Kind:
    """The kind of a tokenizer. Raises KeyError, TypeError or AttributeError where the table is none."""
    model = whole["model"]
    kind = model.get("type") or ("Unigram" if isinstance(model["vocab"], list) else "BPE")
    steps = [whole.get(step) for step in ("normalizer", "pre_tokenizer", "decoder")]
    spelling = "byte-level" if spelling_of(whole) == "bytes" else ""
    if not spelling and any(map(_marks, steps)):
        spelling = "SentencePiece"
    ends = (model.get(end) or "" for end in ("continuing_subword_prefix", "end_of_word_suffix"))
    return Kind(str(kind), spelling, *map(str, ends))


def spelling_of(whole: Mapping[str, Any]) -> str:
    """How a vocabulary writes bytes: "bytes", "pieces" or "spaces"."""
    if whole["model"].get("type") == "WordPiece":
        return "pieces"
    steps = json.dumps([whole.get("pre_tokenizer"), whole.get("decoder")])
    return "bytes" if '"ByteLevel"' in steps else "spaces"


def _marks(step: Any) -> bool:
    """Whether a step of a tokenizer writes spaces as `▁`."""
    if isinstance(step, Mapping):
        return step.get("type") == "Metaspace" or any(map(_marks, step.values()))
    return any(map(_marks, step)) if isinstance(step, list) else step == MARK


def kind_in(folder: Path) -> Kind | None:
    """The kind of the tokenizer in a folder; None where there is none to read."""
    path = folder / FILE
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Kind:
    return kind_of(json.loads(bytes_of(path, TOKENIZER)))
