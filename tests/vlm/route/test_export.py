"""Walks as ordinary checkpoints: reopened they compute the same; where they cannot, it is said why."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.vlm.route.conftest import FAMILY, ROAD, Pair, walk_of
from tests.vlm.route.families import FAMILIES, inputs_for, save
from vlm.anatomy.parts import memory_roles
from vlm.errors import MergeError
from vlm.resident import load_model
from vlm.route.export import write_walk
from vlm.route.verify import Difference, probes
from vlm.route.walker import Walker
from vlm.weights.source import Source, open_source

FIRST = (("b", 0, 1.6), *ROAD)  # the first hop is scaled, too


def written(
    sources: dict[str, Source], walk: Any, out: Path, family: str = "llama", **more: Any
) -> Difference:
    walker = Walker(walk, sources)
    inputs = [inputs_for(family)]
    return write_walk(walk, walker, sources, out, recipe="recipe x\n", inputs=inputs, **more)


def quiet(source: Source, factor: float) -> Source:
    """The same model with embeddings of another size."""
    (file,) = source.folder.glob("*.safetensors")
    embedded = {name for role, name in source.names.items() if role.unit == "language.embed"}
    tensors = load_file(file)
    save_file(
        {n: t * factor if n in embedded else t for n, t in tensors.items()},
        file,
        metadata={"format": "pt"},
    )
    return open_source(source.name, source.folder)


@pytest.mark.parametrize("scale_of", ["stream", "mlp"])
@pytest.mark.parametrize("family", FAMILY)
def test_a_checkpoint_computes_its_walk(
    family: str, scale_of: str, pair: Pair, tmp_path: Path
) -> None:
    sources = pair(family)
    found = written(sources, walk_of(*FIRST, scale_of=scale_of), tmp_path / "out", family)
    assert found.largest < 1e-4 and found.spread > 0.1 and found.code is None
    again = load_model(tmp_path / "out", sources["a"].anatomy.sees)
    words = again.generate(**inputs_for(family), max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert words.shape[1] == inputs_for(family)["input_ids"].shape[1] + 4


@pytest.mark.parametrize("std", [0.02, 0.003])
@pytest.mark.parametrize("family", ["llama", "llava"])
def test_small_embeddings_keep_their_scale(
    family: str, std: float, pair: Pair, tmp_path: Path
) -> None:
    """An epsilon that counts: dividing by the first scale would be far off."""
    sources = {name: quiet(source, std / 0.2) for name, source in pair(family).items()}
    walker = Walker(walk_of(*FIRST), sources)
    out = tmp_path / "out"
    found = write_walk(
        walk_of(*FIRST), walker, sources, out, recipe="", inputs=[inputs_for(family)]
    )
    assert found.largest < 1e-4


def test_ends_of_two_models(pair: Pair, tmp_path: Path) -> None:
    sources = pair("llama")
    written(sources, walk_of(*FIRST, end="b"), tmp_path / "out")
    one, other = sources["b"].checkpoint, open_source("out", tmp_path / "out").checkpoint
    assert torch.equal(one.tensor("lm_head.weight"), other.tensor("lm_head.weight"))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["num_hidden_layers"] == 8


@pytest.mark.parametrize("end", ["a", "b"])
@pytest.mark.parametrize("tie", ["a", "b", "ab"])
@pytest.mark.parametrize("first", [1.0, 1.6])
def test_tied_models_are_untied_where_they_must_be(
    tie: str, end: str, first: float, tmp_path: Path
) -> None:
    sources = {}
    for seed, name in enumerate("ab"):
        folder = save(FAMILIES["llama"], tmp_path / name, seed, tie_word_embeddings=name in tie)
        sources[name] = open_source(name, folder)
    walk = walk_of(("b", 0, first), *ROAD, end=end)
    assert written(sources, walk, tmp_path / "out").largest < 1e-4
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    kept = "a" in tie and end == "a" and first == 1.0
    assert config["tie_word_embeddings"] is kept
    assert ("lm_head.weight" in open_source("o", tmp_path / "out").checkpoint.entries) is not kept


def test_kinds_of_attention_go_with_their_layers(pair: Pair, tmp_path: Path) -> None:
    sources = pair("gemma3")
    written(
        sources, walk_of(("a", 1, 1.0), ("b", 0, 0.5), ("b", 0, 1.0)), tmp_path / "out", "gemma3"
    )
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["layer_types"] == ["sliding_attention", "full_attention", "full_attention"]
    assert config["num_hidden_layers"] == 3


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_rounds_and_is_told(dtype: str, pair: Pair, tmp_path: Path) -> None:
    found = written(pair("llama"), walk_of(*FIRST), tmp_path / "out", dtype=dtype)
    assert 1e-4 < found.largest < found.allowed < 0.5


def test_towers_leave_too(pair: Pair, tmp_path: Path) -> None:
    sources = pair("llava")
    road = (("a", 0, 1.0), ("b", 1, 1.0), ("b", 1, 1.0), ("a", 2, 1.0))
    assert (
        written(sources, walk_of(*road, stack="vision"), tmp_path / "out", "llava").largest < 1e-4
    )
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vision_config"]["num_hidden_layers"] == 4
    scaled = (("a", 0, 1.0), ("b", 1, 0.5), ("a", 2, 1.0))
    mlp = walk_of(*scaled, stack="vision", scale_of="mlp")
    found = written(sources, mlp, tmp_path / "mlp", "llava")
    assert found.largest < 1e-4 and found.code is None


def test_without_scales_post_norm_blocks_fold(tmp_path: Path) -> None:
    from tests.vlm.route.families import olmo2

    sources = {
        name: open_source(name, save(olmo2, tmp_path / name, seed))
        for seed, name in enumerate("ab")
    }
    plain = walk_of(*((name, layer, 1.0) for name, layer, _ in ROAD))
    found = written(sources, plain, tmp_path / "out")
    assert found.largest < 1e-4 and found.code is None


def test_what_does_not_compute_the_same_is_refused(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold that is wrong is found out, and so is a walk with code of its own that is."""
    from vlm.route import export
    from vlm.route.fold import Changes

    monkeypatch.setattr(export, "folded", lambda walker, walk: Changes({}))
    sources = pair("llama")
    found = written(sources, walk_of(*ROAD), tmp_path / "out")
    assert found.code is not None and "reopened, differs from it" in found.code
    right = export.described

    def wrong(walker: Walker, walk: Any) -> dict[str, Any]:
        said = right(walker, walk)
        said["hops"][2]["scale"] *= 1.1
        return said

    monkeypatch.setattr(export, "described", wrong)
    with pytest.raises(MergeError, match="reopened, differs from it"):
        written(sources, walk_of(*ROAD), tmp_path / "no")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "out"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_has_a_role_of_its_own(family: str) -> None:
    with torch.device("meta"):
        model = FAMILIES[family]()
    roles = memory_roles(model)
    assert len(set(roles.values())) == len(roles)


def test_a_picture_is_asked_about_where_the_model_sees(loud: Path) -> None:
    host = open_source("eyes", loud / "eyes")
    words, picture = probes(host, load_model(host.folder, True))
    assert "pixel_values" not in words and "pixel_values" in picture
    (blind,) = probes(open_source("base", loud / "base"), load_model(loud / "base", False))
    assert blind["input_ids"].shape == (2, 24)
