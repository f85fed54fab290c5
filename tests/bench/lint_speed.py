"""What a lint costs beside what Python costs to start: `python -m tests.bench.lint_speed`.

Prints one table of medians and ratios, all from one run. `--against FOLDER` measures another checkout
of awase beside this one, by turns. Exit code 1 where a limit is passed.
"""

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.bench.long_recipes import LONG
from tests.bench.measure import ROOT, Program, seconds

BARE = "`python -c pass`"
AWASE = "import re, sys; from merge_dsl.cli import main; sys.exit(main())"  # the console script's
MERGEKIT = """
import sys, yaml
from mergekit.config import MergeConfiguration
MergeConfiguration.model_validate(yaml.safe_load(open(sys.argv[1])))
"""
MERGEKIT_FILE = """
merge_method: dare_ties
base_model: mistralai/Mistral-7B-v0.1
models:
  - model: augmxnt/shisa-gamma-7b-v1
    parameters: {weight: 0.5, density: 0.5}
  - model: GAIR/Abel-7B-002
    parameters: {weight: 0.5, density: 0.5}
dtype: bfloat16
"""
TIMES, SECONDS = 8.0, 1.0  # the limits: of a recipe over bare Python, and of ten thousand lines


def main() -> int:
    """Measure, print the table, and say whether it is within the limits."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=21)
    asked.add_argument("--long-rounds", type=int, default=5, help="of ten thousand lines")
    asked.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of awase")
    args = asked.parse_args()
    checkouts = {"": ROOT} | ({"before: ": args.against.absolute()} if args.against else {})
    with tempfile.TemporaryDirectory() as folder:
        short, long = _programs(Path(folder), checkouts)
        found = seconds(short, args.rounds)
        found |= seconds(long, args.long_rounds)
    bare = found[BARE]
    print("| | CPU, ms | times bare Python |\n|---|--:|--:|")
    for name, spent in found.items():
        print(f"| {name} | {spent * 1000:.0f} | {spent / bare:.1f} |")
    if find_spec("mergekit") is None:
        print("\nmergekit: not installed")
    slow = [n for n in short if n.startswith("`awase lint") and found[n] > TIMES * bare]
    slow += [n for n in long if not n.startswith("before") and found[n] > SECONDS]
    for name in slow:
        print(f"over the limit: {name}", file=sys.stderr)
    return 1 if slow else 0


def _programs(
    folder: Path, checkouts: dict[str, Path]
) -> tuple[dict[str, Program], dict[str, Program]]:
    """What is measured often, and what takes long."""
    short = {BARE: Program(("-c", "pass"))}
    long = {}
    for mark, checkout in checkouts.items():
        for recipe in sorted((ROOT / "recipes").glob("*.merge")):
            lint = ("-c", AWASE, "lint", str(recipe))
            short[f"{mark}`awase lint recipes/{recipe.name}`"] = Program(lint, checkout)
        short[f"{mark}`awase --help`"] = Program(("-c", AWASE, "--help"), checkout)
        for number, (name, text) in enumerate(LONG.items()):
            path = folder / f"long_{number}.merge"
            path.write_text(text, encoding="utf-8")
            lint = ("-c", AWASE, "lint", "--format", "concise", str(path))
            long[f"{mark}10,000 lines: {name}"] = Program(lint, checkout)
    if find_spec("mergekit") is not None:
        file = folder / "mergekit.yml"
        file.write_text(MERGEKIT_FILE, encoding="utf-8")
        short["mergekit validates two models"] = Program(("-c", MERGEKIT, str(file)))
    return short, long


if __name__ == "__main__":
    sys.exit(main())
