"""A small recipe, its data, and what a run of it leaves: for tests of the whole thread."""

import json
from pathlib import Path
from typing import Any

import datasets

from merge_dsl.cli import main
from tests.vlm.test_answer import picture

RECIPE = """# a comment that stays
recipe tiny

model base from "file:base"
model eyes from "file:eyes"
model tongue from "file:tongue"

data looked_at from "file:rows.parquet" { split = "search" }
data reported from "file:rows.parquet" { split = "report" }

merge student {
  keep vision, projector, embed, head from eyes
  language.layers by dare_ties {
    base base
    each {
      weight = 0.0..1.0 start 0.5 per layer  # a gene a layer
      density = 0.2..1.0 start 0.5
    }
    take eyes.language
    take tongue
  }
}

search student {
  maximize 0.5 * log_likelihood on looked_at + 0.5 * rouge_l on looked_at
  by = cma_es(sigma = 0.2)
  budget = 14 trials
  seed = 5
}

report student {
  exact_match on reported
  rouge_l on reported
}

write student to "out/tiny" { dtype = fp16 }
"""

SHORT = RECIPE.replace("14 trials", "5 trials")
OBJECTIVE = "0.5 * log_likelihood on looked_at + 0.5 * rouge_l on looked_at"
QUICK = SHORT.replace(OBJECTIVE, "log_likelihood on looked_at")
NO_REPORT = QUICK[: QUICK.index("report student")] + QUICK[QUICK.index("write student") :]
KEEP = "keep vision, projector, embed, head from eyes"
BLEND = QUICK[QUICK.index("  language.layers by") : QUICK.index("search student") - 3]


def rows(count: int = 6) -> list[dict[str, Any]]:
    """Pictures of six colours; the first four are searched on, the others reported."""
    return [
        {
            "id": str(i),
            "image": {"bytes": picture((40 * i, 0, 99)), "path": None},
            "question": "これは何？",
            "answers": ["赤いリンゴ" if i % 2 else "a red apple"],
            "split": "search" if i < 4 else "report",
        }
        for i in range(count)
    ]


def save_rows(path: Path, some: list[dict[str, Any]]) -> None:
    table = datasets.Dataset.from_list(some)
    if "image" in table.column_names:
        table = table.cast_column("image", datasets.Image())
    table.to_parquet(str(path))


def evolve(*arguments: str) -> int:
    return main(["evolve", "../tiny.merge", "--quiet", *arguments])


def weights(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.safetensors"))}


def records(run: Path) -> list[dict[str, object]]:
    lines = (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line)["record"] for line in lines]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in found]


def done(place: Path, text: str, *arguments: str) -> None:
    """Evolve a recipe that runs through."""
    (place / "tiny.merge").write_text(text, encoding="utf-8")
    assert evolve(*arguments) == 0


def changed(number: int, **columns: Any) -> list[dict[str, Any]]:
    """The rows, one of them with other columns."""
    some = rows()
    some[number] |= columns
    return some
