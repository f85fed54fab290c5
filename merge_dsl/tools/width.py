"""What a terminal makes of a text: how many columns it takes, and what of it is shown at all."""

from unicodedata import combining, east_asian_width


def width(text: str) -> int:
    """Columns of a text: East Asian characters take two."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "FW" else 1 for c in text)


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters and marks of direction."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
