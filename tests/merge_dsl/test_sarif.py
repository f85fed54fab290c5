"""SARIF: valid by its schema, and true."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from merge_dsl.meaning.load import load_source
from merge_dsl.text.source import Source
from merge_dsl.tools.show_sarif import show_sarif
from tests.merge_dsl.conftest import TASK, merge_recipe

SCHEMA = Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json"


def validate(log: Any) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(log)


def shown(*sources: Source) -> Any:
    return json.loads(show_sarif((s, load_source(s).diagnostics) for s in sources))


def test_it_is_valid(world: Path) -> None:
    backwards = Source(str(world / "t.merge"), merge_recipe(TASK.replace("0.0..1.0", "1.0..0.0")))
    log = shown(
        backwards,
        Source("a b/日本.merge", 'recipe a\nmodel a from "日本\n'),
        Source("empty.merge", ""),
        Source("clean.merge", "recipe a\n"),
    )
    validate(log)
    validate(shown())
    assert len(log["runs"]) == 1 and log["version"] == "2.1.0"


def test_it_says_what_json_says(world: Path) -> None:
    text = merge_recipe(TASK.replace("0.0..1.0", "1.0..0.0"))
    loaded = load_source(Source(str(world / "t.merge"), text))
    log = json.loads(show_sarif([(Source("a b/t.merge", text), loaded.diagnostics)]))
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("X301", "backwards-range")
    assert rule["help"]["markdown"].startswith("# X301 backwards-range\n")
    assert rule["shortDescription"]["text"].startswith("A range whose upper end comes first")
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("X301", "error")
    place = result["locations"][0]["physicalLocation"]
    region = {"startLine": 11, "startColumn": 35, "endLine": 11, "endColumn": 43}
    assert place == {"artifactLocation": {"uri": "a%20b/t.merge"}, "region": region}
    (fix,) = result["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["replacements"] == [
        {"deletedRegion": region, "insertedContent": {"text": "0.0..1.0"}}
    ]
    assert fix["description"]["text"].endswith("(safe)")


def test_the_test_can_fail() -> None:
    with pytest.raises(Exception, match="required"):
        validate({"version": "2.1.0", "runs": [{}]})
