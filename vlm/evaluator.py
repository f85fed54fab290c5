"""The evaluator of one run: opened parents, one resident model, questions prepared once.

In: plain data of a recipe (places of models, data sets, terms). Out: tastings of candidates, of
parents, and of any checkpoint. This is the only door through which commands reach torch.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

from merge_dsl.space.candidate import Candidate
from vlm.answer import Prepared, open_reader, prepare
from vlm.merge import host_of
from vlm.resident import Resident, load_model
from vlm.score import Ask, Tasting, taste
from vlm.tasks.questions import Question, read_questions
from vlm.weights.source import Source, open_source


@dataclass(frozen=True)
class Table:
    """Where a data set lies and which of its rows are meant."""

    path: Path
    split: str | None = None
    rows: tuple[tuple[int, int], ...] | None = None
    prompt: str | None = None


class Evaluator:
    """Everything that does not change between the candidates of a run."""

    def __init__(self, models: Mapping[str, Path], tables: Mapping[str, Table]) -> None:
        self.folders = dict(models)
        self.sources: dict[str, Source] = {
            name: open_source(name, folder) for name, folder in models.items()
        }
        self.questions: dict[str, tuple[Question, ...]] = {
            name: read_questions(t.path, split=t.split, rows=t.rows, prompt=t.prompt)
            for name, t in tables.items()
        }
        self.resident: Resident | None = None
        self.prepared: dict[str, Prepared] = {}

    def open_resident(self, candidate: Candidate) -> None:
        """Load the host. Raises MergeError or ModelError for what no candidate could mend."""
        self.resident = Resident(candidate, self.sources)

    def taste_candidate(
        self, candidate: Candidate, asks: Sequence[Ask], tick: Callable[[], None] = lambda: None
    ) -> Tasting:
        """Build a candidate in place and score it."""
        if self.resident is None:
            self.open_resident(candidate)
        assert self.resident is not None
        model = self.resident.put(candidate)
        host = host_of(candidate, self.sources)
        for ask in asks:
            if ask.data not in self.prepared:
                reader = open_reader(host.folder, host.anatomy.sees)
                self.prepared[ask.data] = prepare(model, reader, self.questions[ask.data])
        return taste(model, self.prepared, asks, tick)

    def taste_checkpoint(
        self, folder: Path, asks: Sequence[Ask], tick: Callable[[], None] = lambda: None
    ) -> Tasting:
        """Open any checkpoint as users will, and score it. A blind one is asked without pictures."""
        sees = is_seeing(folder)
        model, reader = load_model(folder, sees), open_reader(folder, sees)
        prepared = {
            name: prepare(model, reader, self.questions[name])
            for name in dict.fromkeys(ask.data for ask in asks)
        }
        return taste(model, prepared, asks, tick)

    def fingerprint(self) -> str:
        """16 hex digits that change when a parent, a question or a library that scores them does."""
        state: dict[str, Any] = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "models": {name: _fingerprint_of(source) for name, source in self.sources.items()},
            "data": {
                name: [(q.id, q.picture, q.question, q.references, q.choices) for q in table]
                for name, table in self.questions.items()
            },
        }
        text = json.dumps(state, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def is_seeing(folder: Path) -> bool:
    """Whether the checkpoint has a vision tower, by its config."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "vision_config" in config


def _fingerprint_of(source: Source) -> str:
    """Content of small checkpoints, headers and sizes of large ones: reading 15 GB twice is no check."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted({entry.file for entry in source.checkpoint.entries.values()}):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read() if size < 1 << 26 else stream.read(1 << 20))
    return digest.hexdigest()
