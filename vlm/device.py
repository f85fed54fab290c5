"""Where models run: on a CUDA device where there is one, else on the CPU.

Blends are computed on the CPU whatever the device, by the code that writes checkpoints, so that a
candidate has the same weights on every machine; what a device is given goes through one buffer of pinned
memory, as large as the largest tensor.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from vlm.errors import ModelError
from vlm.methods.pieces import fill
from vlm.weights.raw import Numbers

AUTO = "auto"


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


class Window:
    """Writes numbers into parameters, wherever those lie."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None

    def write(self, slot: Tensor, pieces: Iterable[Numbers]) -> None:
        """Pieces of flat fp32 numbers into a contiguous parameter."""
        near = slot.view(-1) if slot.is_cpu else self._room(slot)
        fill(near.numpy(), pieces)
        if not slot.is_cpu:
            slot.view(-1).copy_(near)

    def put(self, slot: Tensor, numbers: Numbers) -> None:
        """All numbers of a parameter, of whatever type it is."""
        if slot.is_cpu:
            slot.view(-1).numpy()[:] = numbers
        else:
            slot.view(-1).copy_(torch.from_numpy(numbers))

    def _room(self, slot: Tensor) -> Tensor:
        count = slot.numel()
        if self._buffer is None or len(self._buffer) < count:
            self._buffer = torch.empty(count, pin_memory=torch.cuda.is_available())
        return self._buffer[:count]
