"""A config that ties head to embed, beside files that hold a head of their own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from merge_dsl.space.candidate import Candidate, Keep, Origin
from tests.vlm.conftest import text_config
from vlm.errors import MergeError
from vlm.weights.source import open_source
from vlm.weights.writer import write_model

WHOLE = ("language.embed", *(f"language.layers.{i}" for i in range(3)), "language.norm")


def test_a_head_that_would_be_lost_is_told(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = text_config(tokenizer)
    config.tie_word_embeddings = True
    LlamaForCausalLM(config).save_pretrained(tmp_path / "a")
    tokenizer.save_pretrained(tmp_path / "a")
    file = tmp_path / "a" / "model.safetensors"
    tied = load_file(file)
    assert "lm_head.weight" not in tied
    kept = Candidate("child", {}, (Keep((*WHOLE, "language.head"), Origin("a")),), ())

    def written(head: torch.Tensor) -> None:
        save_file({**tied, "lm_head.weight": head}, file, metadata={"format": "pt"})
        write_model(kept, {"a": open_source("a", tmp_path / "a")}, tmp_path / "out", recipe="r\n")

    embedded = tied["model.embed_tokens.weight"]
    written(embedded.clone())  # said twice, and the same
    assert "lm_head.weight" not in load_file(tmp_path / "out" / "model.safetensors")
    for other in (embedded + 1, embedded[:-1].clone()):
        with pytest.raises(MergeError, match="ties head to embed, and its files hold another head"):
            written(other)
