"""A device that has no room: what gives way, and what is said where nothing can."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.vlm.pretend import NAME, Pretend, There
from tests.vlm.test_device import GIB, THERE, Opened, informed, opened, pretend
from tests.vlm.tiny import NO_REPORT, QUICK, done, evolve, records
from vlm import answer, score
from vlm.batches import Batch
from vlm.device import CPU
from vlm.evaluator import Evaluator
from vlm.measure import measure
from vlm.on_device import Moved, OnDevice
from vlm.tasks.questions import read_questions

__all__ = ["opened", "pretend"]  # fixtures


def full(*given: object, **more: object) -> None:
    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.6 GiB."
    )


@pytest.mark.parametrize("door", ["vlm.resident.write", "vlm.answer.read", "vlm.evaluator.taste"])
def test_a_device_that_is_full_is_told(
    door: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, full)
    (place / "tiny.merge").write_text(QUICK)
    capsys.readouterr()
    assert evolve() == 1
    said = capsys.readouterr().err
    assert "no room" in said and "2.00 GiB" in said and "--device cpu" in said
    assert "Traceback" not in said
    monkeypatch.undo()
    monkeypatch.chdir(place / "cwd")
    assert evolve() == 0  # what was begun goes on


def test_a_batch_that_does_not_fit_is_halved(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done(place, NO_REPORT, "--run", "whole")
    read, sizes = answer.read, []

    def small(model: object, prepared: object, batch: Batch) -> object:
        sizes.append(len(batch.rows))
        return full() if len(batch.rows) > 1 else read(model, prepared, batch)

    monkeypatch.setattr(answer, "read", small)
    done(place, NO_REPORT, "--run", "halves")
    assert sizes[:7] == [4, 2, 1, 1, 2, 1, 1]
    for one, other in zip(records(Path("whole")), records(Path("halves")), strict=True):
        if one.get("score") is not None:
            assert other["score"] == pytest.approx(one["score"], rel=1e-5)


def test_parents_give_way_to_answers(
    place: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents, tastes = OnDevice(THERE, GIB, size=999), []
    taste = score.taste

    def taste_later(*given: object, **more: object) -> object:
        tastes.append([p.resident for p in parents._held.all() if isinstance(p, Moved)])
        return full() if len(tastes) == 2 else taste(*given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("vlm.resident.parents_for", lambda device: parents)
        patch.setattr("vlm.evaluator.taste", taste_later)
        done(place, NO_REPORT, "--run", "there", "--device", NAME, "--dtype", "fp32")
    assert all(tastes[0]) and all(tastes[1]) and not any(tastes[2])
    done(place, NO_REPORT, "--run", "here", "--device", "cpu")
    assert records(Path("there"))[1:] == records(Path("here"))[1:]


def test_what_a_device_has_no_room_for_is_measured_on_the_cpu(
    opened: Opened, place: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = {"naming": read_questions(place / "rows.parquet")}
    here, there, said = opened(), opened(), []
    grad = torch.autograd.grad

    def grads(outputs: torch.Tensor, *given: object, **more: object) -> object:
        return full() if isinstance(outputs, There) else grad(outputs, *given, **more)  # type: ignore[arg-type]

    for name, sources in (("here", here), ("there", there)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place / name))
        if name == "there":
            monkeypatch.setattr(torch.autograd, "grad", grads)
        measure(
            informed("fisher"), sources, questions, said.append, CPU if name == "here" else THERE
        )
    assert any("on the CPU" in line for line in said)
    for name, source in here.items():
        for asked, found in source.measured.items():
            for role, raw in found.items():
                other = there[name].measured[asked][role]
                assert raw is not None and other is not None
                assert np.array_equal(raw.numbers, other.numbers)


def test_the_report_opens_no_model_beside_the_resident(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = Evaluator.taste_checkpoint

    def taste(self: Evaluator, *given: object) -> object:
        opened.append(self.resident)
        return real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "taste_checkpoint", taste)
    done(place, QUICK)
    assert opened == [None] * 4  # three parents and the child
