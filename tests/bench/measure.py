"""The CPU time of whole processes, taken by turns, so that a busy machine is unfair to none.

In: programs by name. Out: for each the median over rounds. The first round warms bytecode and caches,
which lie in a folder of this run alone, and is not counted.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Program(NamedTuple):
    """What is run: arguments of this interpreter, and the folder whose packages it imports."""

    arguments: tuple[str, ...]
    checkout: Path = ROOT


def seconds(programs: Mapping[str, Program], rounds: int) -> dict[str, float]:
    """Median CPU seconds, of user and system together."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, program in programs.items():
                spent = _run(program, Path(folder))
                if number:
                    found[name].append(spent)
    return {name: median(times) for name, times in found.items()}


def _run(program: Program, folder: Path) -> float:
    environment = os.environ | {
        "PYTHONPATH": str(program.checkout),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with subprocess.Popen(
        [sys.executable, *program.arguments],
        cwd=program.checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: there was something to say
        raise SystemExit(f"{' '.join(program.arguments)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime
