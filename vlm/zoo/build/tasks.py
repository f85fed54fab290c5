"""The questions that searches and reports ask about Twemoji drawings, a hand no parent has seen.

In: the drawings table. Out: rows of three tasks: `emoji-ja` and `emoji-en` (naming), `emoji-vqa-ja`
(cultural VQA).
Every answer and every wrong choice is a CLDR name, keyword or group label. Wrong choices come from
the same group, so that knowing the kind of thing is not enough.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vlm.zoo.build import words
from vlm.zoo.build.words import Language

HAND = "twemoji"

Row = dict[str, Any]


def naming(rows: Sequence[Row], language: Language) -> Iterator[Row]:
    """ "What is this?" in one language, one row a drawing."""
    for row in rows:
        yield _row(row, "name", words.NAME[language], [row[f"name_{language}"]])


def cultural_vqa(rows: Sequence[Row], labels: dict[str, str]) -> Iterator[Row]:
    """Up to three questions a drawing: its kind, a word that fits, and what of Japan it shows."""
    for row in rows:
        yield _row(row, "kind", words.GROUP["ja"], [labels[row["group"]]])
        peers = [r for r in rows if r["group"] == row["group"] and r["code"] != row["code"]]
        if row["keywords_ja"]:
            right = pick(row["keywords_ja"], 1, row["code"] + "keyword")[0]
            wrong = [
                w for w in _words(peers) if w not in row["keywords_ja"] and w != row["name_ja"]
            ]
            yield from _choice(row, "word", words.FITTING["ja"], right, wrong)
        if row["culture"]:
            custom = row["group"] == "activities"
            question = words.FESTIVAL["ja"] if custom else words.CULTURE["ja"]
            kin = [r["name_ja"] for r in peers if r["culture"]]
            kin = [name for name in kin if name not in row["keywords_ja"]]  # 0系新幹線 is a 新幹線
            kind = "custom" if custom else "culture"
            yield from _choice(row, kind, question, row["name_ja"], kin)


def shuffled(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order of a hash of their ids, so that the first hundred are a fair sample."""
    return sorted(rows, key=lambda row: hashlib.sha256(row["id"].encode()).digest())


def pick(values: Sequence[str], count: int, key: str) -> list[str]:
    """`count` of the values, chosen and ordered by a hash with `key`: the same on any machine."""
    ranked = sorted(set(values), key=lambda v: hashlib.sha256(f"{key}|{v}".encode()).digest())
    return ranked[:count]


def _words(rows: Sequence[Row]) -> list[str]:
    return [word for row in rows for word in row["keywords_ja"]]


def _choice(row: Row, kind: str, question: str, right: str, wrong: Sequence[str]) -> Iterator[Row]:
    """One question, or none where the group is too small for three wrong choices."""
    wrongs = pick(wrong, len(words.LETTERS) - 1, row["code"] + kind)
    options = pick([right, *wrongs], len(words.LETTERS), row["code"] + kind + "order")
    if len(options) == len(words.LETTERS):
        yield _row(row, kind, words.with_options(question, options), [right], options)


def _row(
    row: Row, kind: str, question: str, answers: list[str], choices: Sequence[str] = ()
) -> Row:
    return {
        "id": f"{row['code']}-{kind}",
        "picture": row["code"],
        "image": row["image"],
        "kind": kind,
        "question": question,
        "answers": answers,
        "choices": list(choices),
        "split": row["split"],
        "culture": row["culture"],
    }
