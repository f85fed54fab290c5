"""The recipes that ship parse, and mean what they say."""

import json
import shutil
from pathlib import Path

import pytest

from merge_dsl.meaning.facts import Facts
from merge_dsl.meaning.load import load_recipe
from merge_dsl.rules.not_yet import not_yet
from merge_dsl.space.compile import compile_space
from merge_dsl.space.fill import fill
from merge_dsl.space.routes import space_of
from merge_dsl.space.sequence import settled
from merge_dsl.space.space import start
from merge_dsl.text.parse import parse
from merge_dsl.text.reading import read_source

RECIPES = Path(__file__).parents[2] / "recipes"
ALL = sorted(RECIPES.rglob("*.merge"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_it_parses(path: Path) -> None:
    source, found = read_source(path)
    assert not found and parse(source).diagnostics == ()


def test_evovlm_jp() -> None:
    recipe = load_recipe(RECIPES / "evovlm_jp.merge").recipe
    assert recipe is not None and not_yet(recipe, "student") == []
    space = compile_space(recipe, "student")
    assert len(space.genes) == 16  # two ingredients, two settings, four groups
    assert space.genes[0].name == "llava.weight[0..7]"
    assert space.genes[-1].name == "shisa.density[24..31]"
    candidate = fill(space, start(space), 0)
    (keep,), (blend,) = candidate.keeps, candidate.blends
    assert keep.origin.model == "llava" and "projector" in keep.units and len(keep.units) == 30
    assert blend.units == tuple(f"language.layers.{n}" for n in range(32))
    assert (blend.method, blend.seed, str(blend.base)) == ("dare_ties", 7, "mistral")
    assert [str(item.origin) for item in blend.ingredients] == ["llava.language", "shisa"]
    (search,) = recipe.searches
    assert (search.budget.trials, search.budget.seconds, search.seed) == (1000, 48 * 3600, 42)
    assert search.engine.settings == {"sigma": 0.17}
    assert recipe.data["vqa_dev"].rows == ((0, 199),)
    assert (recipe.writes[0].dtype, recipe.writes[0].shard) == ("bf16", 4 * 1024**3)


def test_route_jp_math() -> None:
    recipe = load_recipe(RECIPES / "route_jp_math.merge").recipe
    assert recipe is not None
    assert list(recipe.routes) == ["drawn", "found"]
    assert recipe.searches[0].budget.generations == 100
    assert recipe.data["mgsm_test"].subset == "ja"
    assert not not_yet(recipe, "found")


def test_hybrid_polyglot(tmp_path: Path) -> None:
    shutil.copytree(RECIPES, tmp_path / "recipes")
    charts = tmp_path / "recipes" / "checkpoints" / "clip-l-336-charts"
    charts.mkdir(parents=True)
    config = {"model_type": "clip_vision_model", "num_hidden_layers": 24, "hidden_size": 1024}
    (charts / "config.json").write_text(json.dumps(config))
    recipe = load_recipe(tmp_path / "recipes" / "hybrid_polyglot.merge").recipe
    assert recipe is not None
    assert "coco.captions_ja_dev" in recipe.data
    assert recipe.data["coco.captions_ja_dev"].split == "search"
    student, scholar = recipe.searches
    assert [o.terms[0].data for o in student.objectives] == ["coco.captions_ja_dev", "vqa_dev"]
    assert [(t.factor, t.metric) for t in scholar.objectives[0].terms] == [
        (0.5, "cider"), (0.5, "vqa_accuracy"),
    ]  # fmt: skip
    assert recipe.models["chart_eyes"].trained_on == ("chartqa",)
    assert not not_yet(recipe, "student") and not not_yet(recipe, "scholar")
    vision, language = recipe.merges["student"].lines[1:]
    assert [part.text for part in vision.parts + language.parts] == ["vision", "language.layers"]
    # What the road walks is what the first search has made; its own genes are the road's.
    assert recipe.stages["student"].facts == (recipe.models["llava"].facts or Facts())._replace(
        difference=False
    )
    source, _ = read_source(tmp_path / "recipes" / "hybrid_polyglot.merge")
    _, later = settled(source, recipe, "scholar")
    names = [gene.name for gene in space_of(later, "scholar").genes]
    assert names == ["math[16..23].maybe", "math[16..23].scale"]
