"""A greedy soup from its recipe to its checkpoint: searched, stopped, frozen, merged again."""

from pathlib import Path

import pytest

from merge_dsl.cli import main
from tests.vlm.tiny import done, evolve, records, weights

RECIPE = """recipe soup

model base from "file:base"
model eyes from "file:eyes"
model tongue from "file:tongue"

data looked_at from "file:rows.parquet" { split = "search" }

merge student {
  keep vision, projector, embed, head from eyes

  language.layers by soup {
    each { weight = flag }
    take eyes.language
    take tongue
    take base
  }
}

search student {
  maximize log_likelihood on looked_at
  by = greedy
  seed = 1
}

write student to "out/soup"
"""


def test_a_greedy_soup_is_searched_and_frozen(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(place, RECIPE)
    trials = [one for one in records(Path("runs/soup")) if one["kind"] == "trial"]
    flags = [tuple(one["values"]) for one in trials]
    assert flags[:3] == [(True, False, False), (False, True, False), (False, False, True)]
    scores = [one["score"] for one in trials]
    first, *others = sorted(range(3), key=lambda i: -scores[i])
    kept, level = {first}, scores[first]
    for flag, soup, score in zip(others, flags[3:5], scores[3:5], strict=True):
        assert {i for i in range(3) if soup[i]} == kept | {flag}
        if score >= level:
            kept, level = kept | {flag}, score
    assert {i for i in range(3) if flags[5][i]} == kept and len(flags) == 6

    best = Path("runs/soup/best.merge")
    text = best.read_text(encoding="utf-8")
    assert "flag" not in text and "weight = true" in text
    assert main(["lint", str(best), "--ignore", "D705,D706"]) == 0, capsys.readouterr().out
    assert main(["merge", str(best), "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out/soup"))

    journal = Path("runs/soup/journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("torn").mkdir()
    Path("torn/journal.jsonl").write_text("".join(journal[:3]), encoding="utf-8")
    assert evolve("--run", "torn") == 0
    assert records(Path("torn")) == records(Path("runs/soup"))


def test_a_plan_counts_its_trials(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "tiny.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["plan", "../tiny.merge", "--format", "json"]) == 0
    said = capsys.readouterr().out
    assert '"trials": 5' in said and '"generations": 3' in said and '"dimensions": 3' in said
