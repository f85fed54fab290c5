"""What a merge costs beside mergekit 0.1.5 and beside the disk: `python -m tests.bench.merge_speed`.

Three Llama checkpoints of 248 M bf16 parameters, made on the spot. Whole processes, start included, with one
thread each and with two; of the two what is better for each. `--mergekit PYTHON` names an interpreter that has mergekit 0.1.5; without it the
bench makes a venv of its own, which fetches 1 GB. `--large` also merges two sparse checkpoints of 8 GB, which
writes 8 GB. Exit code 1 where a limit is passed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.checkpoints import OF_THE_NOTE, Size, save_random, save_sparse
from tests.bench.measure import ROOT

LIMITS = {  # mergekit's CPU seconds over ours
    "linear": 5, "task_arithmetic": 5, "ties": 8, "dare_ties": 6, "breadcrumbs": 8, "della": 10, "slerp": 5,
}  # fmt: skip
OVER_FLOOR, ANONYMOUS = 1.5, 300.0  # linear over reading three and writing one; MB
LARGE = Size(4096, 14336, 16, 32000)  # 8.1 GB of bf16
TAKEN = {"linear": "weight = {}", "slerp": ""} | {
    name: "weight = {}; density = 0.5" for name in ("ties", "dare_ties", "breadcrumbs")
}
THREADS = (1, 2)
WHOLE = "consensus"  # a method that holds a tensor of every parent whole
OUT, CACHE = "out", "cache"
FLOOR = """
import sys
from safetensors.torch import load_file, save_file
models = [{n: t.clone() for n, t in load_file(path).items()} for path in sys.argv[1:4]]
save_file(models[0], sys.argv[4])
"""


class Cost(NamedTuple):
    """Of one process."""

    cpu: float  # seconds, of user and system
    anonymous: float  # MB at most, looked at 50 times a second
    wall: float  # seconds


Costs = Mapping[int, Cost]  # by the number of threads


def main() -> int:
    """Measure, print the table, and say whether it is within the limits."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--mergekit", type=Path, metavar="PYTHON", help="an interpreter that has it")
    asked.add_argument("--rounds", type=int, default=3, help="of awase and of the floor")
    asked.add_argument("--large", action="store_true", help="also two sparse models of 8 GB")
    asked.add_argument("--folder", type=Path, metavar="DIR", help="where models are made")
    args = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        save_random(folder, OF_THE_NOTE)
        theirs = args.mergekit or made_venv(folder / "venv")
        slow = _table(folder, theirs, args.rounds)
        if args.large:
            for model in ("base", "a", "b"):
                shutil.rmtree(folder / model)
            slow += _large(folder)
    for what in slow:
        print(f"over the limit: {what}", file=sys.stderr)
    return 1 if slow else 0


