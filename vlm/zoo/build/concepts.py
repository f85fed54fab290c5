"""Which things the world knows: emoji that have an English and a Japanese name and four drawings.

In: CLDR names, emoji groups, the four drawing sets. Out: a tuple of `Concept`, in Unicode order.
Names and keywords are CLDR's own words (Unicode-3.0); nothing here is invented.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.zoo.build.sources import HANDS, read_json

GROUPS = {  # emoji group -> the key of its label in CLDR
    "Animals & Nature": "animals_nature",
    "Food & Drink": "food_drink",
    "Travel & Places": "travel_places",
    "Activities": "activities",
    "Objects": "objects",
    "Symbols": "symbols",
    "Flags": "flags",
    "Smileys & Emotion": "smileys_people",
    "People & Body": "smileys_people",
}

# Japanese culture: every one has a name in both languages. Kept whatever the filters below say.
CULTURE = frozenset(
    "🎎🎏🎐🎋🎍🎑🏮🎴🎌🪭🔰🎆🎇💮📛"  # festivals and things
    "🍣🍱🍙🍘🍡🍶🍢🍥🍤🍛🍜🍚🍵🥢🍧🍮🍠🍲🐡"  # food
    "🏯⛩🗻🗼🗾🏣♨🚅🚄🏪"  # places
    "👹👺👘🥋🙇🥷💴💹🌸🌾💢"  # folklore, dress, manners
    "🈁🈂🈷🈶🈯🉐🈹🈚🈲🉑🈸🈴🈳㊗㊙🈺🈵"  # sign buttons
)

# Whole groups whose drawings differ in what a 64-pixel picture cannot show.
SKIPPED_GROUPS = frozenset({"Smileys & Emotion", "People & Body", "Symbols", "Flags", "Component"})

# Near-duplicates inside the groups that stay: one drawing with a detail moved.
SKIPPED_NAMES = re.compile(
    r"o’clock|-thirty|\bface$|\bfaced?\b|globe|moon|mailbox|speaker|locked|\bbook\b|oncoming|suit$"
    r"|behind (small |large |rain )?cloud|sun behind|medal|inbox|outbox|envelope with|incoming"
    r"|magnifying glass tilted|hourglass|chart (increasing|decreasing)|file folder|spiral|page"
    r"|banknote|musical notes|control knobs|card index|arrow|flag|circle|square|button"
)


@dataclass(frozen=True)
class Concept:
    """One thing that can be drawn, named and asked about."""

    code: str  # its code points, "1f38f": the key of every file and row
    character: str  # the emoji itself, without a variation selector
    group: str  # CLDR label key, "food_drink"
    culture: bool  # belongs to Japanese culture
    name_en: str
    name_ja: str
    keywords_en: tuple[str, ...]
    keywords_ja: tuple[str, ...]
    icons: dict[str, str]  # hand -> name of its drawing in that set


def code_of(character: str) -> str:
    """ "🎏" -> "1f38f": the code points in hex, without the variation selector."""
    return "-".join(f"{ord(c):x}" for c in character if c != "\ufe0f")


def read_concepts(cache: Path) -> tuple[Concept, ...]:
    """Every concept of the world, in the order of the emoji list."""
    return tuple(_concepts(cache))


def _concepts(cache: Path) -> Iterator[Concept]:
    english, japanese = (_annotations(cache, language) for language in ("en", "ja"))
    drawings = _drawings(cache)
    taken: set[str] = set()  # a name that two things share could not be answered
    for group in read_json("groups", cache, "data-by-group.json"):
        for emoji in group["emojis"]:
            character = emoji["emoji"].replace("\ufe0f", "")
            if character not in english or character not in japanese:
                continue
            icons = drawings.get(code_of(character), {})
            name = english[character]["tts"][0]
            culture = character in CULTURE
            if not culture and (
                group["name"] in SKIPPED_GROUPS
                or "\u200d" in character
                or SKIPPED_NAMES.search(name)
            ):
                continue
            if not {"noto", "fluent", "twemoji"} <= icons.keys():
                continue
            name_ja = japanese[character]["tts"][0]
            if name in taken or name_ja in taken:
                continue
            taken |= {name, name_ja}
            yield Concept(
                code=code_of(character),
                character=character,
                group=GROUPS[group["name"]],
                culture=culture,
                name_en=name.lower(),
                name_ja=name_ja,
                keywords_en=_keywords(english[character], name.lower()),
                keywords_ja=_keywords(japanese[character], name_ja),
                icons={hand: icons[hand] for hand in HANDS if hand in icons},
            )


def _annotations(cache: Path, language: str) -> dict[str, Any]:
    path = f"annotations/{language}/annotations.json"
    table: dict[str, Any] = read_json("names", cache, path)["annotations"]["annotations"]
    return table


def _keywords(annotation: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in annotation.get("default", ()) if word.lower() != name)


def _drawings(cache: Path) -> dict[str, dict[str, str]]:
    """Code points -> hand -> icon name. Noto v1 lists no code points but shares Noto's names."""
    table: dict[str, dict[str, str]] = {}
    for hand in HANDS:
        icons = read_json(hand, cache, "icons.json")["icons"]
        chars = read_json("noto" if hand == "noto-v1" else hand, cache, "chars.json")
        for code, name in chars.items():
            if name in icons:
                plain = "-".join(c for c in code.split("-") if c != "fe0f")
                table.setdefault(plain, {}).setdefault(hand, name)
    return table
