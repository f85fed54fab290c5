"""Nearest words, and lists of words in a sentence."""

from collections.abc import Iterable, Sequence


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    options = [name for name in known if name != word]
    if len(word) < 2:
        return None
    from difflib import get_close_matches  # only a mistake needs it

    found = get_close_matches(word, options, n=1, cutoff=0.6)
    return found[0] if found else None


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(words: Iterable[str], last: str = "and") -> str:
    """The same, each in back quotes."""
    return listed([f"`{word}`" for word in words], last)


def counted(number: int, noun: str) -> str:
    """`1 value`, `3 values`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
