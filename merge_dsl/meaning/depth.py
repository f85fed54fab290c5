"""How far a look at a recipe goes."""

from enum import StrEnum


class Depth(StrEnum):
    """Each depth reads what the one before it reads, and more."""

    TEXT = "text"  # the recipe and what it imports
    FACTS = "facts"  # configs, tokenizers, headers of weights, and the bundled table
    DEEP = "deep"  # rows of data too
