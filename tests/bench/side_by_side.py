"""LLaVA and a language model of its decoder, merged by mergekit 0.1.5 and by awase, counted by tensor.

`python -m tests.bench.side_by_side`. Small random models in the layout of the hub, LLaVA's in each of its
spellings. What is wanted: vision and projector as they are, every tensor of the language model blended.
mergekit is given each way that its users found, `--allow-crimes` and several hash seeds, since which model
it takes for the first of several hangs on them; the best outcome of a way is shown, and how many there
were. `--mergekit PYTHON` names an interpreter that has mergekit 0.1.5; without it a venv is made, which
fetches 1 GB. Exit code 1 where a merge by awase is not whole.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.bench.measure import ROOT
from tests.bench.merge_speed import made_venv
from tests.vlm.families import FAMILIES
from tests.vlm.making import build, save
from tests.vlm.words import small_tokenizer

SPELLINGS = {
    "hub": "LLaVA as transformers 4 wrote it to the hub",
    "saved": "LLaVA as transformers 5 saves it",
    "memory": "LLaVA under the names that transformers 5 has in memory",
}
SEEDS = range(3)
FILLING = (
    "import sys; from mergekit.scripts.fill_missing_params import copy_and_fill_missing_params as fill;"
    "fill(sys.argv[1], sys.argv[2], output_dir=sys.argv[3])"
)
LINEAR = "merge_method: linear\ndtype: float32\nparameters: {weight: 0.5}\n"


class Outcome(NamedTuple):
    """What came out of one merge, in tensors of the LLaVA that went in."""

    code: int
    said: str  # the last line on stderr, where it failed
    kept: int = 0  # of vision and projector, as they were
    blended: int = 0  # of the language model, neither parent's
    parents: int = 0  # of the language model, byte for byte one parent's
    missing: int = 0
    strange: int = 0  # tensors that are none of a LLaVA's, or of another shape
    noise: int | None = None  # what transformers fills with noise; None where nothing opens it

    @property
    def good(self) -> int:
        return self.kept + self.blended


def main() -> int:
    """Run every way, print a table a spelling, and say whether awase's merges are whole."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--mergekit", type=Path, metavar="PYTHON", help="an interpreter that has it")
    asked.add_argument("--spelling", choices=SPELLINGS, help="of LLaVA's files; all by default")
    args = asked.parse_args()
    whole = True
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        theirs = (args.mergekit or made_venv(root / "venv")).absolute()
        for spelling in [args.spelling] if args.spelling else SPELLINGS:
            world = _world(root / spelling, spelling)
            names = [_plain(name) for name in _tensors(world / "llava")]
            total, seeing = len(names), sum(map(_sees, names))
            print(f"\n{SPELLINGS[spelling]}: {total} tensors, {seeing} of vision and projector\n")
            print(
                "| | exit | kept as they were | blended | one parent's | missing | strange | opens |"
            )
            print("|---|--:|--:|--:|--:|--:|--:|---|")
            for way, run in _mergekit(theirs, world):
                found = list(dict.fromkeys(_outcome(run, world, seed) for seed in SEEDS))
                best = max(found, key=lambda one: (one.good, one.strange == 0))
                _row(f"mergekit: {way}", best, len(found))
            for way in ("linear", "dare_ties"):
                ours = _outcome(_awase(way, world), world, 0)
                _row(f"**awase: {way}**", ours, 1)
                whole &= ours.good == total and ours.noise == 0
    return 0 if whole else 1


def _row(way: str, one: Outcome, outcomes: int) -> None:
    way += f" (best of {outcomes} outcomes)" if outcomes > 1 else ""
    opens = "no" if one.noise is None else "yes" if one.noise == 0 else f"{one.noise} of noise"
    counts = (one.code, one.kept, one.blended, one.parents, one.missing, one.strange)
    print(f"| {way} | {' | '.join(map(str, counts))} | {opens} |", flush=True)
    if one.said:
        print(f"{way}: {one.said}", file=sys.stderr)


