"""How many columns a terminal gives a text: East Asian characters take two."""

from unicodedata import combining, east_asian_width


def width(text: str) -> int:
    """Columns of a text."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "FW" else 1 for c in text)
