"""Where a model comes from: what it was tuned from, under which licence, on which data.

In: a model of a recipe. Out: what a bundled table says of its name, and what the card (README.md) in its
folder says of itself. Cards are often silent, so what is missing here is unknown, not absent.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.meaning.recipe import Model

TABLE = Path(__file__).with_name("known_lineage.json")
LONGEST = 65_536  # characters of a card that are looked at
LINE = re.compile(r"(?P<key>\w+)\s*:\s*(?P<value>.*)")


class Lineage(NamedTuple):
    """One model. `parents` maps a stack to the model that it was tuned from; `root` has none."""

    parents: Mapping[str, str]
    root: bool = False
    licence: str | None = None
    trained_on: tuple[str, ...] = ()


@cache
def known_lineage() -> Mapping[str, Lineage]:
    """The bundled table: public facts about popular checkpoints."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: _of_entry(entry) for name, entry in table.items()}


def _of_entry(entry: Mapping[str, Any]) -> Lineage:
    parents = {stack: entry[stack] for stack in ("language", "vision") if stack in entry}
    trained_on = tuple(entry.get("trained_on", ()))
    return Lineage(parents, entry.get("root", False), entry.get("licence"), trained_on)


def identity(model: Model) -> str | None:
    """The public name of a model: of a folder, the one that ends like its name."""
    if model.place.scheme == "hf":
        return model.place.address
    if model.place.scheme == "zoo":
        return str(model.place)
    if model.place.scheme == "file":
        last = Path(model.place.address).name
        return next((name for name in known_lineage() if name.partition("/")[2] == last), None)
    return None


def lineage_of(model: Model) -> Lineage | None:
    """What is known of a model; its card goes before the table."""
    name = identity(model)
    known = known_lineage().get(name) if name else None
    card = read_card(model.folder) if model.folder is not None else None
    if card is None or known is None:
        return card or known
    return Lineage(
        card.parents or known.parents,
        known.root and not card.parents,
        card.licence or known.licence,
        card.trained_on or known.trained_on,
    )


def ancestors(model: Model, stack: str) -> tuple[frozenset[str], bool]:
    """A model's name and those of its ancestors, and whether these are all."""
    own = identity(model)
    names = {own} if own else set()
    entry = lineage_of(model)
    while entry is not None and not entry.root:
        parent = entry.parents.get(stack)
        if parent is None or parent in names:
            return frozenset(names), False
        names.add(parent)
        entry = known_lineage().get(parent)
    return frozenset(names), entry is not None


def read_card(folder: Path) -> Lineage | None:
    """What stands in the front matter of a model's README.md; None without one."""
    try:
        card = folder / "README.md"
        if not card.is_file():
            return None
        with card.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(LONGEST)
    except OSError:
        return None
    if not text.startswith("---"):
        return None
    table = _front_matter(text.partition("\n")[2].partition("\n---")[0])
    bases = table.get("base_model", ())
    parents = {stack: bases[0] for stack in ("language", "vision") if len(bases) == 1}
    licence = table.get("license_name", ()) or table.get("license", ())
    return Lineage(parents, False, licence[0] if licence else None, table.get("datasets", ()))


def _front_matter(text: str) -> dict[str, tuple[str, ...]]:
    """The few forms of YAML that cards use: `key: value`, `key: [a, b]`, and `- item` lines."""
    table: dict[str, tuple[str, ...]] = {}
    key = ""
    for line in text.splitlines():
        found = LINE.fullmatch(line.rstrip())
        if found:
            key = found["key"]
            values = found["value"].strip("[] ").split(",") if found["value"] else []
            table[key] = tuple(v for value in values if (v := value.strip(" \"'")))
        elif key and line.strip().startswith("- "):
            table[key] = (*table[key], line.strip()[2:].strip(" \"'"))
    return table