def _world(folder: Path, spelling: str) -> Path:
    """`llava`, and `base` and `llm` of its decoder, each with a tokenizer."""
    family = FAMILIES["llava"]
    tokenizer = small_tokenizer()
    for name, seed in (("llava", 1), ("base", 2), ("llm", 3)):
        config = family.config() if name == "llava" else family.partner()
        save(build(config, seed), folder / name, family, spelling)
        tokenizer.save_pretrained(folder / name)
    return folder


Run = Callable[[Path, int], subprocess.CompletedProcess[str]]  # out, hash seed


def _mergekit(python: Path, world: Path) -> Iterator[tuple[str, Run]]:
    """Each way that a user of mergekit has to merge a LLaVA with an LLM."""
    llava, llm, base = (str(world / name) for name in ("llava", "llm", "base"))
    both = f"models:\n  - model: {llava}\n  - model: {llm}\n"
    sided = f"models:\n  - {{model: {llava}, parameters: {{weight: 0.5, density: 0.5}}}}\n"
    sided += f"  - {{model: {llm}, parameters: {{weight: 0.5, density: 0.5}}}}\n"
    layers = (
        f"sources: [{{model: {llava}, layer_range: [0, 2]}}, {{model: {llm}, layer_range: [0, 2]}}]"
    )
    parts = "modules:\n  text_decoder:\n    slices:\n      - " + layers + "\n"
    for part in ("vision_tower", "multi_modal_projector"):
        parts += (
            f"  {part}:\n    slices:\n      - sources: [{{model: {llava}, layer_range: [0, 2]}}]\n"
        )
    texts = {
        "`linear`": LINEAR + both,
        "`dare_ties`, base an LLM": f"merge_method: dare_ties\ndtype: float32\nbase_model: {base}\n{sided}",
        "`dare_ties`, base LLaVA": f"merge_method: dare_ties\ndtype: float32\nbase_model: {llava}\n{sided}",
        "`slices`": LINEAR + f"slices:\n  - {layers}\n",
        "`modules`": LINEAR + parts,
    }
    for way, text in texts.items():
        yield way, _yaml(python, world, text)
    files = "".join(f"  - model: {model}/model.safetensors\n" for model in (llava, llm))
    for flag in ("-i", "-u"):
        yield f"`mergekit-pytorch {flag}`", _raw(python, world, flag, LINEAR + "models:\n" + files)
    yield "LLM cut out by hand, `linear`, put back", _by_hand(python, world)


def _yaml(python: Path, world: Path, text: str) -> Run:
    def run(out: Path, seed: int) -> subprocess.CompletedProcess[str]:
        (world / "merge.yml").write_text(text, encoding="utf-8")
        tool = str(python.parent / "mergekit-yaml")
        return _ran([str(python), tool, str(world / "merge.yml"), str(out), "--allow-crimes"], seed)

    return run


def _raw(python: Path, world: Path, flag: str, text: str) -> Run:
    def run(out: Path, seed: int) -> subprocess.CompletedProcess[str]:
        (world / "merge.yml").write_text(text, encoding="utf-8")
        tool = str(python.parent / "mergekit-pytorch")
        command = [str(python), tool, flag, str(world / "merge.yml"), str(out), "--allow-crimes"]
        done = _ran(command, seed)
        if out.is_dir():
            shutil.copyfile(world / "llava" / "config.json", out / "config.json")
        return done

    return run


def _by_hand(python: Path, world: Path) -> Run:
    """What no configuration says: our own code cuts the LLM out, an unlisted function fills it in."""

    def run(out: Path, seed: int) -> subprocess.CompletedProcess[str]:
        cut, blend = world / "cut", world / "blend"
        for folder in (cut, blend):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(world / "llm", cut)
        state = load_file(world / "llava" / "model.safetensors")
        inner = {_of_llm(n): t for n, t in state.items() if not _sees(_plain(n))}
        save_file(inner, cut / "model.safetensors", metadata={"format": "pt"})
        text = LINEAR + f"models:\n  - model: {cut}\n  - model: {world / 'llm'}\n"
        done = _yaml(python, world, text)(blend, seed)
        if done.returncode:
            return done
        return _ran([str(python), "-c", FILLING, str(world / "llava"), str(blend), str(out)], seed)

    return run


