"""The engines: their points, their settings, and that nothing but seed and losses moves them."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from merge_dsl.search.cma_es import CmaEs, default_population
from merge_dsl.search.engine import Engine, Point
from merge_dsl.search.engines import ENGINES
from merge_dsl.search.errors import SearchError

START = (0.5, 0.2, 0.9, 0.0)
SAMPLING = [name for name in ENGINES if name != "greedy"]  # which draws nothing


def loss(point: Point) -> float:
    return sum((x - 0.3) ** 2 for x in point)


def generations(engine: Engine, count: int) -> list[list[Point]]:
    seen = []
    for _ in range(count):
        points = engine.ask()
        engine.tell(points, [loss(point) for point in points])
        seen.append(points)
    return seen


@pytest.mark.parametrize("name", SAMPLING)
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_points_are_plain_floats_in_the_cube(name: str, size: int) -> None:
    for points in generations(ENGINES[name]((0.5,) * size, 1), 5):
        for point in points:
            assert len(point) == size
            assert all(type(x) is float and 0 <= x <= 1 for x in point)


@pytest.mark.parametrize("name", SAMPLING)
def test_the_seed_and_the_losses_decide_everything(name: str) -> None:
    make = ENGINES[name]
    one = generations(make(START, 7), 6)
    np.random.seed(1)  # and no global generator does
    before = np.random.random(3).tolist()
    np.random.seed(1)
    assert generations(make(START, 7), 6) == one
    assert np.random.random(3).tolist() == before
    assert generations(make(START, 8), 6) != one


SIZES = (2, None, 5, 2)


@pytest.mark.parametrize("name", SAMPLING)
def test_mixed_genes_are_as_deterministic(name: str) -> None:
    def made(seed: int) -> Engine:
        return ENGINES[name](START, seed, sizes=SIZES)

    one = generations(made(7), 12)
    np.random.seed(1)
    before = np.random.random(3).tolist()
    np.random.seed(1)
    assert generations(made(7), 12) == one
    assert np.random.random(3).tolist() == before
    first, second = made(7), made(99)
    assert generations(first, 5) == one[:5]
    second.restore(first.state())
    np.random.seed(2)
    assert generations(second, 7) == one[5:]


def test_few_values_are_asked_in_the_middle_of_their_share() -> None:
    engine = CmaEs(START, 1, sizes=SIZES)
    points = [point for points in generations(engine, 20) for point in points]
    assert {point[0] for point in points} == {0.25, 0.75}
    assert {point[2] for point in points} <= {0.1, 0.3, 0.5, 0.7, 0.9}
    assert len({point[1] for point in points}) == len(points)
    assert engine.favourite() is not None
    assert len(CmaEs(START, 1, preset="sakana", sizes=SIZES).ask()) == 8
    assert {p[0] for p in CmaEs(START, 1, preset="sakana", sizes=SIZES).ask()} - {0.25, 0.75}


def test_flags_do_not_freeze() -> None:
    """A flag that began on its wrong side, in a bowl that many genes share."""
    size = 24
    engine = CmaEs((0.75, 0.25) * (size // 2), 1, sizes=(2,) * size)
    for _ in range(80):
        points = engine.ask()
        engine.tell(points, [sum(x > 0.5 for x in point) for point in points])
    assert engine.favourite() == (0.25,) * size


@pytest.mark.parametrize("name", SAMPLING)
def test_a_restored_engine_asks_what_the_first_one_asks(name: str) -> None:
    make = ENGINES[name]
    first, second = make(START, 7), make(START, 99)
    generations(first, 4)
    second.restore(first.state())
    assert generations(second, 8) == generations(first, 8)


def test_state_is_refused_between_ask_and_tell() -> None:
    engine = CmaEs(START, 1)
    engine.ask()
    with pytest.raises(RuntimeError, match="between tell and ask"):
        engine.state()


def test_other_processes_and_hash_seeds_ask_the_same(tmp_path: Path) -> None:
    code = (
        "from merge_dsl.search.cma_es import CmaEs\n"
        "e = CmaEs((0.5, 0.2, 0.9, 0.0), 7)\n"
        "for _ in range(5):\n"
        "    p = e.ask(); e.tell(p, [sum((x - 0.3) ** 2 for x in q) for q in p])\n"
        "print(e.ask())\n"
    )
    root = Path(__file__).parents[3]
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,  # where pycma would leave files, or read options from one
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(said) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [START, (0.0,) * 4, (1.0,) * 4])
def test_cma_es_finds_the_top_of_a_bowl(start: Point) -> None:
    engine = CmaEs(start, 3)
    generations(engine, 60)
    mean = engine.favourite()
    assert mean is not None and loss(mean) < 1e-4


def test_cma_es_survives_generations_that_tie_and_stops_when_all_do() -> None:
    engine = CmaEs(START, 3)
    for _ in range(50):
        engine.tell(engine.ask(), [1.0] * default_population(4))
        assert engine.stopped() == ""
    for _ in range(10):
        engine.tell(engine.ask(), [1.0] * default_population(4))
    assert "tolflatfitness" in engine.stopped()


def test_settings_of_cma_es() -> None:
    assert [default_population(n) for n in (1, 2, 6, 16, 28, 64)] == [4, 6, 9, 12, 13, 16]
    assert len(CmaEs(START, 1, population=20).ask()) == 20
    tight = np.std(CmaEs((0.5,) * 4, 1, sigma=0.01, population=200).ask())
    assert tight == pytest.approx(0.01, rel=0.1)


def test_the_preset_of_the_paper() -> None:
    engine = CmaEs((0.1,) * 6, 1, preset="sakana")
    assert engine.favourite() is None
    assert len(engine.ask()) == 4 + math.floor(3 * math.log(6)) == 9
    same = CmaEs((0.5,) * 6, 1, sigma=1 / 6, population=9)
    assert same.ask() == CmaEs((0.1,) * 6, 1, preset="sakana").ask()


@pytest.mark.parametrize(
    ("start", "settings", "says"),
    [
        ((), {}, "no holes"),
        (START, {"preset": "tokyo"}, 'write `preset = "sakana"`'),
        (START, {"preset": "sakana", "sigma": 0.2}, "fixes sigma and population"),
        (START, {"sigma": 0.0}, "sigma = 0"),
        (START, {"sigma": 3}, "sigma = 3"),
        (START, {"population": 2}, "write 8 or more"),
    ],
)
def test_settings_that_make_no_engine(start: Point, settings: dict[str, float], says: str) -> None:
    with pytest.raises(SearchError, match=says):
        CmaEs(start, 1, **settings)  # type: ignore[arg-type]


def test_random_search_begins_at_the_start() -> None:
    engine = ENGINES["random"](START, 1)
    first, second = generations(engine, 2)
    assert first[0] == START and START not in first[1:] + second
    assert engine.stopped() == "" and engine.favourite() is None


def test_importing_the_search_imports_neither_numpy_nor_cma() -> None:
    code = (
        "import sys, merge_dsl.search.engines, merge_dsl.search.loop\n"
        "print({'numpy', 'cma', 'torch'} & set(sys.modules))\n"
    )
    root = str(Path(__file__).parents[3])
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "set()\n"


def test_making_an_engine_warns_of_nothing_and_imports_no_plots() -> None:
    code = (
        "import sys; from merge_dsl.search.cma_es import CmaEs; CmaEs((0.5, 0.5), 1).ask()\n"
        "print({'matplotlib', 'scipy'} & set(sys.modules))\n"
    )
    root = str(Path(__file__).parents[3])
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n" and said.stderr == ""
