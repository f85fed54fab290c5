"""Rows of tokens that are asked together: of like length, and in halves where a device has no room.

In: prompts, answers, pictures. Out: batches, in an order that depends on nothing but the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlm.device import forget_freed, is_full

IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Rows of like length, padded on the left: int64 (rows, length)."""

    rows: tuple[int, ...]  # which questions, or which (question, reference) pairs
    ids: Tensor
    mask: Tensor
    pictures: tuple[str, ...]
    targets: Tensor | None = None  # int64 (rows, longest answer), IGNORED where padded


def batched(
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]] | None,
    pictures: Sequence[str],
    pad: int,
    size: int,
) -> tuple[Batch, ...]:
    """Rows sorted by length (ties by place, so that batches never depend on anything else)."""
    whole = [[*prompt, *(answers[i][:-1] if answers else ())] for i, prompt in enumerate(prompts)]
    order = sorted(range(len(whole)), key=lambda i: (len(whole[i]), i))
    batches = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        ids, mask = _left([whole[i] for i in rows], pad)
        targets = _left([answers[i] for i in rows], IGNORED)[0] if answers else None
        batches.append(Batch(tuple(rows), ids, mask, tuple(pictures[i] for i in rows), targets))
    return tuple(batches)


def as_it_fits(model: Any, batch: Batch, work: Callable[[Batch], None]) -> None:
    """Do it for the whole batch, or for one half after the other where a device has no room."""
    try:
        work(batch)
        return
    except RuntimeError as error:
        if len(batch.rows) == 1 or not is_full(error):
            raise
    forget_freed(model.device)
    middle = len(batch.rows) // 2
    for part in (slice(0, middle), slice(middle, None)):
        half = Batch(
            batch.rows[part],
            batch.ids[part],
            batch.mask[part],
            batch.pictures[part],
            None if batch.targets is None else batch.targets[part],
        )
        as_it_fits(model, half, work)


def _left(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), fill)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, longest - len(row) :] = 1
    return ids, mask