def _awase(method: str, world: Path) -> Run:
    own = "weight = 0.5" + ("; density = 0.5" if method == "dare_ties" else "")
    seed = "(seed = 1)" if method == "dare_ties" else ""
    base = "    base base\n" if method == "dare_ties" else ""
    models = "".join(f'model {n} from "file:{world / n}"\n' for n in ("llava", "llm", "base"))
    text = (
        f"recipe student\n\n{models}\nmerge student {{\n  keep vision, projector from llava\n"
        f"  language by {method}{seed} {{\n{base}    take llava.language {{ {own} }}\n"
        f"    take llm {{ {own} }}\n  }}\n}}\n"
    )

    def run(out: Path, seed: int) -> subprocess.CompletedProcess[str]:
        (world / "merge.merge").write_text(text, encoding="utf-8")
        ours = [sys.executable, "-m", "merge_dsl", "merge", str(world / "merge.merge")]
        return _ran([*ours, "--out", str(out)], seed)

    return run


def _ran(command: list[str], seed: int) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONHASHSEED"] = str(seed)
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def _outcome(run: Run, world: Path, seed: int) -> Outcome:
    out = world / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.unlink(missing_ok=True)
    done = run(out, seed)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    said = lines[-1][:300] if done.returncode and lines else ""
    return _counted(out, world, done.returncode, said)


def _counted(out: Path, world: Path, code: int, said: str) -> Outcome:
    """Names count in either spelling, since transformers opens either."""
    files = list(out.glob("*.safetensors")) if out.is_dir() else []
    eyes = {_plain(n): t for n, t in _tensors(world / "llava").items()}
    tongue = {_plain(f"language_model.{n}"): t for n, t in _tensors(world / "llm").items()}
    found = {_plain(n): t for file in files for n, t in _numbers(file).items()}
    same = {n for n, t in found.items() if n in eyes and t.shape == eyes[n].shape}
    speaks = {n for n in same if not _sees(n)}
    one = {n for n in speaks if any(np.array_equal(found[n], p[n]) for p in (eyes, tongue))}
    kept = sum(_sees(n) and np.array_equal(found[n], eyes[n]) for n in same)
    gone, strange = len(eyes.keys() - found.keys()), len(found.keys() - same)
    noise = _noise(out) if files else None
    return Outcome(code, said, kept, len(speaks - one), len(one), gone, strange, noise)


def _noise(out: Path) -> int | None:
    """How many tensors transformers fills with noise when it opens a model that sees."""
    from transformers import AutoModelForImageTextToText

    try:
        if "llava" not in json.loads((out / "config.json").read_text())["model_type"]:
            return None
        _, info = AutoModelForImageTextToText.from_pretrained(out, output_loading_info=True)
    except Exception:  # whatever a folder without half of a model makes it raise
        return None
    return len(info["missing_keys"]) + len(info["mismatched_keys"])


def _sees(name: str) -> bool:
    return "language_model" not in name


def _plain(name: str) -> str:
    """One name for what transformers 4, 5 and its memory call a tensor of a LLaVA."""
    name = name.removeprefix("model.") if not name.startswith("model.layers") else name
    name = name.replace("vision_tower.vision_model.", "vision_tower.")
    if name.startswith("lm_head"):
        return f"language_model.{name}"
    return name.replace("language_model.model.", "language_model.")


def _of_llm(name: str) -> str:
    """The same tensor in a language model alone."""
    inner = _plain(name).removeprefix("language_model.")
    return inner if inner.startswith("lm_head") else f"model.{inner}"


def _tensors(folder: Path) -> dict[str, Any]:
    return _numbers(folder / "model.safetensors")


def _numbers(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="np") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


if __name__ == "__main__":
    sys.exit(main())
