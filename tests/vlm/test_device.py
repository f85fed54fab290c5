"""Models and blends on a device: the same numbers as on a CPU, from parents there or on their way."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import KEPT, UNITS, student
from tests.vlm.methods.tools import defaults, taken
from tests.vlm.pretend import NAME, Pretend, There
from tests.vlm.test_lora import opened as with_adapter
from tests.vlm.test_lora import save_adapter
from tests.vlm.test_vocabulary import spoken
from tests.vlm.tiny import NO_REPORT, QUICK, done, evolve, records
from vlm.anatomy.body import Role
from vlm.blend import blended
from vlm.device import CPU, device_of, dtype_of
from vlm.errors import ModelError
from vlm.evaluator import Evaluator
from vlm.measure import measure
from vlm.merge import portions_of
from vlm.methods.arrays import packed, unpacked
from vlm.on_device import Moved, OnDevice
from vlm.parents import InMemory, Parents
from vlm.resident import Resident, load_model
from vlm.tasks.questions import read_questions
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

THERE = torch.device(NAME, 0)
GIB = 1 << 30
Opened = Callable[[], dict[str, Source]]


@pytest.fixture
def opened(parents: Mapping[str, Path]) -> Opened:
    return lambda: {name: open_source(name, folder) for name, folder in parents.items()}


@pytest.fixture
def pretend() -> Iterator[Pretend]:
    with Pretend() as mode:
        yield mode


def child(method: str, weight: float) -> Candidate:
    """The student by any method that no data inform, all settings but the first weight at default."""
    names = ("eyes", "tongue")[-taken(method, 2) :]
    own = defaults(method, "ingredient")
    each = [own | ({"weight": weight} if "weight" in own and not i else {}) for i in range(2)]
    takes = tuple(
        Ingredient(Origin(name), {n: (v,) * len(UNITS) for n, v in one.items()})
        for name, one in zip(names, each, strict=False)
    )
    shared = {n: (v,) * len(UNITS) for n, v in defaults(method, "shared").items()}
    base = Origin("base") if METHODS[method].base != "refused" else None
    seed = 3 if METHODS[method].random else None
    blend = Blend(UNITS, method, base, takes, shared, seed)
    return Candidate("student", {}, (Keep(KEPT, Origin("eyes")),), (blend,))


def near(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of a model's tensors on the CPU."""
    return {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}


def same(one: Resident, other: Resident, *candidates: Candidate, within: float = 0.0) -> None:
    """Two residents make the same of candidate after candidate, bit for bit or nearly."""
    for candidate in candidates:
        found, expected = near(one.put(candidate)), near(other.put(candidate))
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=within, atol=within, msg=name)


@pytest.mark.parametrize("method", [m for m in METHODS if not METHODS[m].reads])
def test_every_method_makes_there_what_it_makes_here(
    method: str, opened: Opened, pretend: Pretend
) -> None:
    sources = opened()
    where: tuple[Parents, Parents] = (OnDevice(THERE, 20_000, size=500, arena=4096), InMemory())
    within = 1e-6 if method == "slerp" else 0.0  # its sums are of pieces
    for role in (
        Role(UNITS[1], "self_attn.q_proj.weight"),
        Role(UNITS[0], "input_layernorm.weight"),
    ):
        memos: tuple[dict[str, Any], ...] = (
            {},
            {},
        )  # what an equation keeps for the next candidate
        for weight in (0.7, 0.2, 0.7, 0.7):
            portion = portions_of(child(method, weight))[role.unit]
            made = []
            for parents, memo in zip(where, memos, strict=True):
                pieces = blended(portion, role, sources["eyes"], sources, parents, memo)
                made.append([torch.as_tensor(piece) for piece in pieces])
            assert all(isinstance(piece, There) for piece in made[0])
            found, expected = (torch.cat(pieces).cpu() for pieces in made)
            torch.testing.assert_close(found, expected, rtol=within, atol=within)


@pytest.mark.parametrize(
    ("room", "moved"), [(0, "none"), (20_000, "some"), (GIB, "all")], ids=["0", "20 kB", "1 GiB"]
)
def test_parents_lie_there_as_far_as_there_is_room(
    room: int, moved: str, opened: Opened, pretend: Pretend
) -> None:
    one = child("ties", 0.7)
    parents = OnDevice(THERE, room, size=999, arena=10_000)
    same(Resident(one, opened(), THERE, parents=parents), Resident(one, opened()), one)
    held = [p.numbers for p in parents._held.all() if isinstance(p, Moved)]
    lying = [isinstance(numbers, There) for numbers in held]
    assert len(held) == 3 * len(UNITS) * 9  # tensors of a layer
    assert {"none": not any(lying), "some": 0 < sum(lying) < len(lying), "all": all(lying)}[moved]
    there = sum(numbers.nbytes for numbers in held if isinstance(numbers, There))
    assert there == room - parents.room <= room


