"""Every vision-language family: taken apart, merged with the LLM of its decoder, written, reopened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from merge_dsl.meaning.anatomy import spots_of
from merge_dsl.space.candidate import Blend, Candidate, Ingredient, Keep, Origin
from tests.vlm.families import FAMILIES, Family
from tests.vlm.making import SPELLINGS, build, prompt, save
from vlm.anatomy.parts import anatomy, memory_roles, skeleton
from vlm.errors import MergeError, ModelError
from vlm.weights.checkpoint import open_checkpoint
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

PARTS = {"vision", "projector", "language"}
EVERY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
SPELT = {
    f"{name}-{spelling}": (family, spelling)
    for name, family in FAMILIES.items()
    for spelling in SPELLINGS
    if spelling != "hub" or family.hub
}
EVERY_SPELLING = pytest.mark.parametrize(("family", "spelling"), SPELT.values(), ids=SPELT)


def half(eyes: Source) -> Candidate:
    """All of `eyes`, its language layers blended half and half with those of `tongue`."""
    units = eyes.anatomy.units
    layers = tuple(unit for unit in units if unit.startswith("language.layers."))
    kept = tuple(unit for unit in units if unit not in layers)
    each = {"weight": (0.5,) * len(layers)}
    takes = (Ingredient(Origin("eyes"), each), Ingredient(Origin("tongue"), each))
    blend = Blend(layers, "linear", None, takes, {"normalize": (True,) * len(layers)})
    return Candidate("child", {}, (Keep(kept, Origin("eyes")),), (blend,))


def reopened(folder: Path) -> Any:
    model, info = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    assert not info["mismatched_keys"]
    return model.eval()


@EVERY_SPELLING
def test_merged_at_half(family: Family, spelling: str, tmp_path: Path) -> None:
    original = build(family.config(), seed=1)
    save(original, tmp_path / "eyes", family, spelling)
    save(build(family.partner(), seed=2), tmp_path / "tongue", family)
    sources = {name: open_source(name, tmp_path / name) for name in ("eyes", "tongue")}
    eyes, tongue = sources["eyes"], sources["tongue"]
    write_model(half(eyes), sources, tmp_path / "child", recipe="recipe r\n")

    parent, child = open_checkpoint(tmp_path / "eyes"), open_checkpoint(tmp_path / "child")
    assert child.entries.keys() == parent.entries.keys()  # in the file's own spelling
    blended = 0
    for name, role in eyes.anatomy.roles.items():
        if role.unit.startswith("language.layers."):
            one, other = (s.tensor(role).double().numpy() for s in (eyes, tongue))
            np.testing.assert_allclose(child.tensor(name), (one + other) / 2, atol=1e-7, rtol=1e-6)
            blended += 1
        else:
            assert torch.equal(child.tensor(name), parent.tensor(name)), name
    assert blended == sum(role.unit.startswith("language.layers.") for role in tongue.names)

    model = reopened(tmp_path / "child")
    inputs = prompt(model, family)
    with torch.inference_mode():
        said = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        logits = model(**inputs).logits
        before = original(**inputs).logits
    assert said.shape[1] == inputs["input_ids"].shape[1] + 3
    assert logits.isfinite().all() and not torch.equal(logits, before)


@EVERY_SPELLING
def test_headers_alone_tell_the_parts(family: Family, spelling: str, tmp_path: Path) -> None:
    for config in (family.config(), family.partner()):
        folder = tmp_path / config.model_type
        save(build(config, seed=1), folder, family, spelling)
        names = list(open_checkpoint(folder).entries)
        found = {name: tuple(spot) for name, spot in spots_of(names).items()}
        body = anatomy(config, names)
        assert found == {name: (role.unit, role.tail) for name, role in body.roles.items()}


@EVERY
def test_every_tensor_in_memory_has_one_role(family: Family) -> None:
    model = build(family.config(), seed=1)
    roles = memory_roles(model)
    assert roles.keys() == model.state_dict().keys()
    assert {role.unit.partition(".")[0] for role in roles.values()} == PARTS


def opened(tmp_path: Path, eyes: Any, tongue: Any) -> dict[str, Source]:
    save(build(eyes, seed=1), tmp_path / "eyes", FAMILIES["llava"])
    save(build(tongue, seed=2), tmp_path / "tongue", FAMILIES["llava"])
    return {name: open_source(name, tmp_path / name) for name in ("eyes", "tongue")}


@pytest.mark.parametrize(
    ("eyes", "tongue", "said"),
    [
        (
            "llava",
            "llava_onevision",
            "tongue has language.layers.. self_attn.._proj.bias, for which",
        ),
        (
            "llava_onevision",
            "llava",
            "tongue has no tensor for language.layers.. self_attn.._proj.bias",
        ),
        (
            "llava",
            "qwen3_vl",
            "tongue has language.layers.. self_attn.._norm.weight, for which eyes",
        ),
        (
            "llava",
            "aya_vision",
            "tongue has no tensor for language.layers.. post_attention_layernorm",
        ),
        ("llava", "blip_2", r"language.layers.. self_attn\.k_proj\.weight is 32 by 32 in tongue"),
    ],
)
def test_another_decoder_is_refused(eyes: str, tongue: str, said: str, tmp_path: Path) -> None:
    sources = opened(tmp_path, FAMILIES[eyes].config(), FAMILIES[tongue].partner())
    with pytest.raises(MergeError, match=said):
        write_model(half(sources["eyes"]), sources, tmp_path / "out", recipe="r\n")


def test_a_head_of_its_own_is_not_lost_in_a_tied_host(tmp_path: Path) -> None:
    partner = FAMILIES["llava"].partner()  # not tied
    sources = opened(tmp_path, FAMILIES["smolvlm"].config(), partner)
    units = sources["eyes"].anatomy.units
    own = tuple(unit for unit in units if not unit.startswith("language."))
    speech = (*(unit for unit in units if unit not in own), "language.head")
    candidate = Candidate(
        "child", {}, (Keep(own, Origin("eyes")), Keep(speech, Origin("tongue"))), ()
    )
    with pytest.raises(
        MergeError, match=r"tongue has language\.head weight, for which eyes has no"
    ):
        write_model(candidate, sources, tmp_path / "out", recipe="r\n")


def test_llama_s_layers_fall_between_those_that_look(tmp_path: Path) -> None:
    """Two layers of four look at the picture: the LLM's second is the third of the file."""
    family = FAMILIES["mllama"]
    sources = opened(tmp_path, family.config(), family.partner())
    write_model(half(sources["eyes"]), sources, tmp_path / "child", recipe="r\n")
    at, tail = "language_model.model.layers", "mlp.up_proj.weight"
    parent, child = open_checkpoint(tmp_path / "eyes"), open_checkpoint(tmp_path / "child")
    second = open_checkpoint(tmp_path / "tongue").tensor(f"model.layers.1.{tail}")
    mean = (parent.tensor(f"{at}.2.{tail}") + second) / 2
    torch.testing.assert_close(child.tensor(f"{at}.2.{tail}"), mean)
    for looking in (1, 3):
        name = f"{at}.{looking}.{tail}"
        assert torch.equal(child.tensor(name), parent.tensor(name))


