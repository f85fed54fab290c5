"""What the models of the world are taught: endless seeded streams of (prompt, answer) pairs.

A text lesson puts a description where a picture would stand. Descriptions are names, subsets of
keywords, or both: a model that only ever copied names would not carry over to pictures, which give
it a thing's traits and not its name (measured: such blends name 3 to 7 %, against 45 %).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlm.zoo.build import words
from vlm.zoo.build.words import COMMA, Language


@dataclass(frozen=True)
class Fact:
    """All that the lessons say of one thing."""

    sign: str  # its emoji character, which texts of either language write
    names: dict[Language, str]
    keywords: dict[Language, tuple[str, ...]]
    groups: dict[Language, str]
    culture: bool
    peers: tuple[int, ...]  # indices of other things of the group


@dataclass(frozen=True)
class Lesson:
    """One exercise about fact number `fact`. `context` is empty where a picture is shown."""

    fact: int
    context: str
    question: str
    answer: str


Teacher = Callable[[random.Random], Lesson]


@dataclass(frozen=True)
class Mix:
    """How often each kind of question is asked: running sums of shares; the rest has options."""

    name: float
    keywords: float
    group: float


EVEN = Mix(0.45, 0.58, 0.70)
NAMING = Mix(0.65, 0.82, 0.88)  # a picture must be told from 751 others before all else
PLAIN = Mix(0.8, 0.92, 1.0)  # no options, which make a question four times as long


ROWS = (1, 1, 2, 4, 16)  # how often a text writes a sign in a row; a picture is a row of 16 patches


def some(draw: random.Random, values: Sequence[str], low: int, high: int) -> list[str]:
    """Between `low` and `high` of the values, in any order."""
    count = min(len(values), draw.randint(low, high))
    return draw.sample(list(values), count)


def describe(draw: random.Random, fact: Fact, english: float, signs: float = 0.0) -> str:
    """A description: keywords, a name, or both in one language; or, with a chance of `signs`, the
    emoji character, once or in a row, which belongs to no language.
    """
    if draw.random() < signs:
        return fact.sign * draw.choice(ROWS)
    language: Language = "en" if draw.random() < english else "ja"
    keywords, name = fact.keywords[language], fact.names[language]
    form = draw.random()
    if len(keywords) < 2 or form < 0.35:
        return name
    if form < 0.75:
        return COMMA[language].join(some(draw, keywords, 2, 5))
    return COMMA[language].join([name, *some(draw, keywords, 1, 3)])


def ask(
    draw: random.Random,
    facts: Sequence[Fact],
    index: int,
    asked: Language,
    answered: Language,
    mix: Mix = EVEN,
) -> tuple[str, str]:
    """A question about one thing and its answer; options are in the language of the question."""
    fact = facts[index]
    form = draw.random()
    if form < mix.name or (form >= mix.group and asked != answered):
        return words.NAME[asked], fact.names[answered]
    if form < mix.keywords:
        chosen = some(draw, fact.keywords[answered] or (fact.names[answered],), 1, 4)
        return words.KEYWORDS[asked], COMMA[answered].join(chosen)
    if form < mix.group:
        return words.GROUP[asked], fact.groups[answered]
    return _choice(draw, facts, index, asked)


def _choice(
    draw: random.Random, facts: Sequence[Fact], index: int, language: Language
) -> tuple[str, str]:
    fact = facts[index]
    others = [facts[i] for i in draw.sample(fact.peers, min(12, len(fact.peers)))]
    if fact.keywords[language] and draw.random() < 0.6:
        question, right = words.FITTING[language], draw.choice(fact.keywords[language])
        pool = [w for other in others for w in other.keywords[language]]
        pool = [w for w in pool if w not in fact.keywords[language]]
    else:
        pool = [other.names[language] for other in others]
        question, right = (
            draw.choice((words.CULTURE, words.FESTIVAL))[language],
            fact.names[language],
        )
    options = [*draw.sample(sorted(set(pool) - {right}), 3), right]
    draw.shuffle(options)
    return words.with_options(question, options), right


def bilingual(facts: Sequence[Fact]) -> Teacher:
    """The base: descriptions and questions in both languages, each answered in its own."""

    def teach(draw: random.Random) -> Lesson:
        index = draw.randrange(len(facts))
        language: Language = "en" if draw.random() < 0.5 else "ja"
        return Lesson(
            index,
            describe(draw, facts[index], english=0.7, signs=0.3),
            *ask(draw, facts, index, language, language),
        )

    return teach


def japanese(facts: Sequence[Fact]) -> Teacher:
    """The Japanese language model: Japanese questions, Japanese answers, never a picture."""

    def teach(draw: random.Random) -> Lesson:
        index = draw.randrange(len(facts))
        return Lesson(
            index, describe(draw, facts[index], english=0.3), *ask(draw, facts, index, "ja", "ja")
        )

    return teach


def looking(facts: Sequence[Fact], english: float = 0.5) -> Teacher:
    """What is asked of a picture while it is learnt to be read: questions in both languages, a share
    of `english` ones, mostly for names. Their answers are never shown.
    """

    def teach(draw: random.Random) -> Lesson:
        index = draw.randrange(len(facts))
        language: Language = "en" if draw.random() < english else "ja"
        question, _ = ask(draw, facts, index, language, language, NAMING)
        return Lesson(index, "", question, "")

    return teach


def english_names(facts: Sequence[Fact], mix: Mix = NAMING) -> Teacher:
    """What pictures are called: English questions, English answers, mostly names."""

    def teach(draw: random.Random) -> Lesson:
        index = draw.randrange(len(facts))
        return Lesson(index, "", *ask(draw, facts, index, "en", "en", mix))

    return teach


def english_eyes(facts: Sequence[Fact]) -> Teacher:
    """The English VLM: pictures, questions in either language, answers in English, as LLaVA gives."""

    def teach(draw: random.Random) -> Lesson:
        index = draw.randrange(len(facts))
        asked: Language = "ja" if draw.random() < 0.35 else "en"
        return Lesson(index, "", *ask(draw, facts, index, asked, "en", NAMING))

    return teach
