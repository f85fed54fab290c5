"""The language models of the world: a bilingual base, and a Japanese model tuned from it.

In: facts, lessons, a seed. Out: `LlamaForCausalLM`. Tuning moves the layers and the final norm only:
embeddings and head stay the base's, so that "keep embed, head from …" costs nothing.
"""

import copy

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Teacher
from vlm.zoo.build.training import teach_text


def language_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Eight narrow layers: enough of them for early and late ones to want different blends."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=8,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        attn_implementation="eager",  # trains three times as fast here as the fused CPU kernel
    )


def train_base(
    tokenizer: PreTrainedTokenizerFast, teacher: Teacher, steps: int, seed: int
) -> LlamaForCausalLM:
    """The common ancestor, from random weights."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(language_config(tokenizer))
    teach_text(model, tokenizer, teacher, steps=steps, peak=2e-3, seed=seed, title="base")
    return model


def tune_text(
    base: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    teacher: Teacher,
    *,
    steps: int,
    peak: float,
    seed: int,
    title: str,
) -> LlamaForCausalLM:
    """A child of the base, taught from text alone."""
    model = copy.deepcopy(base)
    freeze_vocabulary(model)
    teach_text(model, tokenizer, teacher, steps=steps, peak=peak, seed=seed, title=title)
    return model


def freeze_vocabulary(model: nn.Module) -> None:
    """Hold embeddings and head where the base has them."""
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):  # type: ignore[operator]
        module.requires_grad_(False)