def made_venv(folder: Path) -> Path:
    """A venv with mergekit; torch is named beside it, or pip would fetch another."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = ["torch==2.13.0", "mergekit==0.1.5"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def _table(folder: Path, theirs: Path, rounds: int) -> list[str]:
    files = [str(folder / name / "model.safetensors") for name in ("base", "a", "b")]
    floor = [sys.executable, "-c", FLOOR, *files, str(folder / OUT)]
    kit = [str(theirs), str(theirs.parent / "mergekit-yaml")]
    _run([*kit, "--help"], folder)  # bytecode first, of both
    _run(_merge("linear", folder), folder)
    shutil.rmtree(
        folder / CACHE
    )  # what awase knows of the architecture and the grammar is forgotten
    first = _run(_merge("linear", folder), folder)
    least = {threads: _median(floor, folder, rounds, threads) for threads in THREADS}
    rows, slow = [], []
    print("| | awase, CPU s | MB | mergekit, CPU s | MB | mergekit over awase |")
    print("|---|--:|--:|--:|--:|--:|")
    print(f"| `linear`, the first of all | {_shown(first)} | | | |")
    for method, limit in LIMITS.items():
        config = folder / f"{method}.yml"
        config.write_text(config_of(method, folder), encoding="utf-8")
        merge = _merge(method, folder)
        asked = [*kit, str(config), str(folder / OUT), "-j"]
        ours, other = {}, {}
        for threads in THREADS:  # ours before and after theirs: a machine is busier now than then
            before = [_run(merge, folder, threads)]
            other[threads] = _run([*asked, str(threads)], folder, threads)
            ours[threads] = _median(merge, folder, rounds - 1, threads, before)
        rows.append((method, ours, other))
        ratio = other[1].cpu / ours[1].cpu
        print(f"| `{method}` | {_shown(ours[1])} | {_shown(other[1])} | {ratio:.1f} |", flush=True)
        best = _least_cpu(other) / _least_cpu(ours)
        for what, found in (("one thread", ratio), ("its best threads", best)):
            slow += [f"{method}, {what}: {found:.1f} times, not {limit}"] * (found < limit)
        held = max(cost.anonymous for cost in ours.values())
        slow += [f"{method}: {held:.0f} MB"] * (held > ANONYMOUS)
        if method == "linear":
            over = _least_cpu(ours) / _least_cpu(least)
            slow += [f"linear takes {over:.2f} times the floor"] * (over > OVER_FLOOR)
    print(f"| reading three, writing one, by safetensors | {least[1].cpu:.2f} | | | | |")
    _print_best(rows, least)
    return slow


def _print_best(rows: list[tuple[str, Costs, Costs]], floor: Costs) -> None:
    """The same runs at the number of threads, one or two, that is better for each."""
    print(
        "\n| at best threads | awase, CPU s | mergekit, CPU s | over | awase, s | mergekit, s | over |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for method, ours, other in rows:
        cpu, wall = (_least_cpu(ours), _least_cpu(other)), (_least_wall(ours), _least_wall(other))
        print(
            f"| `{method}` | {cpu[0]:.2f} | {cpu[1]:.2f} | {cpu[1] / cpu[0]:.1f}"
            f" | {wall[0]:.2f} | {wall[1]:.2f} | {wall[1] / wall[0]:.1f} |"
        )
    print(f"| reading and writing | {_least_cpu(floor):.2f} | | | {_least_wall(floor):.2f} | | |")


def _least_cpu(costs: Costs) -> float:
    return min(cost.cpu for cost in costs.values())


def _least_wall(costs: Costs) -> float:
    return min(cost.wall for cost in costs.values())


def _median(
    command: list[str], folder: Path, rounds: int, threads: int, before: Sequence[Cost] = ()
) -> Cost:
    """Of so many runs, and those `before`: the median of times, the most memory."""
    costs = [*before, *(_run(command, folder, threads) for _ in range(rounds))]
    cpu, wall = (median(getattr(cost, name) for cost in costs) for name in ("cpu", "wall"))
    return Cost(cpu, max(cost.anonymous for cost in costs), wall)


def _large(folder: Path) -> list[str]:
    """Memory must not grow with the model."""
    save_sparse(folder, LARGE, ("base", "a", "b"))
    merge = _merge("linear", folder, ("base", "a"))
    _run(merge, folder)
    cost = _run(merge, folder)
    size = LARGE.count * 2 / 1e9
    print(f"| `linear` of two models of {size:.1f} GB | {_shown(cost)} | | | |")
    whole = _run(_merge(WHOLE, folder), folder)  # no limit: it hangs on the largest tensor
    print(f"| `{WHOLE}` of three models of {size:.1f} GB | {_shown(whole)} | | | |")
    return [f"{cost.anonymous:.0f} MB for a large model"] * (cost.anonymous > ANONYMOUS)


def _merge(method: str, folder: Path, names: tuple[str, ...] = ("base", "a", "b")) -> list[str]:
    recipe = folder / f"{method}.merge"
    recipe.write_text(recipe_of(method, folder, names), encoding="utf-8")
    asked = [str(recipe), "--out", str(folder / OUT)]
    return [sys.executable, "-m", "merge_dsl", "merge", *asked]


def recipe_of(method: str, folder: Path, names: tuple[str, ...] = ("base", "a", "b")) -> str:
    """All of three models by one method."""
    models = "\n".join(f'model {name} from "file:{folder / name}"' for name in names)
    own = TAKEN.get(method, "weight = {}").format("0.5")
    own += "; epsilon = 0.1; density = 0.5" if method == "della" else ""
    takes = names if method == "linear" else names[1 : 2 if method == "slerp" else 3]
    lines = [f"    take {name}" + (f" {{ {own} }}" if own else "") for name in takes]
    lines = lines if method == "linear" else ["    base base", *lines]
    seed = "(seed = 1)" if method in ("dare_ties", "della") else ""
    body = "\n".join(lines)
    return f"recipe {method}\n\n{models}\n\nmerge child {{\n  language by {method}{seed} {{\n{body}\n  }}\n}}\n"


def config_of(method: str, folder: Path) -> str:
    """The same for mergekit."""
    own = "parameters: {weight: 0.5, density: 0.5, epsilon: 0.1}"
    takes = {"slerp": ("base", "a"), "linear": ("base", "a", "b")}.get(method, ("a", "b"))
    lines = [f"merge_method: {method}", "dtype: bfloat16", "parameters: {t: 0.5}"]
    lines += [] if method == "linear" else [f"base_model: {folder / 'base'}"]
    lines += ["models:", *(f"  - {{model: {folder / name}, {own}}}" for name in takes)]
    return "\n".join(lines) + "\n"


def _shown(cost: Cost) -> str:
    return f"{cost.cpu:.2f} | {cost.anonymous:.0f}"


def _run(command: list[str], folder: Path, threads: int = 1) -> Cost:
    """Run it, and remove what it wrote."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    environment["OPENBLAS_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(threads)
    environment["XDG_CACHE_HOME"] = str(folder / CACHE)
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    anonymous, start = 0.0, time.perf_counter()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        status = Path(f"/proc/{process.pid}/status")
        while True:
            done, code, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                wall = time.perf_counter() - start
                break
            anonymous = max(anonymous, _anonymous(status))
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode:
            said.seek(0)
            tail = said.read()[-2000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    out = folder / OUT
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink(missing_ok=True)
    return Cost(used.ru_utime + used.ru_stime, anonymous, wall)


def _anonymous(status: Path) -> float:
    try:
        lines = status.read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("RssAnon")), 0.0)


if __name__ == "__main__":
    sys.exit(main())
