"""What data say of a parent: the numbers themselves, who is asked, what is kept, and merges by them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from merge_dsl.cli import main
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import KEPT, UNITS
from tests.vlm.test_lora import save_adapter
from tests.vlm.tiny import done, records, rows, save_rows, weights
from vlm import measure as measuring
from vlm.anatomy.body import Role
from vlm.answer import open_reader
from vlm.errors import DataError, MergeError, ModelError
from vlm.measure import measure
from vlm.resident import Resident, load_model
from vlm.tasks.pictures import open_picture
from vlm.tasks.questions import Question, read_questions
from vlm.weights.source import Source, open_source, open_sources
from vlm.weights.writer import write_model

UP = Role("language.layers.1", "mlp.up_proj.weight")
NORM = Role("language.layers.1", "input_layernorm.weight")
RECIPE = """recipe one

model eyes from "file:eyes"
model tongue from "file:tongue"

data naming from "file:rows.parquet" { split = "search" }
data held from "file:rows.parquet" { split = "report" }

merge student {
  keep vision, projector, embed, head from eyes

  language.layers by fisher {
    on = naming
    take eyes.language
    take tongue
  }
}

report student {
  exact_match on held
}

write student to "out"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "awase" / "measured"


@pytest.fixture
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Question, ...]:
    """One of the four has two references."""
    some = rows(4)
    some[1]["answers"] = ["赤いリンゴ", "an apple"]
    save_rows(tmp_path / "asked.parquet", some)
    return read_questions(tmp_path / "asked.parquet")


def blended(method: str, units: tuple[str, ...] = UNITS, **shared: float) -> Candidate:
    """The student, its layers by a method that is told of data."""
    kept = tuple(unit for unit in KEPT if unit not in units)
    own = {"weight": (1.0,) * len(units), "on": ("naming",) * len(units)}
    takes = tuple(Ingredient(Origin(name), own) for name in ("eyes", "tongue"))
    given = {"floor": 1e-6} | ({"alpha": 0.9} if method == "regmean" else {}) | shared
    settings = {name: (value,) * len(units) for name, value in given.items()}
    blend = Blend(units, method, None, takes, settings)
    return Candidate("student", {}, (Keep(kept, Origin("eyes")),), (blend,))


def heard(source: Source, questions: tuple[Question, ...], role: Role) -> tuple[Tensor, Tensor]:
    """F and G of one tensor, by a loop that shares nothing with the evaluator but the prompt."""
    sees = source.anatomy.sees
    model = load_model(source.folder, sees).double()
    reader = open_reader(source.folder, sees)
    tail = f"layers.1.{role.tail}"
    parameter = next(
        p for n, p in model.named_parameters() if n.endswith(tail) and "vision" not in n
    )
    parameter.requires_grad_(True)
    rows: list[Tensor] = []
    layer = next(m for m in model.modules() if isinstance(m, nn.Linear) and m.weight is parameter)
    layer.register_forward_pre_hook(lambda module, inputs: rows.append(inputs[0][0].detach()))
    squares = torch.zeros_like(parameter)
    pairs = [(q, text) for q in questions for text in q.references]
    for question, text in pairs:
        asked = reader.prompts([question])[0]
        if sees:
            asked = asked.replace("<image>", "<image>" * 4)
        prompt = reader.ids_of_prompts([asked])[0]
        answer = reader.ids_of_answers([text])[0]
        ids = torch.tensor([prompt + answer])
        seen = {}
        if sees:
            pixels = reader.processor.image_processor(
                [open_picture(question.image)], return_tensors="pt"
            )
            seen = {"pixel_values": pixels["pixel_values"].double()}
        logs = model(input_ids=ids[:, :-1], **seen).logits[0].log_softmax(-1)
        total = sum(logs[len(prompt) - 1 + i, token] for i, token in enumerate(answer))
        (slope,) = torch.autograd.grad(total, parameter)
        squares += slope.square()
    every = torch.cat(rows)
    return squares / len(pairs), every.T @ every / len(every)


def number(source: Source, what: str, role: Role) -> np.ndarray:
    raw = source.measured[what, "naming"][role]
    assert raw is not None
    return raw.numbers.reshape(raw.shape).astype(np.float64)


