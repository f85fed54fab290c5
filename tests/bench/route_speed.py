"""What a walk costs beside a plain model of as many layers: `python -m tests.bench.route_speed`.

Random llamas, one thread: twenty layers of one model against a road of twenty hops over two of eight.
Prints one table. Exit code 1 where the walk is more than 5 % slower, or where laying it takes 1 % of a batch.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from tests.vlm.route.conftest import walk_of
from tests.vlm.route.families import llama, save
from vlm.resident import load_model
from vlm.route.walker import Walker
from vlm.weights.source import open_source

SIZES = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8,
         "num_key_value_heads": 4}  # fmt: skip
HOPS, ROUNDS, SLOWER, LAID = 20, 15, 1.05, 0.01
IDS = torch.randint(3, 50, (16, 32), generator=torch.Generator().manual_seed(0))


def generated(model: Any) -> float:
    """Seconds for 64 greedy words to 16 prompts."""
    start = time.process_time()
    with torch.inference_mode():
        model.generate(
            input_ids=IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=64, do_sample=False,
            pad_token_id=0,
        )  # fmt: skip
    return time.process_time() - start


def main() -> int:
    """Measure by turns, print the table, and say whether it is within the limits."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {
            model: open_source(
                model, save(llama, folder / model, seed, 0.05, num_hidden_layers=8, **SIZES)
            )
            for seed, model in enumerate("ab")
        }
        plain = load_model(
            save(llama, folder / "c", 9, 0.05, num_hidden_layers=HOPS, **SIZES), False
        )
        walk = walk_of(
            *(("ab"[n % 3 == 0], n % 8, 0.9 if n % 3 == 0 else 1.0) for n in range(HOPS))
        )
        walker = Walker(walk, sources)
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        model = walker.put(walk)
        spent.append(time.process_time() - start)
    laid = statistics.median(spent)  # now and then Python collects its garbage
    times: dict[str, list[float]] = {"plain": [], "walk": []}
    for _ in range(ROUNDS + 1):  # the first is for warming up
        times["plain"].append(generated(plain))
        times["walk"].append(generated(model))
    one, other = (statistics.median(times[name][1:]) for name in ("plain", "walk"))
    print("| | CPU, ms |\n|---|--:|")
    print(f"| {HOPS} layers, 16 answers of 64 words | {one * 1000:.0f} |")
    print(f"| {HOPS} hops over 2 × 8 layers | {other * 1000:.0f} ({other / one:.3f} times) |")
    print(f"| laying the walk | {laid * 1000:.1f} ({laid / other:.2%} of that) |")
    return 1 if other > SLOWER * one or laid > LAID * other else 0


if __name__ == "__main__":
    sys.exit(main())
