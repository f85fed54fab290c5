"""What a merge costs beside mergekit 0.1.5 and beside the disk: `python -m tests.bench.merge_speed`.

Three Llama checkpoints of 248 M bf16 parameters, made on the spot. CPU time of whole processes, start
included, one thread each. `--mergekit PYTHON` names an interpreter that has mergekit 0.1.5; without it the
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
    least = median(_run(floor, folder).cpu for _ in range(rounds))
    kit = [str(theirs), str(theirs.parent / "mergekit-yaml")]
    _run([*kit, "--help"], folder)  # bytecode first, of both
    print(
        "| | awase, CPU s | anonymous MB | mergekit, CPU s | anonymous MB | mergekit over awase |"
    )
    print("|---|--:|--:|--:|--:|--:|")
    slow = []
    for method, limit in LIMITS.items():
        config = folder / f"{method}.yml"
        config.write_text(config_of(method, folder), encoding="utf-8")
        merge = _merge(method, folder)
        if method == "linear":
            _run(merge, folder)
            shutil.rmtree(folder / CACHE)  # what awase knows of the architecture is forgotten
            print(
                f"| `linear`, the first of its architecture | {_shown(_run(merge, folder))} | | | |"
            )
        ours = [_run(merge, folder) for _ in range(rounds)]
        other = _run([*kit, str(config), str(folder / OUT), "-j", "1"], folder)
        cpu = median(cost.cpu for cost in ours)
        held = max(cost.anonymous for cost in ours)
        ratio = other.cpu / cpu
        print(
            f"| `{method}` | {cpu:.2f} | {held:.0f} | {_shown(other)} | {ratio:.1f} |", flush=True
        )
        slow += [f"{method}: {ratio:.1f} times, not {limit}"] * (ratio < limit)
        slow += [f"{method}: {held:.0f} MB"] * (held > ANONYMOUS)
        if method == "linear":
            slow += [f"linear takes {cpu / least:.2f} times the floor"] * (cpu > OVER_FLOOR * least)
    print(f"| reading three, writing one, by safetensors | {least:.2f} | | | | |")
    return slow


def _large(folder: Path) -> list[str]:
    """Memory must not grow with the model."""
    save_sparse(folder, LARGE, ("base", "a"))
    merge = _merge("linear", folder, ("base", "a"))
    _run(merge, folder)
    cost = _run(merge, folder)
    size = LARGE.count * 2 / 1e9
    print(f"| `linear` of two models of {size:.1f} GB | {_shown(cost)} | | | |")
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


def _run(command: list[str], folder: Path) -> Cost:
    """Run it, and remove what it wrote."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment["XDG_CACHE_HOME"] = str(folder / CACHE)
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    anonymous = 0.0
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
    return Cost(used.ru_utime + used.ru_stime, anonymous)


def _anonymous(status: Path) -> float:
    try:
        lines = status.read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("RssAnon")), 0.0)


if __name__ == "__main__":
    sys.exit(main())
