"""Walks on shared weights: what they compute, what they keep, and that nothing is copied."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vlm.route import reference
from tests.vlm.route.conftest import FAMILY, ROAD, Pair, walk_of, walked
from tests.vlm.route.families import gemma3, inputs_for, llama, qwen2, qwen2_5_vl, save
from vlm.errors import MergeError
from vlm.resident import load_model
from vlm.route.export import write_walk
from vlm.route.walker import Walker
from vlm.weights.source import open_source


def told(model: Any, family: str, **more: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(**inputs_for(family), **more).logits  # type: ignore[no-any-return]


def said(model: Any, family: str, cached: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Twelve greedy words, and the logits that they were chosen by."""
    with torch.inference_mode():
        out = model.generate(
            **inputs_for(family), max_new_tokens=12, do_sample=False, use_cache=cached,
            pad_token_id=0, return_dict_in_generate=True, output_logits=True,
            suppress_tokens=[60, 61, 62, 63],  # pictures are nothing to say
        )  # fmt: skip
    return out.sequences, torch.stack(out.logits)


@pytest.mark.parametrize("family", FAMILY)
def test_its_own_order_is_the_model_itself(family: str, pair: Pair) -> None:
    sources = pair(family)
    plain = load_model(sources["a"].folder, sources["a"].anatomy.sees)
    model = walked(sources, walk_of(*ROAD))  # and then back
    own = walk_of(*(("a", n, 1.0) for n in range(4)))
    walker = Walker(own, sources)
    walker.put(walk_of(*ROAD))
    model = walker.put(own)
    assert torch.equal(told(model, family), told(plain, family))
    for cached in (True, False):
        words, logits = said(model, family, cached)
        plain_words, plain_logits = said(plain, family, cached)
        assert torch.equal(words, plain_words) and torch.equal(logits, plain_logits)


@pytest.mark.parametrize("scale_of", ["stream", "mlp"])
@pytest.mark.parametrize("family", FAMILY)
def test_cached_is_uncached(family: str, scale_of: str, pair: Pair) -> None:
    model = walked(pair(family), walk_of(*ROAD, scale_of=scale_of))
    words, logits = said(model, family, cached=True)
    plain_words, plain_logits = said(model, family, cached=False)
    assert torch.equal(words, plain_words)
    assert (logits - plain_logits).abs().max() < 1e-4


@pytest.mark.parametrize("scale_of", ["stream", "mlp"])
@pytest.mark.parametrize("end", ["a", "b"])
@pytest.mark.parametrize("first", [1.0, 1.4])
def test_a_walk_computes_what_it_is_defined_to(
    scale_of: str, end: str, first: float, pair: Pair
) -> None:
    sources = pair("llama")
    hops = (("b", 1, first), *ROAD)
    model = walked(sources, walk_of(*hops, end=end, scale_of=scale_of))
    ids = inputs_for("llama")["input_ids"]
    models = {name: load_model(s.folder, False).state_dict() for name, s in sources.items()}
    expected = reference.logits(models, hops, ids, "a", end, scale_of)
    assert (told(model, "llama") - expected).abs().max() < 2e-5
    other = reference.logits(models, hops, ids, "a", end, {"stream": "mlp"}.get(scale_of, "stream"))
    assert (other - expected).abs().max() > 0.05


def test_nothing_is_copied(pair: Pair) -> None:
    sources = pair("llama")
    walker = Walker(walk_of(*ROAD), sources)
    known = {p.data_ptr() for body in walker.bodies.values() for layer in body.layers
             for p in layer.parameters()}  # fmt: skip
    model = walker.put(walk_of(*ROAD))
    layers = model.model.layers
    assert {p.data_ptr() for p in layers.parameters()} <= known
    assert [layer.self_attn.layer_idx for layer in layers] == list(range(7))
    bare = walker.bodies["b"]  # its embedding and head are let go
    assert bare.model is None and not list(bare.holder.parameters())
    with torch.inference_mode():
        cache = model(**inputs_for("llama"), use_cache=True).past_key_values
    assert len(cache.layers) == 7 and model.config.num_hidden_layers == 7


