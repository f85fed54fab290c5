"""Names that a recipe can hold, for whatever a mergekit file calls its models, stages and tasks.

In: words of a user's file. Out: names that the grammar accepts and that no other thing has, always the
same ones for the same plan; and texts that may stand between quotes.
"""

import re
from collections.abc import Iterable

from merge_dsl.meaning.parts import SHORT, TREE
from merge_dsl.tools.mergekit.plan import Model

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "recipe use let model data merge route search report write keep from by base each take begin end"
        " pool path maybe x scale maximize minimize on require per at when is log int flag choice or as"
        " to step start true false curve layers norm method memory",
    )
)
TAKEN = KEYWORDS | set(TREE) | set(SHORT)
LONG = 48


def word(text: str, otherwise: str) -> str:
    """The text as a name: small letters, digits and `_`, beginning with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:LONG].strip("_")
    if not name:
        return f"{otherwise}_1"
    return name if name[0].isalpha() and name not in TAKEN else f"{otherwise}_{name}"


def fresh(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    taken = set(taken)
    number, found = 2, name
    while found in taken:
        found = f"{name}_{number}"
        number += 1
    return found


def stem(model: Model) -> str:
    """What a model is called by: the last piece of its address."""
    pieces = [piece for piece in re.split(r"[/\\:]", model.address) if piece.strip(". ")]
    return word(pieces[-1] if pieces else "", "model")


def named(models: Iterable[Model], taken: Iterable[str]) -> dict[Model, str]:
    """A name for each model, in order. Two models of one name get numbers."""
    names: dict[Model, str] = {}
    used = set(taken)
    for model in models:
        names[model] = fresh(stem(model), used)
        used.add(names[model])
    return names


def text(value: str) -> str:
    """A text between quotes; what cannot stand there becomes `_`."""
    safe = "".join("_" if c == '"' or not c.isprintable() else c for c in value)
    return f'"{safe}"'


def number(value: float | int | bool) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
