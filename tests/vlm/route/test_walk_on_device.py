"""A walk on a device, and one in half precision: the same walk, and the same checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.vlm.pretend import NAME, Pretend, There
from tests.vlm.route.conftest import ROAD, Pair, walk_of
from tests.vlm.route.families import inputs_for
from vlm.route.export import write_walk
from vlm.route.walker import Walker

THERE = torch.device(NAME, 0)


@pytest.fixture
def pretend() -> Iterator[Pretend]:
    with Pretend() as mode:
        yield mode


@pytest.mark.parametrize("family", ["llama", "gemma3", "llava"])
def test_a_walk_there_says_what_it_says_here(family: str, pair: Pair, pretend: Pretend) -> None:
    sources, inputs = pair(family), inputs_for(family)
    walk = walk_of(*ROAD, end="b")
    here = Walker(walk, sources).put(walk)(**inputs).logits
    there = Walker(walk, sources, THERE).put(walk)
    far = there(**{name: value.to(THERE) for name, value in inputs.items()}).logits
    assert isinstance(far, There)
    torch.testing.assert_close(far.cpu(), here, rtol=1e-5, atol=1e-5)
    words = there.generate(
        **{name: value.to(THERE) for name, value in inputs.items()},
        max_new_tokens=3,
        do_sample=False,
        pad_token_id=0,
    )
    assert words.shape[1] == inputs["input_ids"].shape[1] + 3


def test_a_walk_in_half_precision_is_written_in_full(pair: Pair, tmp_path: Path) -> None:
    sources, walk = pair("llama"), walk_of(*ROAD)
    walker = Walker(walk, sources, dtype=torch.bfloat16)
    before = walker.put(walk).state_dict()
    assert {tensor.dtype for tensor in before.values()} == {torch.bfloat16}
    found = write_walk(
        walk, walker, sources, tmp_path / "out", recipe="r\n", dtype="fp32",
        inputs=[inputs_for("llama")],
    )  # fmt: skip
    # The walker's weights were rounded, those of the files were not, and the files' are written.
    assert 1e-4 < found.largest < found.allowed
    after = walker.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    other = write_walk(
        walk, Walker(walk, sources), sources, tmp_path / "full", recipe="r\n", dtype="fp32",
        inputs=[inputs_for("llama")],
    )  # fmt: skip
    assert other.largest < 1e-4
    one, again = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("out", "full"))
    assert one == again
