"""Recipes of towers, through the commands: built alone, and searched inside a VLM."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from merge_dsl.cli import main
from tests.vlm.test_lora import factors, save_adapter
from tests.vlm.towers import VISION, contrastive, save_open_clip, save_tower
from vlm.evaluator import Evaluator, Table
from vlm.score import Ask
from vlm.weights.source import open_source

HALF: dict[str, Any] = {"mean": [0.5] * 3, "std": [0.5] * 3}

SOUP = """recipe soup

model a from "file:a"
model b from "file:b"

merge tower {
  vision by soup {
    take a
    take b { weight = 3.0 }
  }
}

write tower to "out/tower"
"""


@pytest.mark.parametrize("kind", ["open_clip", "transformers"])
def test_a_recipe_of_towers_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        if kind == "open_clip":
            save_open_clip(tmp_path / name, contrastive(seed))
        else:
            save_tower(tmp_path / name, seed)
    monkeypatch.chdir(tmp_path)
    Path("soup.merge").write_text(SOUP)
    assert main(["lint", "soup.merge"]) == 0, capsys.readouterr().out
    assert main(["merge", "soup.merge"]) == 0, capsys.readouterr().err
    three = {name: open_source(name, Path(name)) for name in ("a", "b", "out/tower")}
    for role in three["a"].anatomy.shapes:
        a, b, merged = (source.tensor(role).double() for source in three.values())
        expected = (a + 3 * b) / 4 if role.unit != "rest" else a
        torch.testing.assert_close(merged, expected, atol=1e-6, rtol=1e-6)
    searched = SOUP.replace("3.0", "0.0..1.0") + "\nsearch tower {\n  budget = 2 trials\n"
    searched += "  maximize likelihood on d\n  seed = 1\n}\n"
    Path("soup.merge").write_text(
        searched.replace("merge tower", 'data d from "file:d.jsonl"\n\nmerge tower', 1)
    )
    Path("d.jsonl").write_text('{"question": "?", "answers": ["!"]}\n')
    assert main(["evolve", "soup.merge"]) == 1
    assert "a tower answers no question" in capsys.readouterr().err


EVOLVED = """recipe seer

model eyes from "file:eyes"
model clip from "file:clip"
model skill from "file:skill"

data looked_at from "file:rows.parquet" { split = "search" }
data reported from "file:rows.parquet" { split = "report" }

merge seer {
  keep projector, embed, head from eyes
  vision by soup {
    resize = bicubic
    take eyes.vision
    take clip { weight = 0.0..1.0 }
  }
  language.layers by task_arithmetic {
    base eyes
    take skill { weight = 0.0..1.0 }
  }
}

search seer {
  maximize log_likelihood on looked_at
  by = cma_es(sigma = 0.2)
  budget = 3 trials
  seed = 1
}

report seer {
  exact_match on reported
}

write seer to "out/seer"
"""


def test_a_run_searches_towers_and_adapters(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = contrastive(13, True, image_size=32)
    vision = {**VISION, "image_size": 32}
    save_open_clip(place / "clip", large, quick=True, vision=vision, **HALF)
    save_adapter(place / "skill", factors("model.language_model."))
    (place / "seer.merge").write_text(EVOLVED)
    assert main(["lint", str(place / "seer.merge"), "--ignore", "D705,X306,V505"]) == 0
    arguments = ["evolve", str(place / "seer.merge"), "--quiet"]
    assert main(arguments) == 0, capsys.readouterr().err
    report = json.loads(Path("runs/seer/report.json").read_text())
    names = {(model["name"], model["role"]) for model in report["models"]}
    assert {("eyes", "parent"), ("evolved", "evolved")} <= names
    assert not {"clip", "skill"} & {name for name, _ in names}
    best = Path("runs/seer/best.merge").read_text()
    assert "resize = bicubic" in best
    assert main(["merge", "runs/seer/best.merge", "--out", "again"]) == 0
    for file in Path("out/seer").glob("*.safetensors"):
        assert file.read_bytes() == (Path("again") / file.name).read_bytes()


HANDS = """recipe hands

model eyes from "file:eyes"
model left from "file:left"
model right from "file:right"

data looked_at from "file:rows.parquet" { split = "search" }
data reported from "file:rows.parquet" { split = "report" }

merge seer {
  keep projector, language from eyes
  vision by soup {
    take left
    take right { weight = 0.0..1.0 }
  }
}

search seer {
  maximize log_likelihood on looked_at
  by = cma_es(sigma = 0.2)
  budget = 3 trials
  seed = 1
}

report seer {
  likelihood on reported
}

write seer to "out/seer"
"""


def test_a_report_seats_towers_in_the_host(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tower(place / "left", 5, hidden_act="quick_gelu")
    save_tower(place / "right", 6, hidden_act="quick_gelu")
    (place / "hands.merge").write_text(HANDS)
    assert main(["evolve", str(place / "hands.merge"), "--quiet"]) == 0, capsys.readouterr().err
    report = json.loads(Path("runs/hands/report.json").read_text())
    rows = {model["name"]: model for model in report["models"]}
    assert [(name, row["role"]) for name, row in rows.items()] == [
        ("eyes", "parent"),
        ("left in eyes", "parent"),
        ("right in eyes", "parent"),
        ("uniform soup", "baseline"),
        ("evolved", "evolved"),
    ]
    assert {d["against"] for d in report["differences"]} == rows.keys() - {"evolved"}
    # What a row says is what the checkpoint of that recipe says.
    alone = HANDS.partition("search seer")[0].replace("    take right { weight = 0.0..1.0 }\n", "")
    (place / "left.merge").write_text(alone)
    assert main(["merge", str(place / "left.merge"), "--out", "alone", "--quiet"]) == 0
    evaluator = Evaluator(
        {"eyes": place / "eyes"}, {"reported": Table(place / "rows.parquet", split="report")}
    )
    ask = Ask("likelihood", "reported")
    values = evaluator.taste_checkpoint(Path("alone"), [ask]).mean(ask)
    assert rows["left in eyes"]["scores"][0]["value"] == pytest.approx(values, rel=1e-5)
    assert len({row["scores"][0]["value"] for row in rows.values()}) > 3
