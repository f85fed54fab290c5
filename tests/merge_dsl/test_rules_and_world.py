"""Rules against a world on the disk: models, adapters, cards, rows, journals and locks of which a page has no
room to tell.
"""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from merge_dsl.meaning.depth import Depth
from merge_dsl.meaning.load import load_recipe, load_source
from merge_dsl.rules import cost
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source
from tests.merge_dsl.conftest import (
    TAIL,
    Lint,
    write_llm,
    write_vlm,
)
from tests.merge_dsl.test_new_rules import found_in

ROOT = Path(__file__).parents[2]


def codes(folder: Path, text: str, depth: Depth = Depth.FACTS) -> dict[str, Diagnostic]:
    path = folder / "test.merge"
    path.write_text(text, encoding="utf-8")
    return {d.code: d for d in found_in(path, depth)}


MEAN = """recipe t
model a from "file:a"
model b from "file:b"
merge student {
  keep embed, head from a
  language.layers by METHOD {
    BASE
    take a { weight = 1.0 }
    take b { weight = 0.5 }
  }
}
"""


def averaged(method: str = "linear", base: str = "") -> str:
    return MEAN.replace("METHOD", method).replace("BASE", f"base {base}" if base else "")


def test_an_adapter_is_a_difference(tmp_path: Path) -> None:
    write_llm(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    found = codes(tmp_path, averaged())
    assert "K201" in found and "M411" not in found
    assert "K201" not in codes(tmp_path, averaged("task_arithmetic", "a"))


def test_ancestors_on_a_card(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_llm(tmp_path / name, model_type="mistral")
    card = tmp_path / "b" / "README.md"
    card.write_text("---\nlicense: mit\nbase_model:\n- Qwen/Qwen2.5-7B\n---\n# b\n")
    head = 'model base from "hf:mistralai/Mistral-7B-v0.1"\nmodel a '
    text = averaged("task_arithmetic", "base").replace("model a ", head, 1)
    assert "M404" in codes(tmp_path, text)
    card.write_text("---\nbase_model: mistralai/Mistral-7B-v0.1\n---\n")
    assert "M404" not in codes(tmp_path, text)
    card.write_text("# no front matter\n")
    assert "M404" not in codes(tmp_path, text)  # nobody knows


def test_families_that_are_no_relatives(tmp_path: Path) -> None:
    write_llm(tmp_path / "a")
    write_llm(tmp_path / "b", model_type="qwen2")
    assert "M404" in codes(tmp_path, averaged("task_arithmetic", "a"))


def test_an_image_token_in_a_tokenizer(tmp_path: Path) -> None:
    write_vlm(tmp_path / "a")
    write_llm(tmp_path / "b", vocab_size=20)
    text = averaged().replace("keep embed, head from a", "keep vision, projector from a\n"
                              "  keep embed, head from b")  # fmt: skip
    assert "V502" not in codes(tmp_path, text)  # row 9 may be the token
    (tmp_path / "b" / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    assert "V502" in codes(tmp_path, text)
    (tmp_path / "b" / "tokenizer.json").write_text('{"added_tokens": [{"content": "<image>"}]}')
    assert "V502" not in codes(tmp_path, text)


def test_rows_are_compared_across_formats(tmp_path: Path) -> None:
    write_llm(tmp_path / "a")
    write_llm(tmp_path / "b")
    text = averaged().replace("weight = 0.5", "weight = 0.0..1.0")
    text += 'data dev from "file:dev.jsonl"\ndata held from "file:held.csv"\n' + TAIL
    (tmp_path / "dev.jsonl").write_text(
        '{"question": "one?", "answer": "1"}\n{"question": "two?", "answer": "2"}\n'
    )
    (tmp_path / "held.csv").write_text("answer,question,id\n2,two?,7\n3,three?,8\n")
    assert "D702" not in codes(tmp_path, text)
    found = codes(tmp_path, text, Depth.DEEP)["D702"]
    assert found.severity == "error" and found.message.startswith("1 of 2 rows are also in `held`")
    (tmp_path / "held.csv").write_text('question,answer\n"thr\nee?",3\n')
    assert "D702" not in codes(tmp_path, text, Depth.DEEP)
    (tmp_path / "dev.jsonl").write_text("{]\n")
    found = codes(tmp_path, text, Depth.DEEP)["D702"]
    assert found.severity == "note" and "damaged" in found.message


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'recipe t\nmodel a from "file:a"\nmerge student { keep language from a }\n'
    text += 'data dev from "file:dev.parquet"\ndata held from "file:held.jsonl"\n' + TAIL
    write_llm(tmp_path / "a")
    (tmp_path / "dev.parquet").write_bytes(b"PAR1")
    (tmp_path / "held.jsonl").write_text("{}\n")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "pyarrow is not installed" in codes(tmp_path, text, Depth.DEEP)["D702"].message


def test_licences_that_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_llm(tmp_path / name)

    def under(one: str, other: str) -> bool:
        text = averaged()
        for name, licence in (("a", one), ("b", other)):
            setting = f'"file:{name}" {{ licence = "{licence}" }}'
            text = text.replace(f'"file:{name}"', setting, 1)
        return "L801" in codes(tmp_path, text)

    assert not under("apache-2.0", "mit") and not under("llama3", "apache-2.0")
    assert under("cc-by-nd-4.0", "mit") and under("cc-by-sa-4.0", "gpl-3.0")
    assert under("cc-by-sa-4.0", "cc-by-nc-4.0") and under("llama2", "cc-by-sa-4.0")
    assert not under("cc-by-nc-4.0", "microsoft-research-license")
    (tmp_path / "b" / "README.md").write_text("---\nlicense: cc-by-nc-nd-4.0\n---\n")
    assert "L801" in codes(tmp_path, averaged())


def test_memory_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write_llm(tmp_path / name)
    text = averaged().replace("weight = 0.5", "weight = 0.0..1.0")
    text += 'data dev from "hf:org/dev"\ndata held from "hf:org/held"\n' + TAIL
    assert "C901" not in codes(tmp_path, text)
    monkeypatch.setattr(cost, "machine_memory", lambda: 1000)
    assert codes(tmp_path, text)["C901"].severity == "warning"
    elsewhere = text.replace("file:a", "hf:augmxnt/shisa-gamma-7b-v1")
    elsewhere = elsewhere.replace("file:b", "hf:GAIR/Abel-7B-002")
    assert codes(tmp_path, elsewhere)["C901"].severity == "note"


def test_hours_from_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write_llm(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    text = averaged().replace("weight = 0.5", "weight = 0.0..1.0")
    text += 'data dev from "hf:org/dev"\ndata held from "hf:org/held"\n' + TAIL
    text = text.replace("1000 trials", "1000 trials or 24h")
    assert "C902" not in codes(tmp_path, text)
    journal = tmp_path / "runs" / "t" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text('{"record": {"recipe": "x"}}\n' + '{"record": {"seconds": 120.0}}\n' * 5)
    found = codes(tmp_path, text)["C902"]
    assert found.severity == "warning"
    assert found.message == "1000 trials at about 2 min are 33.3 h; the budget is 24 h"
    journal.write_text("nonsense\n" * 5)
    assert "C902" not in codes(tmp_path, text)


def test_a_lock_that_says_another_commit(tmp_path: Path) -> None:
    text = 'recipe t\nmodel a from "hf:GAIR/Abel-7B-002" { revision = "1234567" }\n'
    text += "merge student { keep language from a }\n"
    assert "L803" not in codes(tmp_path, text)  # no lock, nothing to hold to
    lock = tmp_path / "test.lock"
    for revision, clash in (("1234567890", False), ("abcdef0123", True)):
        entry = {"source": "hf:GAIR/Abel-7B-002", "revision": revision}
        lock.write_text(json.dumps({"models": {"a": entry}}))
        assert ("L803" in codes(tmp_path, text)) == clash
    lock.write_text("{]")
    assert "L803" not in codes(tmp_path, text)


def test_what_a_card_says_of_training_is_a_warning(tmp_path: Path) -> None:
    write_llm(tmp_path / "a")
    (tmp_path / "a" / "README.md").write_text("---\ndatasets: [org/held-set]\n---\n")
    text = 'recipe t\nmodel a from "file:a"\nmerge student { keep language from a }\n'
    text += 'data held from "hf:other/held-set"\nreport student { rouge_l on held }\n'
    assert codes(tmp_path, text)["D704"].severity == "warning"


def test_towers_of_open_clip(lint: Lint) -> None:
    if importlib.util.find_spec("open_clip") is None:  # importing it would cost seconds
        pytest.skip("open_clip is not installed")

    def found(address: str) -> list[Diagnostic]:
        return [d for d in lint(f'recipe t\nmodel a from "open_clip:{address}"\n').diagnostics
                if d.code == "N108"]  # fmt: skip

    assert not found("ViT-L-14/openai") and not found("ViT-B-32/laion2b_s34b_b79k")
    assert "did you mean" in (found("ViT-L-41/openai")[0].help or "")
    assert "did you mean `openai`" in (found("ViT-L-14/opnai")[0].help or "")


def test_every_shipped_recipe_says_what_it_should() -> None:
    said = {path.stem: {d.code for d in load_recipe(path).diagnostics}
            for path in (ROOT / "recipes").glob("*.merge")}  # fmt: skip
    about = {"N108", "N199", "C901", "C902"}  # what is not on this machine, or not in this version
    assert {name: found - about for name, found in said.items()} == {
        "emoji_ja": set(),
        "evovlm_jp": set(),
        "hybrid_polyglot": set(),
        "ja_math": set(),
        "route_jp_math": {"R604"},
        "two_hands": set(),
    }


def test_a_damaged_world_is_no_crash(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_llm(tmp_path / name)
    for file in ("README.md", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                 "preprocessor_config.json"):  # fmt: skip
        (tmp_path / "b" / file).write_bytes(b"---\n\xff\xfe{[\n---\n")
    (tmp_path / "test.lock").write_bytes(b"\xff")
    assert "M411" not in codes(tmp_path, averaged(), Depth.DEEP)


def test_source_in_memory_has_no_lock() -> None:
    text = 'recipe t\nmodel a from "hf:GAIR/Abel-7B-002"\nmerge student { keep language from a }\n'
    assert not [d for d in load_source(Source("<stdin>", text)).diagnostics if d.code == "L803"]


def test_a_strange_group_in_a_road_that_is_hardly_met_is_no_crash(lint: Lint) -> None:
    text = (ROOT / "recipes" / "route_jp_math.merge").read_text(encoding="utf-8")
    loaded = lint(text.replace("start 1.0 per hop", "start 1.0 per int"))
    assert loaded.recipe is None
