"""Where models run and blends are computed, and in which dtype models answer.

On a CPU all is fp32. A device answers in the dtype that the result is written in, unless told otherwise:
then a candidate has the weights of the checkpoint that it would become, and half precision is what such
devices are quick at.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from vlm.errors import ModelError
from vlm.methods.arrays import Array
from vlm.methods.pieces import fill
from vlm.on_device import OnDevice
from vlm.parents import InMemory, Parents

AUTO = "auto"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU = torch.device("cpu")
SHARE = 2  # parents may take half of what a device has left beside the model: answers need room


def device_of(word: str = AUTO) -> torch.device:
    """The device that a command line names: "auto", "cpu", "cuda", "cuda:1". Raises ModelError for one
    that is not here."""
    if word == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"there is no device `{word}`: {reason}", "give --device cpu") from error
    return device


def dtype_of(word: str, device: torch.device, written: str) -> torch.dtype:
    """In which dtype models answer: "fp32", "bf16", "fp16", or by "auto" what the result is written in."""
    if word == AUTO:
        word = "fp32" if device.type == "cpu" else written
    return DTYPES[word]


def parents_for(device: torch.device) -> Parents:
    """Where a search holds its parents, once the model is on `device`: of another kind than CUDA's nobody
    knows how much it has left, and all is streamed."""
    if device.type == "cpu":
        return InMemory()
    forget_freed(device)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    return OnDevice(device, free // SHARE)


def write(slot: Tensor, pieces: Iterable[Array]) -> None:
    """Pieces of flat fp32 numbers into a contiguous parameter, rounded to the nearest of its dtype."""
    flat = slot.view(-1)
    if slot.is_cpu and slot.dtype == torch.float32:
        fill(flat.numpy(), pieces)  # quicker than torch with short pieces
    else:
        fill(flat, map(torch.as_tensor, pieces))


FULL = ("out of memory", "ALLOC_FAILED", "can't allocate")  # what else than its own error says so


def is_full(error: BaseException) -> bool:
    """Whether an error says that a device, or the memory, has no room."""
    own = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return own or (isinstance(error, RuntimeError) and any(word in str(error) for word in FULL))


def forget_freed(device: torch.device) -> None:
    """Give back what nobody holds any more: torch keeps it for itself, and counts it as taken."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def room_on(device: torch.device) -> Iterator[None]:
    """Raises ModelError where what is done inside finds no room."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        reason = ". ".join(str(error).split(". ")[:2]) or "out of memory"
        raise ModelError(
            f"{device} has no room for this: {reason}",
            "take a device with more, or give --device cpu; --dtype bf16 halves what fp32 takes",
        ) from error
