"""The evaluator of one run: opened parents, one resident model, questions prepared once.

In: plain data of a recipe (places of models, data sets, terms). Out: tastings of candidates, of
parents, and of any checkpoint. This is the only door through which commands reach torch.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from merge_dsl.space.candidate import Candidate, Walk
from vlm.anatomy.known import config_of
from vlm.answer import Prepared, open_reader, prepare, seen_anew
from vlm.device import device_of, dtype_of, forget_freed, is_full, room_on
from vlm.measure import measure
from vlm.merge import host_of
from vlm.on_device import OnDevice
from vlm.resident import Resident, load_model
from vlm.route.walker import Walker
from vlm.score import Ask, Tasting, taste
from vlm.tasks.questions import Question, read_questions
from vlm.weights.source import NONE, Source, open_sources
from vlm.weights.writer import dtype_of as written_in

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

READ = (".json", ".jinja", ".model", ".txt", ".tiktoken")  # what a tokenizer or processor is of

NOTHING: Mapping[str, Path] = {}


@dataclass(frozen=True)
class Table:
    """Where a data set lies and which of its rows are meant."""

    path: Path
    split: str | None = None
    rows: tuple[tuple[int, int], ...] | None = None
    prompt: str | None = None


def read_tables(tables: Mapping[str, Table]) -> dict[str, tuple[Question, ...]]:
    """The questions of each data set. Raises DataError."""
    return {
        name: read_questions(t.path, split=t.split, rows=t.rows, prompt=t.prompt)
        for name, t in tables.items()
    }


class Evaluator:
    """Everything that does not change between the candidates of a run."""

    def __init__(
        self,
        models: Mapping[str, Path],
        tables: Mapping[str, Table],
        differences: Collection[str] = (),
        trusted: Collection[str] = (),
        architectures: Mapping[str, tuple[str, Mapping[str, Any]]] = NONE,
        pickled: Collection[str] = (),
        shown: Mapping[str, Path] = NOTHING,
        device: str = "cpu",
    ) -> None:
        """`models` are what candidates are made of; `shown` are others, which a report looks at. They run
        on `device`: "cpu", "cuda", "cuda:1", or "auto". Raises ModelError for one that is not here."""
        self.device = device_of(device)
        self.dtype = torch.float32
        self.sources: dict[str, Source] = open_sources(
            {**models, **shown}, differences, trusted, architectures, pickled
        )
        self.taken = {name: self.sources[name] for name in models}
        self.folders = {name: source.folder for name, source in self.sources.items()}
        self.questions = read_tables(tables)
        self.resident: Resident | Walker | None = None
        self.host: Source | None = None  # of the resident
        self.prepared: dict[str, Prepared] = {}

    def answer_in(self, dtype: str, written: str | None, candidate: Candidate | Walk) -> None:
        """Let models answer in `dtype` ("fp32", "bf16", "fp16"), or by "auto" as the device does best with a
        result that is `written` so; None where the recipe leaves that to the host."""
        if isinstance(candidate, Walk):
            host = self.taken[candidate.begin]
        else:
            host = host_of(candidate, self.taken)
        self.dtype = dtype_of(dtype, self.device, written_in(host, written))

    @property
    def where(self) -> str:
        """Where models answer, and in what, if not on the CPU in fp32."""
        if self.device.type == "cpu" and self.dtype == torch.float32:
            return ""
        return f"on {self.device} in {str(self.dtype).removeprefix('torch.')}"

    def open_resident(self, candidate: Candidate | Walk) -> None:
        """Load the host. Raises MergeError or ModelError for what no candidate could mend."""
        with room_on(self.device):
            if isinstance(candidate, Walk):
                self.resident = Walker(candidate, self.taken, self.device, self.dtype)
            else:
                self.resident = Resident(candidate, self.taken, self.device, self.dtype)
        self.host = self.resident.host

    def release(self) -> None:
        """Let go of the resident and of its parents: a checkpoint is as large, and needs their room."""
        self.resident = None
        self.prepared = {}
        forget_freed(self.device)

    def measure(
        self, candidate: Candidate | Walk, tell: Callable[[str], None] = lambda what: None
    ) -> None:
        """Ask the parents what the candidate's methods want to know of them; see `vlm.measure`."""
        if isinstance(candidate, Candidate):
            measure(candidate, self.sources, self.questions, tell, self.device)

    def taste_candidate(
        self,
        candidate: Candidate | Walk,
        asks: Sequence[Ask],
        tick: Callable[[], None] = lambda: None,
    ) -> Tasting:
        """Build a candidate in place and score it."""
        if self.resident is None:
            self.open_resident(candidate)
        with room_on(self.device):
            try:
                return self._taste(candidate, asks, tick)
            except RuntimeError as error:
                if not is_full(error) or not self._give_way():
                    raise
            return self._taste(candidate, asks, tick)

    def _give_way(self) -> bool:
        """Have the parents leave the device; False where none lies there."""
        parents = getattr(self.resident, "parents", None)
        gave = isinstance(parents, OnDevice) and parents.give_way()
        forget_freed(self.device)
        return gave

    def _taste(
        self, candidate: Candidate | Walk, asks: Sequence[Ask], tick: Callable[[], None]
    ) -> Tasting:
        assert self.resident is not None
        model = self._put(candidate)
        # The resident's, not the candidate's: an unsearched blend without a base may name another
        # host, and would be asked by other words than the child that it is compared with.
        host = self.resident.host
        for name in dict.fromkeys(ask.data for ask in asks):
            if name not in self.prepared:
                reader = open_reader(host.folder, host.anatomy.sees, host.trusted)
                self.prepared[name] = prepare(model, reader, self.questions[name])
            elif sees_anew(candidate):
                self.prepared[name] = seen_anew(model, self.prepared[name])
        return taste(model, self.prepared, asks, tick)

    def _put(self, candidate: Candidate | Walk) -> Any:
        """The resident, turned into this candidate."""
        if isinstance(candidate, Walk):
            assert isinstance(self.resident, Walker)
            return self.resident.put(candidate)
        assert isinstance(self.resident, Resident)
        self.measure(candidate)  # where a choice of methods has not asked before
        return self.resident.put(candidate)

    def taste_checkpoint(
        self, folder: Path, asks: Sequence[Ask], tick: Callable[[], None] = lambda: None
    ) -> Tasting:
        """Open any checkpoint as users will, and score it. A blind one is asked without pictures."""
        sees = is_seeing(folder)
        trusted = self._trusts(folder)
        with room_on(self.device):
            model = load_model(folder, sees, self.dtype, trusted=trusted, device=self.device)
            reader = open_reader(folder, sees, trusted)
            prepared = {
                name: prepare(model, reader, self.questions[name])
                for name in dict.fromkeys(ask.data for ask in asks)
            }
            return taste(model, prepared, asks, tick)

    def _trusts(self, folder: Path) -> bool:
        """Whether code in a checkpoint may run: a parent's as the recipe says, a child's as its host's."""
        parent = next((s for s in self.sources.values() if s.folder == folder), None)
        judge = parent if parent is not None else self.host
        return judge is not None and judge.trusted

    def fingerprint(self, tables: Iterable[str] | None = None) -> str:
        """16 hex digits that change when a parent, a question or a library that scores them does.

        `tables` names the data sets that count; None is all of them.
        """
        names = self.questions if tables is None else sorted(set(tables))
        state: dict[str, Any] = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "models": {name: _fingerprint_of(source) for name, source in self.taken.items()},
            "data": {
                name: [
                    (q.id, q.picture, q.sight, q.question, q.references, q.choices)
                    for q in self.questions[name]
                ]
                for name in names
            },
        }
        if self.device.type != "cpu":
            state["device"] = self.device.type  # its sums are others in the last digits
        if self.dtype != torch.float32:
            state["dtype"] = str(self.dtype)
        text = json.dumps(state, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def sees_anew(candidate: Candidate | Walk) -> bool:
    """Whether candidates of this recipe differ in how they see, so that no picture keeps its features."""
    if isinstance(candidate, Walk):
        return candidate.stack == "vision"
    units = (unit for blend in candidate.blends for unit in blend.units)
    return any(unit == "projector" or unit.startswith("vision.") for unit in units)


def is_seeing(folder: Path) -> bool:
    """Whether the checkpoint has a vision tower, by its config."""
    return "vision_config" in config_of(folder)


def _fingerprint_of(source: Source) -> str:
    """Content of small files, beginning and size of large ones: reading 15 GB twice is no check.

    Not of weights alone: a tokenizer or a template changes what a candidate is asked.
    """
    digest = hashlib.blake2b(digest_size=8)
    weights = {entry.file for entry in source.checkpoint.entries.values()}
    beside = {file for file in source.folder.iterdir() if file.suffix in READ and file.is_file()}
    if source.difference:
        digest.update(b"difference")  # the same weights, added and not taken
    for file in sorted(weights | beside):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read() if size < 1 << 26 else stream.read(1 << 20))
    return digest.hexdigest()