@pytest.mark.parametrize("name", ["eyes", "tongue"])
def test_what_is_measured_is_what_the_papers_say(
    name: str, sources: dict[str, Source], questions: tuple[Question, ...]
) -> None:
    """Of a model that sees with its pictures, of a blind one without."""
    for method in ("fisher", "regmean"):
        measure(blended(method), sources, {"naming": questions})
    squares, products = heard(sources[name], questions, UP)
    scale = float(squares.max())
    np.testing.assert_allclose(number(sources[name], "fisher", UP), squares, atol=1e-4 * scale)
    np.testing.assert_allclose(
        number(sources[name], "gram", UP), products, atol=1e-5 * float(products.max())
    )
    assert scale > 0 and sources[name].measured["gram", "naming"][NORM] is None


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_memory_and_disk_agree_bit_for_bit(
    method: str, sources: dict[str, Source], questions: tuple[Question, ...], tmp_path: Path
) -> None:
    candidate = blended(method)
    measure(candidate, sources, {"naming": questions})
    resident = Resident(candidate, sources).put(candidate)
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    written = load_model(tmp_path / "out", sees=True).state_dict()
    for name, tensor in resident.state_dict().items():
        assert torch.equal(tensor, written[name]), name
    merged = open_source("out", tmp_path / "out").tensor(UP).double().numpy()
    one, other = (sources[name].tensor(UP).double().numpy() for name in ("eyes", "tongue"))
    if method == "fisher":
        f, g = (number(sources[name], "fisher", UP) for name in ("eyes", "tongue"))
        level = 1e-6 * (f.mean() + g.mean()) / 2
        expected = ((f + level) * one + (g + level) * other) / (f + g + 2 * level)
        assert np.abs(merged - (one + other) / 2).max() > 0.01  # and it is no plain mean
    else:
        grams = []
        for name in ("eyes", "tongue"):
            gram = number(sources[name], "gram", UP)
            grams.append(0.9 * gram + 0.1 * np.diag(np.diag(gram)))
        level = 1e-6 * np.mean([np.trace(gram) / len(gram) for gram in grams])
        f, g = (gram + level * np.eye(len(gram)) for gram in grams)
        expected = (one @ f + other @ g) @ np.linalg.inv(f + g)
    np.testing.assert_allclose(merged, expected, atol=2e-6)
    norm = open_source("out", tmp_path / "out").tensor(NORM)
    assert norm.shape == (32,)


def test_what_a_picture_goes_through_is_measured_too(
    sources: dict[str, Source], questions: tuple[Question, ...], parents: Mapping[str, Path]
) -> None:
    """Features cannot be reused there: the gradient goes through tower and projector."""
    sources["tongue"] = open_source("tongue", parents["eyes"])
    units = ("vision.embed", "vision.layers.0", "projector")
    for method in ("fisher", "regmean"):
        measure(blended(method, units), sources, {"naming": questions})
    projector = Role("projector", "multi_modal_projector.linear_1.weight")
    patches = Role("vision.embed", "embeddings.patch_embedding.weight")
    assert number(sources["eyes"], "fisher", projector).max() > 0
    assert number(sources["eyes"], "fisher", patches).max() > 0
    gram = number(sources["eyes"], "gram", projector)
    assert gram.shape == (32, 32) and np.linalg.eigvalsh(gram).min() > -1e-6
    assert sources["eyes"].measured["gram", "naming"][patches] is None  # a convolution


