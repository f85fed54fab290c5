"""The language model that knows numbers: tuned from the base on stories, from there on sums, and last on
answering in English.

In: the base, lessons, a seed. Out: `LlamaForCausalLM`. The base has met next to no digits, and what a
vocabulary has not met has nearly one direction in the head: 3, 6, 7 and 9 cannot be told apart
(cosines of 0.998). So the first stages learn the rows of digits and signs in embeddings and head as well;
all other rows stay the base's. Which layers learn is told each time: those that read and reckon are not
those that answer in one language, so that a blend can take the ones and leave the others.
"""

import copy
import random

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Teacher
from vlm.zoo.build.training import answer_loss, batch_of, batches, optimise

SIGNS = "0123456789+-=:"


def tune_numbers(
    parent: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    teacher: Teacher,
    *,
    layers: slice,
    steps: int,
    peak: float,
    seed: int,
    title: str,
    rows: bool = False,
    batch: int = 64,
) -> LlamaForCausalLM:
    """A child of `parent` of which only `layers` learn and, with `rows`, what it knows of `SIGNS`."""
    model = copy.deepcopy(parent).requires_grad_(False)
    for layer in model.model.layers[layers]:
        layer.requires_grad_(True)
    embed, head = model.get_input_embeddings(), model.get_output_embeddings()
    held = Held((embed, head), others_than(tokenizer, SIGNS)) if rows else None
    if held is not None:
        for table in (embed, head):
            table.requires_grad_(True)
    stream = batches(teacher, random.Random(seed), batch)

    def loss_at(step: int) -> Tensor:
        del step
        if held is not None:
            held.restore()
        ids, labels = batch_of(tokenizer, next(stream), patches=0)
        mask = (ids != tokenizer.pad_token_id).long()
        hidden = model.model(inputs_embeds=embed(ids), attention_mask=mask).last_hidden_state
        return answer_loss(hidden, labels, head)

    model.train()
    optimise(model.parameters(), steps, peak, loss_at, title)
    if held is not None:
        held.restore()
    return model.eval()


def others_than(tokenizer: PreTrainedTokenizerFast, signs: str) -> Tensor:
    """Which tokens are none of the signs: bool (vocabulary)."""
    mask = torch.ones(len(tokenizer), dtype=torch.bool)
    mask[tokenizer.convert_tokens_to_ids(list(signs))] = False
    return mask


class Held:
    """Rows of some tables, put back where they were: an optimiser moves whole tables."""

    def __init__(self, tables: tuple[nn.Module, ...], mask: Tensor) -> None:
        self.mask = mask
        weights = [table.get_parameter("weight") for table in tables]
        self.kept = [(weight, weight.detach()[mask].clone()) for weight in weights]

    @torch.no_grad()
    def restore(self) -> None:
        """Put them back."""
        for weight, rows in self.kept:
            weight[self.mask] = rows
