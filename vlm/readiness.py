"""What is tried before a search begins, so that no hour of it is spent on a run that cannot end.

In: an evaluator and the terms of search and report. Out: nothing, or the error that would otherwise
come after the last trial.
"""

from collections.abc import Mapping, Sequence

from merge_dsl.meaning.metrics import METRICS
from vlm.errors import DataError, VlmError
from vlm.evaluator import Evaluator
from vlm.metrics import Sample, score
from vlm.reader import Reader, open_reader
from vlm.score import Ask
from vlm.tasks.pictures import open_picture
from vlm.tasks.questions import Question, refuse_shared


def check_ready(
    evaluator: Evaluator,
    searched: Sequence[Ask],
    reported: Sequence[Ask],
    measured: Sequence[str] = (),
) -> None:
    """Raise a VlmError for what a search or its report would stumble over.

    Search and report share no question, nor do report and data on which parents are `measured`; every picture can be decoded; every metric takes these
    references; every model that will be asked has a reader, and can be asked these questions.
    """
    assert evaluator.resident is not None
    tables = evaluator.questions
    names = dict.fromkeys(ask.data for ask in (*searched, *reported))
    host = evaluator.resident.host
    _ask_all(
        open_reader(host.folder, host.anatomy.sees, host.trusted),
        {name: tables[name] for name in names},
    )
    refuse_shared(
        {name: tables[name] for name in (*(ask.data for ask in searched), *measured)},
        {ask.data: tables[ask.data] for ask in reported},
    )
    for name in names:
        _look_at_all(name, tables[name])
    for ask in dict.fromkeys((*searched, *reported)):
        _score_dummies(ask, tables[ask.data])
    parents = [source for source in evaluator.sources.values() if source.answers and reported]
    asked = {ask.data: tables[ask.data] for ask in reported}
    for source in parents:
        _ask_all(open_reader(source.folder, source.anatomy.sees, source.trusted), asked)


def _ask_all(reader: Reader, tables: Mapping[str, Sequence[Question]]) -> None:
    for name, questions in tables.items():
        try:
            reader.prompts(questions)
        except DataError as error:
            raise error.at(f"{name}, {error.where}") from error


def _look_at_all(name: str, questions: Sequence[Question]) -> None:
    for question in {q.picture: q for q in questions}.values():
        if question.image is not None:
            try:
                open_picture(question.image)
            except DataError as error:
                raise error.at(f"{name}, row {question.id}") from error


def _score_dummies(ask: Ask, questions: Sequence[Question]) -> None:
    """Score the first references as answers: what a metric lacks, it says now."""
    if METRICS[ask.metric].reads == "likelihood":
        return
    samples = [Sample(q.id, q.picture, q.references[0], q.references, q.choices) for q in questions]
    try:
        score(ask.metric, dict(ask.settings), samples)
    except VlmError as error:
        raise error.at(f"{ask}, row {error.where}" if error.where else str(ask)) from error