@pytest.mark.parametrize(
    ("family", "first", "second"),
    [
        ("llama", {}, {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
        ("mistral", {}, {"sliding_window": None}),
        ("mistral", {"sliding_window": None}, {"sliding_window": 4}),
        ("mistral", {"sliding_window": 7}, {"sliding_window": 4}),
        ("qwen2", {}, {"sliding_window": 3}),
        ("qwen2", {"layer_types": ["full_attention"] * 4}, {}),
        ("llama", {}, {"num_key_value_heads": 4}),
        ("gemma3", {}, {"sliding_window": 3}),
    ],
)
def test_every_layer_sees_as_in_its_own_model(
    family: str, first: dict[str, Any], second: dict[str, Any], pair: Pair
) -> None:
    sources = pair(family, first, **second)
    own = walk_of(*(("b", n, 1.0) for n in range(4)), begin="b", end="b")
    whole = load_model(sources["b"].folder, False)
    walker = Walker(walk_of(*ROAD), sources)
    walker.model.model.embed_tokens.weight.copy_(whole.model.embed_tokens.weight)
    walker.model.model.norm.weight.copy_(whole.model.norm.weight)
    walker.model.lm_head.weight.copy_(whole.lm_head.weight)
    model = walker.put(own)
    assert (told(model, family) - told(whole, family)).abs().max() < 2e-6
    model = walker.put(walk_of(*ROAD))
    words, logits = said(model, family, cached=True)
    plain_words, plain_logits = said(model, family, cached=False)
    assert torch.equal(words, plain_words) and (logits - plain_logits).abs().max() < 1e-4


def test_a_pair_that_cannot_meet(pair: Pair) -> None:
    with pytest.raises(MergeError, match="48 wide and those of a 32"):
        walked(pair("llama", {}, hidden_size=48), walk_of(*ROAD))
    sources = pair("llama", {}, vocab_size=80)
    walked(sources, walk_of(*ROAD))  # only layers are taken from b
    with pytest.raises(MergeError, match="80 words against 64"):
        walked(sources, walk_of(*ROAD, end="b"))
    with pytest.raises(MergeError, match="and not 4"):
        walked(sources, walk_of(("a", 4, 1.0)))


def test_towers_are_walked_too(pair: Pair) -> None:
    sources = pair("llava")
    plain = load_model(sources["a"].folder, True)
    own = walk_of(*(("a", n, 1.0) for n in range(3)), stack="vision")
    walker = Walker(own, sources)
    assert torch.equal(told(walker.put(own), "llava"), told(plain, "llava"))
    model = walker.put(walk_of(("a", 0, 1.0), ("b", 1, 1.0), ("a", 2, 1.0), stack="vision"))
    other = load_model(sources["b"].folder, True).model.vision_tower.encoder.layers[1]
    plain.model.vision_tower.encoder.layers[1].load_state_dict(other.state_dict())
    assert torch.equal(told(model, "llava"), told(plain, "llava"))
    long = walker.put(walk_of(*(("a", n, 1.0) for n in (0, 1, 1, 2)), stack="vision"))
    assert (told(long, "llava") - told(plain, "llava")).abs().max() > 1e-3
    with pytest.raises(MergeError, match="begin and end it with one model"):
        Walker(own._replace(end="b"), sources)


def test_a_plain_decoder_inside_a_vlm(tmp_path: Path) -> None:
    """Plain Qwen2 is called with other angles than Qwen2.5-VL's decoder, and has the same weights."""
    sources = {
        "a": open_source("a", save(qwen2_5_vl, tmp_path / "a", 1)),
        "b": open_source("b", save(qwen2, tmp_path / "b", 2, layer_types=["full_attention"] * 4,
                                   rms_norm_eps=1e-5)),
    }  # fmt: skip
    model = walked(sources, walk_of(*ROAD))
    words, logits = said(model, "qwen2_5_vl", cached=True)
    plain_words, plain_logits = said(model, "qwen2_5_vl", cached=False)
    assert torch.equal(words, plain_words) and (logits - plain_logits).abs().max() < 1e-4
    whole = load_model(sources["b"].folder, False)
    walker = Walker(walk_of(*ROAD), sources)
    walker.model.model.language_model.embed_tokens.weight.copy_(whole.model.embed_tokens.weight)
    walker.model.model.language_model.norm.weight.copy_(whole.model.norm.weight)
    walker.model.lm_head.weight.copy_(whole.lm_head.weight)
    model = walker.put(walk_of(*(("b", n, 1.0) for n in range(4))))
    ids = inputs_for("llama")  # words alone: the three axes are one
    with torch.inference_mode():
        assert (model(**ids).logits - whole(**ids).logits).abs().max() < 2e-5
    asked, walker = [inputs_for("qwen2_5_vl")], Walker(walk_of(*ROAD), sources)
    found = write_walk(walk_of(*ROAD), walker, sources, tmp_path / "o", recipe="", inputs=asked)
    assert found.largest < 1e-4


def test_layers_of_another_build_are_refused(tmp_path: Path) -> None:
    sources = {
        "a": open_source("a", save(llama, tmp_path / "a", 1)),
        "b": open_source("b", save(gemma3, tmp_path / "b", 2)),
    }
    with pytest.raises(MergeError, match="built in another way than those of a"):
        walked(sources, walk_of(*ROAD))
