"""Where models run: the device that is named, and the buffer that another device is filled through."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.vlm.tiny import QUICK, done, evolve, records
from vlm.device import Window, device_of
from vlm.errors import ModelError


class Far:
    """A parameter on another device, as far as `Window` can tell."""

    is_cpu = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.there = torch.zeros(shape)

    def numel(self) -> int:
        return self.there.numel()

    def view(self, *shape: int) -> torch.Tensor:
        return self.there.view(*shape)


@pytest.mark.parametrize("far", [False, True])
def test_pieces_arrive_in_a_parameter_wherever_it_lies(far: bool) -> None:
    window = Window()
    for shape in ((2, 3), (4, 5), (1, 2)):  # a buffer that has grown serves smaller ones too
        slot = Far(shape) if far else torch.zeros(shape)
        count = slot.numel()
        wanted = np.arange(count, dtype=np.float32) + 1
        window.write(slot, [wanted[:1], wanted[1:]])  # type: ignore[arg-type]
        there = slot.there if isinstance(slot, Far) else slot
        assert there.flatten().tolist() == wanted.tolist()
        window.put(slot, wanted * 2)  # type: ignore[arg-type]
        assert there.flatten().tolist() == (wanted * 2).tolist()


def test_a_device_that_is_not_here_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert device_of().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for word in ("cuda:77", "gpu"):
        with pytest.raises(ModelError, match=f"there is no device `{word}`"):
            device_of(word)
    (place / "tiny.merge").write_text(QUICK)
    assert evolve("--device", "cuda:77") == 1
    said = capsys.readouterr().err
    assert "there is no device `cuda:77`" in said and "--device cpu" in said


def test_the_default_is_the_same_run(place: Path) -> None:
    done(place, QUICK, "--device", "cpu")
    if not torch.cuda.is_available():
        done(place, QUICK, "--run", "second")
        assert records(Path("runs/tiny")) == records(Path("second"))
