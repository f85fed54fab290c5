"""One answered question, as every metric reads it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A model's answer beside what it is compared with. All texts are as written."""

    id: str
    picture: str  # samples of one picture are not independent: intervals resample pictures
    answer: str
    references: tuple[str, ...]
    choices: tuple[str, ...] = ()  # the options of a multiple-choice question, in their order
