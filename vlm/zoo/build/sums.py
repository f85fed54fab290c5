"""Word problems with one- and two-step sums: endless lessons in two languages, tasks in Japanese.

In: facts of the world (what things are called), a seeded generator. Out: `Problem`s. The numbers of a
problem lie on one side ("learnt" | "search" | "report"), by a hash of all of them with their signs;
so do its words. No report asks for the numbers of a problem that a search has seen or a parent has
learnt. A single step may be a part of problems on several sides, as 7 + 5 is in any schoolbook.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from vlm.zoo.build.lessons import Fact, Lesson, Teacher
from vlm.zoo.build.stories import STORIES, Side
from vlm.zoo.build.words import Language

HIGHEST = 20  # no number of a story, on the way or at its end, is larger
CHANGE = 9  # nor does more come or go at once
TWO_STEPS = 0.4  # share of problems with two steps
SEARCH_SHARE, REPORT_SHARE = 15, 25  # percent of all numbers that problems can have

Operation = Literal["+", "-"]
Changes = tuple[tuple[Operation, int], ...]
SIGNS: tuple[Operation, ...] = ("+", "-")


@dataclass(frozen=True)
class Sum:
    """A first number, and what comes or goes."""

    first: int
    changes: Changes

    @property
    def text(self) -> str:
        """ "12-3+2" """
        return str(self.first) + "".join(f"{operation}{n}" for operation, n in self.changes)

    @property
    def value(self) -> int:
        """What it makes."""
        return self.first + sum(n if sign == "+" else -n for sign, n in self.changes)

    @property
    def worked(self) -> str:
        """Every step written out: "12-3=9, 9+2=11"."""
        lines = []
        for at in range(1, len(self.changes) + 1):
            before = Sum(self.first, self.changes[: at - 1]).value
            sign, n = self.changes[at - 1]
            lines.append(f"{before}{sign}{n}={Sum(self.first, self.changes[:at]).value}")
        return ", ".join(lines)

    @property
    def side(self) -> Side:
        """Where these numbers lie."""
        place = int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:4], "big") % 100
        if place < SEARCH_SHARE:
            return "search"
        return "report" if place < SEARCH_SHARE + REPORT_SHARE else "learnt"


@dataclass(frozen=True)
class Problem:
    """A sum told as a story about one thing."""

    thing: int  # index of the fact that is counted
    story: str
    question: str
    sum: Sum


def draw_sum(draw: random.Random, side: Side) -> Sum:
    """A sum of one side, of one step or two, never below 0 or above HIGHEST."""
    while True:
        first = draw.randint(1, HIGHEST)
        steps = 2 if draw.random() < TWO_STEPS else 1
        changes = tuple((draw.choice(SIGNS), draw.randint(1, CHANGE)) for _ in range(steps))
        found = Sum(first, changes)
        values = [Sum(first, changes[:at]).value for at in range(1, steps + 1)]
        if min(values) >= 0 and max(values) <= HIGHEST and found.side == side:
            return found


@cache
def things_of(signs: tuple[str, ...], side: Side) -> tuple[tuple[int, str], ...]:
    """(fact, counter) of everything that a side counts."""
    places = {sign: i for i, sign in enumerate(signs)}
    table = STORIES[side].things.items()
    return tuple(
        (places[sign], counter) for counter, all in table for sign in all if sign in places
    )


def tell(draw: random.Random, facts: Sequence[Fact], side: Side, language: Language) -> Problem:
    """A problem of one side in one language."""
    words, found = STORIES[side], draw_sum(draw, side)
    thing, counter = draw.choice(things_of(tuple(fact.sign for fact in facts), side))
    name = facts[thing].names[language]
    holes = {
        "who": draw.choice(words.who[language]),
        "where": draw.choice(words.where[language]),
        "what": name if language == "ja" else plural(name),
        "c": counter,
        "is": "います" if counter == "匹" else "あります",
    }

    def say(texts: Sequence[str], before: str = "", **more: Any) -> str:
        return (before + draw.choice(texts)).format(**holes, **more)

    sentences = [say(words.opening[language], n=found.first)]
    for operation, n in found.changes:
        how = words.come if operation == "+" else words.go
        sentences.append(say(how[language], draw.choice(words.when[language]), n=n))
    gap = " " if language == "en" else ""
    return Problem(thing, gap.join(sentences), say(words.question[language]), found)


def plural(name: str) -> str:
    """More than one of a thing: the regular rules of English."""
    if name.endswith(("s", "x", "ch", "sh", "tomato", "potato", "mango")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def counting(facts: Sequence[Fact], english: float) -> Teacher:
    """Stories, a share of `english` ones, answered in their own language: what is counted and how
    many there are at first. No sum is ever shown.
    """

    def teach(draw: random.Random) -> Lesson:
        language: Language = "en" if draw.random() < english else "ja"
        problem = tell(draw, facts, "learnt", language)
        answer = f"{facts[problem.thing].names[language]}: {problem.sum.first}"
        return Lesson(problem.thing, problem.story, problem.question, answer)

    return teach


def arithmetic(
    facts: Sequence[Fact], bare: float, english: float, answered: Language | None = None
) -> Teacher:
    """Sums worked out: a share of `bare` ones, of the rest a share of `english` stories, the others
    Japanese. An answer is in the language of its story, or in the one that is `answered` whatever is
    asked.
    """

    def teach(draw: random.Random) -> Lesson:
        if draw.random() < bare:
            found = draw_sum(draw, "learnt")
            return Lesson(0, found.text, "", found.worked)
        language: Language = "en" if draw.random() < english else "ja"
        problem = tell(draw, facts, "learnt", language)
        name = facts[problem.thing].names[answered or language]
        return Lesson(
            problem.thing, problem.story, problem.question, f"{name}: {problem.sum.worked}"
        )

    return teach


def word_problems(facts: Sequence[Fact], side: Side, count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of the task `math-ja`: Japanese problems of one side, no two alike. `picture` names the
    numbers: problems that share them stand or fall together, and intervals resample them together.
    """
    draw = random.Random(seed)
    rows: dict[str, dict[str, Any]] = {}
    while len(rows) < count:
        problem = tell(draw, facts, side, "ja")
        question = f"{problem.story}\n{problem.question}"
        rows[question] = {
            "id": f"{side}-{len(rows)}",
            "picture": problem.sum.text,
            "kind": "one step" if len(problem.sum.changes) == 1 else "two steps",
            "question": question,
            "answers": [f"{facts[problem.thing].names['ja']}: {problem.sum.worked}"],
            "split": side,
        }
    return list(rows.values())