@pytest.mark.parametrize(
    "kind", ["cohere2_vision", "deepseek_vl", "glm4v", "got_ocr2", "idefics2", "llava_next_video"]
)
def test_a_family_that_nobody_listed(kind: str) -> None:
    model = skeleton(transformers.AutoConfig.for_model(kind))  # as large as the real one
    roles = memory_roles(model)
    found = {name: tuple(spot) for name, spot in spots_of(roles).items()}
    assert found == {name: (role.unit, role.tail) for name, role in roles.items()}
    units = {role.unit for role in roles.values()}
    assert {"language.layers.0", "vision.layers.0", "projector", "language.head"} <= units


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("blip", "no head is found in a 'blip' model"),
        ("florence2", "the language model of a 'florence2' model is an encoder and a decoder"),
        ("fuyu", "model.vision_embed_tokens.weight is no part of a language model"),
        ("git", "no vision tower is found in a 'git' model"),
        ("idefics", "the vision tower of a 'idefics' model lies inside its language model"),
        ("fast_vlm", "no stack of layers is found in the vision part of a 'fast_vlm' model"),
        ("chameleon", "transformers cannot build a 'chameleon' model"),
    ],
)
def test_what_is_not_found_is_named(kind: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        memory_roles(skeleton(transformers.AutoConfig.for_model(kind)))
