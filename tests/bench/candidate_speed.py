"""What a new candidate costs in memory, beside one pass over what it is made of.

`python -m tests.bench.candidate_speed`. A Llama of 103 M parameters, bf16 parents in memory, an fp32 model.
The pass reads the three parents as fp32 and writes one of them to the model, a piece at a time. Exit code 1
where a limit is passed. `--device cuda` holds model and parents there, and tells the clock's time instead of
the CPU's; `--room 0` streams the parents from pinned memory.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.bench.checkpoints import OF_A_SEARCH, save_random
from vlm.device import device_of, write
from vlm.methods.pieces import Pieces
from vlm.on_device import OnDevice
from vlm.parents import InMemory
from vlm.resident import Resident
from vlm.weights.source import open_source

LIMITS = {"task_arithmetic": 2.0, "ties, densities as before": 4.0}  # times one pass
ROUNDS = 7
LAYERS = OF_A_SEARCH.layers
UNITS = ("language.embed", *(f"language.layers.{i}" for i in range(LAYERS)), "language.head")


def main() -> int:
    """Measure, print the table, and say whether it is within the limits."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--device", default="cpu", help="cpu, or cuda")
    asked.add_argument("--room", type=int, default=1 << 34, help="bytes of parents on the device")
    args = asked.parse_args()
    device = device_of(args.device)
    with tempfile.TemporaryDirectory() as folder:
        save_random(Path(folder), OF_A_SEARCH)
        sources = {name: open_source(name, Path(folder) / name) for name in ("base", "a", "b")}
        first = candidate("linear", 0.5)
        held = InMemory() if device.type == "cpu" else OnDevice(device, args.room)
        found = _measured(Resident(first, sources, device, parents=held), _clock(device))
    bare = found["one pass"]
    print(f"| | {'CPU' if device.type == 'cpu' else device}, ms | times one pass |\n|---|--:|--:|")
    for name, spent in found.items():
        print(f"| {name} | {spent * 1000:.0f} | {spent / bare:.1f} |")
    slow = [name for name, limit in LIMITS.items() if found[name] > limit * bare]
    for name in slow:
        print(f"over the limit: {name}", file=sys.stderr)
    return 1 if slow else 0


def _clock(device: torch.device) -> Callable[[], float]:
    """CPU seconds; on a device seconds of the clock, once all that was asked of it is done."""
    if device.type == "cpu":
        return time.process_time

    def waited() -> float:
        torch.accelerator.synchronize(device)
        return time.perf_counter()

    return waited


def _measured(model: Resident, clock: Callable[[], float]) -> dict[str, float]:
    model.put(candidate("linear", 0.5))  # which reads the parents
    model.put(candidate("ties", 0.5))
    model.put(candidate("ties", 0.6))  # a second time, so that what agrees is kept
    jobs: dict[str, Callable[[float], object]] = {
        "one pass": lambda number: one_pass(model),
        "linear": lambda number: model.put(candidate("linear", number)),
        "task_arithmetic": lambda number: model.put(candidate("task_arithmetic", number)),
        "ties, densities as before": lambda number: model.put(candidate("ties", number)),
        "ties, other densities": lambda number: model.put(candidate("ties", number, number / 2)),
        "dare_ties": lambda number: model.put(candidate("dare_ties", number)),
        "slerp": lambda number: model.put(candidate("slerp", number)),
        "one layer of task_arithmetic": lambda number: model.put(one_layer(number)),
    }
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(ROUNDS):
        for name, job in jobs.items():
            if name.startswith("one layer"):
                model.put(candidate("task_arithmetic", 0.3))
            elif name.startswith("ties, densities"):  # other densities, before, have made it forget
                model.put(candidate("ties", 0.1))
                model.put(candidate("ties", 0.2))
            start = clock()
            job(0.4 + number / 100)
            found[name].append(clock() - start)
    return {name: median(times) for name, times in found.items()}


def one_pass(model: Resident) -> None:
    """Read the parents of every tensor, and write the model."""
    for role, slot in model.slots.items():
        if role.unit in UNITS:
            parents = [
                model.parents.tensor(model.sources[name], role) for name in ("base", "a", "b")
            ]
            reads = [parent.widened for parent in parents]
            pieces = Pieces(tuple(slot.shape), None, reads, model.parents.size)
            write(slot, (piece.tensors[0] for piece in pieces.walk()))


def candidate(method: str, weight: float, density: float = 0.5) -> Candidate:
    """All of the model by one method, but the last norm."""
    many = len(UNITS)
    own = {"weight": (weight,) * many, "density": (density,) * many}
    takes = (
        ("base", "a", "b") if method == "linear" else ("a",) if method == "slerp" else ("a", "b")
    )
    ingredients = tuple(Ingredient(Origin(name), own) for name in takes)
    shared = {
        "normalize": (1.0,) * many,
        "scale": (1.0,) * many,
        "t": (weight,) * many,
        "rescale": (1.0,) * many,
        "compat": ("paper",) * many,
    }
    seed = 1 if method == "dare_ties" else None
    base = None if method == "linear" else Origin("base")
    blend = Blend(UNITS, method, base, ingredients, shared, seed)
    keep = Keep(("language.norm",), Origin("base"))
    return Candidate("child", {}, (keep,), (blend,))


def one_layer(weight: float) -> Candidate:
    """`candidate("task_arithmetic", 0.3)` with another weight at the first layer."""
    whole = candidate("task_arithmetic", 0.3)
    (blend,) = whole.blends
    own = {**blend.ingredients[0].settings}
    own["weight"] = tuple(weight if u == "language.layers.0" else 0.3 for u in UNITS)
    changed = (blend.ingredients[0]._replace(settings=own), *blend.ingredients[1:])
    return whole._replace(blends=(blend._replace(ingredients=changed),))


if __name__ == "__main__":
    sys.exit(main())
