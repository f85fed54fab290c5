"""Each mistake that costs a night on a GPU is found before it: with its code, at its place, in time.

The models are folders with the `config.json` of 7B checkpoints and no weights, the recipes are whole, and
the command is the one that people type. ⟦…⟧ marks what lint must point at.
"""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from merge_dsl.cli import main
from merge_dsl.text.source import Source

MISTRAL: dict[str, Any] = {
    "model_type": "mistral", "num_hidden_layers": 32, "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "vocab_size": 32000, "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip
CLIP = {
    "model_type": "clip_vision_model", "num_hidden_layers": 24, "hidden_size": 1024,
    "intermediate_size": 4096, "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
}  # fmt: skip
LLAVA = {
    "model_type": "llava", "text_config": MISTRAL | {"vocab_size": 32064}, "vision_config": CLIP,
    "image_token_index": 32000,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "mistral": MISTRAL,
    "shisa": MISTRAL,
    "math": MISTRAL,
    "llava": LLAVA,
    "vicuna13": MISTRAL | {"hidden_size": 5120, "intermediate_size": 13824},
    "swallow": MISTRAL | {"vocab_size": 120128},
    "small": MISTRAL | {"tie_word_embeddings": True},
    "long": MISTRAL | {"rope_theta": 1000000.0},
    "qwen": MISTRAL | {"model_type": "qwen2"},
}
TOP = "".join(f'model {name} from "file:{name}"\n' for name in MODELS)
DATA = 'data dev from "file:d.jsonl" { rows = 0..199 }\ndata held from "file:d.jsonl" { rows = 200..399 }\n'
KEEP = "  keep vision, projector, embed, head from llava\n"
BLEND = """  language.layers by dare_ties(seed = 7) {
    base mistral
    each {
      weight = 0.0..1.0 start 0.5 per 8 layers
      density = 0.1..1.0 start 0.5 per 8 layers
    }
    take llava.language
    take shisa
  }
"""
ROAD = """route student {
  begin shisa
  path shisa.layers[0..30] -> shisa.layers[31]
  end shisa
}
"""
RUN = """search student {
  maximize rouge_l on dev
  by = cma_es(sigma = 0.17)
  budget = 1000 trials or 48h
  seed = 42
}
report student { rouge_l on held }
"""


def merged(lines: str = KEEP + BLEND) -> str:
    return f"recipe night\n{TOP}{DATA}merge student {{\n{lines}}}\n{RUN}"


def walked(old: str, new: str) -> str:
    return swap(old, new, f"recipe night\n{TOP}{DATA}{ROAD}{RUN}")


def swap(old: str, new: str, text: str = "") -> str:
    text = text or merged()
    assert old in text, old
    return text.replace(old, new, 1)


def whole_language(guest: str) -> str:
    blend = "  language by linear {\n    take shisa { weight = 1.0 }\n"
    return merged(f"{blend}    take ⟦{guest}⟧ {{ weight = 0.0..1.0 }}\n  }}\n")


class Mistake(NamedTuple):
    code: str
    said: str
    text: str


MISTAKES = {
    "a misspelt setting": Mistake("N104", "`densty`", swap("density =", "⟦densty⟧ =")),
    "a density out of range": Mistake("K204", "1.5", swap("0.1..1.0", "⟦0.1..1.5⟧")),
    "a density of seven": Mistake("K204", "7", swap("0.1..1.0 start 0.5 per 8 layers", "⟦7⟧")),
    "della, density plus epsilon": Mistake(
        "K204",
        "density + epsilon is 1.05",
        merged(
            KEEP + "  language.layers by della {\n    base mistral\n    epsilon = 0.15\n"
            "    take shisa { density = ⟦0.3..0.9⟧ }\n  }\n"
        ),
    ),
    "della, density minus epsilon": Mistake(
        "K204",
        "density - epsilon is -0.05",
        merged(
            KEEP + "  language.layers by della {\n    base mistral\n    epsilon = 0.15\n"
            "    take shisa { density = ⟦0.1..0.8⟧ }\n  }\n"
        ),
    ),
    "a layer past the end": Mistake(
        "M402", "layers 0..31; there is no layer 32", swap("layers by", "layers[⟦0..32⟧] by")
    ),
    "a layer past the end of a road": Mistake(
        "M402", "there is no layer 32", walked("shisa.layers[31]", "shisa.layers[⟦31..32⟧]")
    ),
    "a layer past the end in `at`": Mistake(
        "M402", "there is no layer 32", swap("take shisa", "take shisa { weight = 0.5 at layers[⟦32⟧] }")
    ),
    "different hidden sizes": Mistake(
        "M401", "hidden size 4096 (`llava`) against 5120", swap("take shisa", "take ⟦vicuna13⟧")
    ),
    "vocabularies of 32000 and 120128": Mistake(
        "M405", "32000 tokens (`shisa`) against 120128 (`swallow`)", whole_language("swallow")
    ),
    "a missing image token": Mistake(
        "V502",
        "no `<image>` token",
        merged(
            "  keep vision, projector from llava\n  keep embed, head from ⟦shisa⟧\n" + BLEND
        ),
    ),
    "a tied against an untied head": Mistake("M406", "`small` ties head", whole_language("small")),
    "rope bases that differ": Mistake(
        "M408", "rope_theta 10000 (`llava`) against 1000000", swap("take shisa", "take ⟦long⟧")
    ),
    "a base that is no ancestor": Mistake(
        "M404", "`qwen` does not descend from `mistral`", swap("take shisa", "take ⟦qwen⟧")
    ),
    "a route that can be empty": Mistake(
        "R601",
        "may be empty",
        walked("shisa.layers[0..30] -> shisa.layers[31]", "shisa.layers x ⟦int 0..2⟧"),
    ),
    "a route of nothing but `maybe`": Mistake(
        "R601",
        "may be empty",
        walked("shisa.layers[0..30] -> shisa.layers[31]", "⟦maybe shisa.layers⟧"),
    ),
    "search and report share rows": Mistake(
        "D701", "shares rows with `held`", swap("rows = 200..399", "rows = 199..399").replace(
            "maximize rouge_l on dev", "maximize ⟦rouge_l on dev⟧")
    ),
    "search and report are the same": Mistake(
        "D701", "`held` is reported", swap("maximize rouge_l on dev", "maximize ⟦rouge_l on held⟧")
    ),
    "a searched setting that one method ignores": Mistake(
        "X308",
        "`task_arithmetic` ignores it",
        swap("dare_ties(seed = 7)", "choice ties | task_arithmetic").replace(
            "density = 0.1..1.0 start 0.5 per 8 layers",
            "⟦density = 0.1..1.0 start 0.5 per 8 layers⟧",
        ),
    ),
    "a searched setting that the method ignores": Mistake(
        "N104",
        "`task_arithmetic` has no setting `density`",
        swap("dare_ties(seed = 7)", "task_arithmetic").replace("density =", "⟦density⟧ ="),
    ),
    "normalised weights with a wasted dimension": Mistake(
        "X309",
        "weights are normalised",
        merged(
            KEEP + "  language.layers by linear {\n    take llava.language { weight = 0.0..1.0 }\n"
            "    take shisa { ⟦weight = 0.0..1.0⟧ }\n  }\n"
        ),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with a config each."""
    root = tmp_path_factory.mktemp("night")
    for name, config in MODELS.items():
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    card = "---\nbase_model: mistralai/Mistral-7B-v0.1\n---\n"
    (root / "shisa" / "README.md").write_text(card, encoding="utf-8")
    (root / "d.jsonl").write_text("", encoding="utf-8")
    return root


def found(models: Path, text: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    path = models / "night.merge"
    path.write_text(text, encoding="utf-8")
    main(["lint", str(path), "--format", "json", "--ignore", "F901"])
    entries: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return entries


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_at_its_place(
    name: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, marked = MISTAKES[name]
    start, end = marked.index("⟦"), marked.index("⟧") - 1
    text = marked.replace("⟦", "").replace("⟧", "")
    began = time.process_time()
    entries = found(models, text, capsys)
    assert time.process_time() - began < 1.0
    source = Source("night.merge", text)
    place = (*source.line_column(start), *source.line_column(end))
    keys = ("line", "column", "end_line", "end_column")
    here = [e for e in entries if e["code"] == code and tuple(e[k] for k in keys) == place]
    assert any(said in e["message"] for e in here), entries
    assert here[0]["severity"] in ("error", "warning")


@pytest.mark.parametrize("text", [merged(), walked("-> shisa", "-> shisa")], ids=["merge", "route"])
def test_without_the_mistake_nothing_is_said(
    text: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = {entry["code"] for entry in found(models, text, capsys)}
    about_all = {"N103"}  # models that stand ready for the mistakes
    known = {"C901", "C902", "N199", "X305"}  # this machine, and a road without holes
    assert left <= about_all | known, left


def test_the_list_of_the_night_is_whole() -> None:
    assert {mistake.code for mistake in MISTAKES.values()} == {
        "N104", "K204", "M402", "M401", "M405", "V502", "M406", "M408", "M404", "R601", "D701",
        "X308", "X309",
    }  # fmt: skip