def test_rows_by_token_and_adapters(
    two: dict[str, Source], parents: Mapping[str, Path], pretend: Pretend, tmp_path: Path
) -> None:
    same(Resident(spoken(), two, THERE), Resident(spoken(), two), spoken(weight=0.3))
    sources = with_adapter(parents, skill=save_adapter(tmp_path / "skill"))
    one = student("task_arithmetic", base=True, scale=1.0)
    (blend,) = one.blends
    takes = (blend.ingredients[0], blend.ingredients[1]._replace(origin=Origin("skill")))
    one = one._replace(blends=(blend._replace(ingredients=takes),))
    same(Resident(one, sources, THERE), Resident(one, sources), one)


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_what_data_say_is_measured_there(
    method: str, opened: Opened, place: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = {"naming": read_questions(place / "rows.parquet")}
    one = informed(method)
    here, there = opened(), opened()
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "here"))
    measure(one, here, questions)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "there"))
    pretend.seen.clear()
    measure(one, there, questions, device=THERE)
    assert any("softmax" in name for name in pretend.seen)
    same(Resident(one, there, THERE), Resident(one, here), one, within=1e-6)


def informed(method: str) -> Candidate:
    own = {"weight": (1.0,) * len(UNITS), "on": ("naming",) * len(UNITS)}
    takes = tuple(Ingredient(Origin(name), own) for name in ("eyes", "tongue"))
    shared = {n: (v,) * len(UNITS) for n, v in defaults(method, "shared").items()}
    blend = Blend(UNITS, method, None, takes, shared)
    return Candidate("student", {}, (Keep(KEPT, Origin("eyes")),), (blend,))


def test_a_search_there_is_the_search_here(place: Path, pretend: Pretend) -> None:
    """Everything that a model answers with: pictures, masks, positions, caches, words."""
    done(place, QUICK, "--run", "there", "--device", NAME, "--dtype", "fp32")
    assert any("attention" in name for name in pretend.seen)
    done(place, QUICK, "--run", "here", "--device", "cpu")
    assert records(Path("there"))[1:] == records(Path("here"))[1:]
    assert records(Path("there"))[0] != records(Path("here"))[0]  # it goes on only where it began
    assert (Path("there") / "best.merge").read_bytes() == (Path("here") / "best.merge").read_bytes()


def test_a_candidate_in_half_precision_is_its_checkpoint(opened: Opened, tmp_path: Path) -> None:
    one = child("ties", 0.7)
    for spelt, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        found = Resident(one, opened(), dtype=dtype).put(one).state_dict()
        write_model(one, opened(), tmp_path / spelt, recipe="r\n", dtype=spelt)
        written = load_model(tmp_path / spelt, True, dtype).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in written.items())


def test_models_answer_in_what_is_asked_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(place, NO_REPORT, "--run", "full")
    done(place, NO_REPORT, "--run", "half", "--dtype", "bf16")
    assert records(Path("full"))[0] != records(Path("half"))[0]
    assert records(Path("full"))[1] != records(Path("half"))[1]
    capsys.readouterr()
    assert evolve("--run", "half", "--dtype", "fp16") == 1
    assert "other models, data, device or dtype" in capsys.readouterr().err


def test_by_itself_a_device_answers_as_the_result_is_written(parents: Mapping[str, Path]) -> None:
    assert dtype_of("auto", CPU, "bf16") == torch.float32
    assert dtype_of("auto", THERE, "bf16") == torch.bfloat16
    assert dtype_of("fp32", THERE, "bf16") == torch.float32
    evaluator = Evaluator(parents, {})
    evaluator.device = THERE
    for word, written, dtype in (
        ("auto", "fp16", torch.float16),
        ("auto", None, torch.float32),  # as the host is
        ("bf16", None, torch.bfloat16),
    ):
        evaluator.answer_in(word, written, student())
        assert evaluator.dtype == dtype


def test_a_device_that_is_not_here_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert device_of().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for word in ("cuda:77", "gpu"):
        with pytest.raises(ModelError, match=f"there is no device `{word}`"):
            device_of(word)
    (place / "tiny.merge").write_text(QUICK)
    assert evolve("--device", "cuda:77") == 1
    said = capsys.readouterr().err
    assert "there is no device `cuda:77`" in said and "--device cpu" in said


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_a_mask_is_kept_in_bits(count: int) -> None:
    mask = torch.rand(count, generator=torch.Generator().manual_seed(count)) > 0.5
    small = packed(mask)
    assert len(small) == -(-count // 8) and small.dtype == torch.uint8
    assert torch.equal(unpacked(small, count), mask)
    assert np.array_equal(unpacked(packed(mask.numpy()), count), mask.numpy())
