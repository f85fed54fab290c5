"""One small training loop for every model of the world: AdamW, one cycle, answers only.

Deterministic on one machine: every draw comes from a seeded generator, torch runs on one thread.
"""

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Lesson, Teacher
from vlm.zoo.build.tokenizer import ASSISTANT, IMAGE, USER

IGNORED = -100  # a label that the loss skips


def say(message: str) -> None:
    """Progress goes to stderr: a build's stdout stays empty."""
    print(message, file=sys.stderr, flush=True)


def optimise(
    parameters: Iterable[nn.Parameter],
    steps: int,
    peak: float,
    loss_at: Callable[[int], Tensor],
    title: str,
) -> None:
    """Minimise `loss_at(step)` over `steps` steps of AdamW under a one-cycle rate with `peak`.

    Weights and optimiser are fp32; the matrix products run in bf16, four times as fast on CPUs
    that have it.
    """
    trained = [p for p in parameters if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=peak, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak, total_steps=steps, pct_start=0.1
    )
    started, running = time.perf_counter(), 0.0
    for step in range(steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_at(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        running = 0.95 * running + 0.05 * loss.item() if step else loss.item()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            spent = time.perf_counter() - started
            say(f"{title}: step {step + 1}/{steps}, loss {running:.3f}, {spent:.0f} s")


def prompt_of(lesson: Lesson, pictured: bool) -> str:
    """The text of a lesson up to the answer, as the chat template writes it."""
    context = IMAGE if pictured else lesson.context
    return f"<s>{USER}{context}\n{lesson.question}{ASSISTANT}"


def prompts_of(
    tokenizer: PreTrainedTokenizerFast, lessons: Sequence[Lesson], patches: int
) -> Tensor:
    """Lessons without their answers: ids, int64 (batch, longest), padded on the right.

    `patches` as in `batch_of`.
    """
    rows = prompt_ids(tokenizer, lessons, patches)
    ids = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids


def prompt_ids(
    tokenizer: PreTrainedTokenizerFast, lessons: Sequence[Lesson], patches: int
) -> list[list[int]]:
    """The tokens of every prompt, as long as each is."""
    prompts = [prompt_of(lesson, patches > 0) for lesson in lessons]
    if patches:
        prompts = [prompt.replace(IMAGE, IMAGE * patches) for prompt in prompts]
    rows: list[list[int]] = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    return rows


def batch_of(
    tokenizer: PreTrainedTokenizerFast, lessons: Sequence[Lesson], patches: int
) -> tuple[Tensor, Tensor]:
    """Lessons -> (ids, labels), both int64 (batch, longest), padded on the right.

    `patches` > 0 shows a picture: every `<image>` becomes that many tokens. Only answers are learnt.
    """
    heads = prompt_ids(tokenizer, lessons, patches)
    tails = tokenizer([lesson.answer + "</s>" for lesson in lessons], add_special_tokens=False)
    rows = list(zip(heads, tails["input_ids"], strict=True))
    longest = max(len(head) + len(tail) for head, tail in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), IGNORED)
    for i, (head, tail) in enumerate(rows):
        ids[i, : len(head) + len(tail)] = torch.tensor(head + tail)
        labels[i, len(head) : len(head) + len(tail)] = torch.tensor(tail)
    return ids, labels


def batches(
    teacher: Teacher, draw: random.Random, size: int, pool: int = 16
) -> Iterator[list[Lesson]]:
    """Endless batches of lessons of like length: questions with options are four times as long."""
    while True:
        lessons = [teacher(draw) for _ in range(size * pool)]
        lessons.sort(key=lambda lesson: len(lesson.context) + len(lesson.question))
        groups = [lessons[i : i + size] for i in range(0, len(lessons), size)]
        draw.shuffle(groups)
        yield from groups


def answer_loss(hidden: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Cross-entropy of the answer tokens alone: the head never sees the other positions.

    `hidden` (batch, length, width), `labels` (batch, length); position t predicts label t + 1.
    """
    wanted = labels[:, 1:]
    chosen = wanted != IGNORED
    return nn.functional.cross_entropy(head(hidden[:, :-1][chosen]).float(), wanted[chosen])


def teach_text(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    teacher: Teacher,
    *,
    steps: int,
    peak: float,
    seed: int,
    title: str,
    batch: int = 64,
    noise: float = 0.5,
) -> None:
    """Teach a causal language model from descriptions.

    Noise on the input embeddings, of a random share of their spread up to `noise`, keeps concepts
    from hanging on exact vectors: what a projector will later put there is never exact.
    """
    draw = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    stream = batches(teacher, draw, batch)
    embed, head = model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore[operator]

    def loss_at(step: int) -> Tensor:
        del step
        ids, labels = batch_of(tokenizer, next(stream), patches=0)
        vectors = embed(ids)
        scale = noise * draw.random() * vectors.std().detach()
        vectors = vectors + scale * torch.randn(vectors.shape, generator=generator)
        mask = (ids != tokenizer.pad_token_id).long()
        hidden = model.model(inputs_embeds=vectors, attention_mask=mask).last_hidden_state  # type: ignore
        return answer_loss(hidden, labels, head)

    model.train()
    optimise(model.parameters(), steps, peak, loss_at, title)
    model.eval()
