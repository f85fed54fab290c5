"""What could not be carried from one language to the other, as data, and how it is said.

In: notes, collected while a file is read. Out: lines for stderr, and comment lines for the file that is
written. Text of a user's file is shown on one line and without characters that change a terminal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

LONG = 160


@dataclass(frozen=True)
class Note:
    """`where` is a path of keys, or a line of a recipe. What is not `lost` changes nothing."""

    where: str
    what: str
    line: int = 0  # 0: the whole file
    column: int = 0
    lost: bool = True


@dataclass
class Notes:
    """Collects notes while one file is read."""

    found: list[Note] = field(default_factory=list)

    def lose(self, where: str, what: str, line: int = 0, column: int = 0) -> None:
        """Something that is not carried over."""
        self.found.append(Note(where, what, line, column))

    def tell(self, where: str, what: str, line: int = 0, column: int = 0) -> None:
        """Something that need not be carried, since it changes nothing."""
        self.found.append(Note(where, what, line, column, lost=False))

    @property
    def lost(self) -> tuple[Note, ...]:
        """The losses, by place, each once."""
        return tuple(note for note in in_order(self.found) if note.lost)


def in_order(notes: Iterable[Note]) -> tuple[Note, ...]:
    """By place; what is said twice is said once."""
    return tuple(sorted(dict.fromkeys(notes), key=lambda n: (n.line, n.column)))


def spoken(path: str, note: Note) -> str:
    """A note as stderr shows it."""
    place = f"{path}:{note.line}:{note.column}" if note.line else path
    kind = "not carried" if note.lost else "note"
    return f"{plain(place)}: {kind}: {plain(_said(note))}"


def comments(notes: Iterable[Note], heading: str) -> list[str]:
    """The losses as comment lines; none where nothing is lost."""
    said = list(dict.fromkeys(plain(_said(note)) for note in notes if note.lost))
    return [f"# {heading}", *(f"#   {line}" for line in said)] if said else []


def _said(note: Note) -> str:
    return f"{note.where}: {note.what}" if note.where else note.what


def plain(text: str, long: int = LONG * 3) -> str:
    """One line that can be printed anywhere: what is no letter, sign or space is written out."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= long else f"{safe[:long]}…"


def shown(text: str) -> str:
    """A user's word inside a sentence."""
    return f"`{plain(text, LONG)}`"
