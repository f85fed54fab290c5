"""What a terminal makes of a text: how many columns it takes, and what of it is shown at all."""

import json
from unicodedata import combining, east_asian_width


def width(text: str) -> int:
    """Columns of a text: East Asian characters take two."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "FW" else 1 for c in text)


def escaped(text: str) -> str:
    """A JSON text in which what a terminal would obey is written as an escape; it reads the same."""
    if text.isascii():
        return text  # JSON escapes control characters itself
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters and marks of direction."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
