"""Kinds of tensors in a layer: every tensor has one, and a blend may tell them apart."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from merge_dsl.meaning.parts import KINDS
from merge_dsl.space.candidate import Candidate, Ingredient, Keep, Origin
from tests.vlm.conftest import LAYERS, student
from vlm.anatomy.kinds import kind_of_tensor
from vlm.errors import MergeError
from vlm.resident import Resident, load_model
from vlm.weights.source import Source, open_source
from vlm.weights.writer import write_model

TAILS = {
    "self_attn.q_proj.weight": "attention",
    "self_attn.k_norm.weight": "attention",
    "self_attn.o_proj.bias": "attention",
    "cross_attn.q_proj.weight": "attention",
    "attn.in_proj_weight": "attention",
    "attention.query_key_value.weight": "attention",
    "mlp.gate_proj.weight": "mlp",
    "mlp.experts.3.down_proj.weight": "mlp",
    "block_sparse_moe.gate.weight": "mlp",
    "feed_forward.w1.weight": "mlp",
    "fc1.weight": "mlp",
    "input_layernorm.weight": "norms",
    "post_attention_layernorm.weight": "norms",
    "pre_feedforward_layernorm.weight": "norms",
    "layer_norm2.bias": "norms",
    "ln_1.weight": "norms",
    "ls1.gamma": "norms",
}


@pytest.mark.parametrize("tail", TAILS)
def test_the_kind_of_a_tensor(tail: str) -> None:
    assert kind_of_tensor(tail) == TAILS[tail]


@pytest.fixture(scope="module")
def sources(parents: Mapping[str, Path]) -> dict[str, Source]:
    return {name: open_source(name, folder) for name, folder in parents.items()}


def by_kind(**guest: float) -> Candidate:
    """The student, with another share of the guest for each kind."""
    candidate = student()
    (blend,) = candidate.blends
    units = tuple(f"language.layers.{n}.{kind}" for n in range(LAYERS) for kind in KINDS)
    shares = tuple(guest[kind] for _ in range(LAYERS) for kind in KINDS)
    host, other = blend.ingredients
    ingredients = (
        Ingredient(host.origin, {"weight": tuple(1 - share for share in shares)}),
        Ingredient(other.origin, {"weight": shares}),
    )
    settings = {name: values[:1] * len(units) for name, values in blend.settings.items()}
    split = blend._replace(units=units, ingredients=ingredients, settings=settings)
    return candidate._replace(blends=(split,))


def test_each_kind_has_its_own_share(sources: dict[str, Source], tmp_path: Path) -> None:
    candidate = by_kind(attention=0.25, mlp=1.0, norms=0.0)
    resident = Resident(student(), sources).put(candidate).state_dict()
    write_model(candidate, sources, tmp_path / "out", recipe="r\n", dtype="fp32")
    written = load_model(tmp_path / "out", sees=True).state_dict()
    assert all(torch.equal(tensor, written[name]) for name, tensor in resident.items())
    merged = open_source("out", tmp_path / "out")
    shares = {"attention": 0.25, "mlp": 1.0, "norms": 0.0}
    seen = set()
    for role in sources["tongue"].names:
        if ".layers." in role.unit:
            kind = kind_of_tensor(role.tail)
            seen.add(kind)
            one, other = sources["eyes"].tensor(role), sources["tongue"].tensor(role)
            expected = (1 - shares[kind]) * one.float() + shares[kind] * other.float()
            torch.testing.assert_close(merged.tensor(role).float(), expected)
    assert seen == set(KINDS)


def test_the_same_share_for_all_kinds_is_the_layer(sources: dict[str, Source]) -> None:
    whole = Resident(student(), sources).put(student(host=0.7, guest=0.3)).state_dict()
    whole = {name: tensor.clone() for name, tensor in whole.items()}
    split = Resident(student(), sources).put(by_kind(attention=0.3, mlp=0.3, norms=0.3))
    for name, tensor in split.state_dict().items():
        torch.testing.assert_close(tensor, whole[name])


def test_a_kind_without_an_origin_is_an_error(sources: dict[str, Source]) -> None:
    candidate = by_kind(attention=0.5, mlp=0.5, norms=0.5)
    (blend,) = candidate.blends
    kept = Keep(tuple(u for u in blend.units if not u.endswith("mlp")), Origin("eyes", "language"))
    with pytest.raises(MergeError, match=r"says where language\.layers\.0 comes from"):
        Resident(candidate._replace(keeps=(*candidate.keeps, kept), blends=()), sources)