def test_it_is_measured_once(
    sources: dict[str, Source],
    questions: tuple[Question, ...],
    parents: Mapping[str, Path],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    measure(blended("fisher"), sources, {"naming": questions}, said.append)
    assert said == ["measuring eyes on naming", "measuring tongue on naming"]
    first = number(sources["eyes"], "fisher", UP)
    measure(blended("fisher"), sources, {"naming": questions}, said.append)
    assert len(said) == 2 and len(list(cache.iterdir())) == 2

    def anew() -> dict[str, Source]:
        return {name: open_source(name, folder) for name, folder in parents.items()}

    again = anew()
    measure(blended("fisher"), again, {"naming": questions}, said.append)
    assert len(said) == 2  # from the cache
    np.testing.assert_array_equal(number(again["eyes"], "fisher", UP), first)
    measure(blended("fisher"), anew(), {"naming": questions[:2]}, said.append)
    measure(blended("regmean"), anew(), {"naming": questions}, said.append)
    assert len(said) == 6
    damaged = sorted(cache.iterdir())[0]
    damaged.write_bytes(b"nonsense")
    for count in (7, 7):
        measure(blended("fisher"), anew(), {"naming": questions}, said.append)
        measure(blended("fisher"), anew(), {"naming": questions[:2]}, said.append)
        measure(blended("regmean"), anew(), {"naming": questions}, said.append)
        assert len(said) == count
    monkeypatch.setattr(measuring, "file_of", lambda *what: None)  # a cache that cannot be used
    measure(blended("fisher"), anew(), {"naming": questions}, said.append)
    assert len(said) == 9


@pytest.mark.parametrize("method", ["fisher", "regmean"])
def test_threads_change_no_bit(
    method: str,
    parents: Mapping[str, Path],
    questions: tuple[Question, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for threads in (1, 2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(threads)))
        sources = {name: open_source(name, folder) for name, folder in parents.items()}
        torch.set_num_threads(threads)
        try:
            measure(blended(method), sources, {"naming": questions})
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(1)
        what = "fisher" if method == "fisher" else "gram"
        raws = sources["eyes"].measured[what, "naming"].values()
        found.append([raw.numbers for raw in raws if raw is not None])
    assert found[0] and all(map(np.array_equal, *found))


def test_who_answers_nothing_is_refused(
    parents: Mapping[str, Path], questions: tuple[Question, ...], tmp_path: Path
) -> None:
    adapter = save_adapter(tmp_path / "adapter")
    sources = open_sources({**parents, "tongue": adapter})
    with pytest.raises(MergeError, match="tongue answers no question"):
        measure(blended("fisher"), sources, {"naming": questions})


def test_a_question_that_cannot_be_asked_is_named(sources: dict[str, Source]) -> None:
    blind = (Question("7", "7", None, "1 + 1?", ("2",)),)
    with pytest.raises(DataError, match="question 7: it has no picture"):
        measure(blended("fisher"), sources, {"naming": blind})


def test_what_is_no_number_is_refused(
    sources: dict[str, Source], questions: tuple[Question, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*what: object, **how: object) -> object:
        model = load_model(*what, **how)  # type: ignore[arg-type]
        model.get_output_embeddings().weight[5] = float("inf")
        return model

    monkeypatch.setattr(measuring, "load_model", broken)
    with pytest.raises(
        ModelError, match=r"what eyes says of its language\.layers\.0 .* is no number"
    ):
        measure(blended("fisher"), sources, {"naming": questions})


def test_a_recipe_is_merged_by_what_its_data_say(
    place: Path, capsys: pytest.CaptureFixture[str], sources: dict[str, Source]
) -> None:
    (place / "one.merge").write_text(RECIPE, encoding="utf-8")
    assert main(["lint", "../one.merge"]) == 0, capsys.readouterr().out
    assert main(["merge", "../one.merge"]) == 0, capsys.readouterr().err
    assert "measuring eyes on naming" in capsys.readouterr().err
    asked = read_questions(place / "rows.parquet", split="search")
    measure(blended("fisher"), sources, {"naming": asked})
    write_model(blended("fisher"), sources, Path("by_hand"), recipe="r\n")
    assert weights(Path("out")) == weights(Path("by_hand"))
    origins = json.loads(Path("out/merge_origins.json").read_text())
    said = origins["tensors"]["language_model.model.layers.1.mlp.up_proj.weight"]
    assert said["by"] == "fisher" and said["of"][0]["on"] == "naming"


def test_data_of_a_recipe_that_cannot_be_used_are_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(text: str, *arguments: str) -> str:
        (place / "one.merge").write_text(text, encoding="utf-8")
        capsys.readouterr()
        assert main(["merge", "../one.merge", *arguments]) in (1, 2)
        said = capsys.readouterr().err
        assert "Traceback" not in said and not Path("out").exists()
        return said

    assert "D701" in told(RECIPE.replace("on = naming", "on = held"))
    assert "K214" in told(RECIPE.replace("    on = naming\n", ""))
    assert "nowhere.parquet" in told(RECIPE.replace("rows.parquet", "nowhere.parquet"))
    save_rows(place / "blind.parquet", [{"question": "1 + 1?", "answers": ["2"]}])
    blind = RECIPE.replace('"file:rows.parquet" { split = "search" }', '"file:blind.parquet"')
    assert "it has no picture" in told(blind)


SEARCHED = RECIPE.replace("by fisher", "by choice fisher | linear").replace(
    "    take tongue", "    take tongue { weight = 0.0..1.0 }"
).replace("on = naming", "on = naming when method is fisher").replace(
    "report student {\n  exact_match on held\n}",
    "search student {\n  maximize log_likelihood on naming\n  by = random\n  budget = 6 trials\n  seed = 2\n}",
)  # fmt: skip


def test_a_search_may_choose_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(place, SEARCHED)
    run = Path("runs/one")
    drawn = {record["values"][0] for record in records(run) if record["kind"] == "trial"}
    assert drawn == {"fisher", "linear"}
    assert main(["merge", str(run / "best.merge"), "--out", "again"]) == 0
    assert weights(Path("again")) == weights(Path("out"))
